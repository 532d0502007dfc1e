# Completion of gemctl(8) for fish.

set -l actions status reload reopen upgrade stop cert config init fetch put edit check
set -l clients '__fish_seen_subcommand_from fetch put edit'
set -l uploads '__fish_seen_subcommand_from put edit'
set -l none "not __fish_seen_subcommand_from $actions"
set -l cert '__fish_seen_subcommand_from cert; and not __fish_seen_subcommand_from show new renew import'
set -l init '__fish_seen_subcommand_from init'
set -l control "not __fish_seen_subcommand_from cert config init fetch put edit"
set -l file "not __fish_seen_subcommand_from config init fetch put edit; and not begin; $cert; end"

complete -c gemctl -f
complete -c gemctl -s h -l help -d 'Print a summary of the options'
complete -c gemctl -n "$none" -s V -l version -d 'Print the version'
complete -c gemctl -n "$file" -s c -l config -r -F -d 'The configuration of gemd'
complete -c gemctl -n "$control" -s s -l socket -r -F -d 'The socket of gemd'
complete -c gemctl -n "$none" -a status -d 'Show what gemd does'
complete -c gemctl -n "$none" -a reload -d 'Read the configuration, certificates and keys again'
complete -c gemctl -n "$none" -a reopen -d 'Open the log files again, after they were rotated'
complete -c gemctl -n "$none" -a upgrade -d 'Start the installed program in place of the running one'
complete -c gemctl -n "$none" -a stop -d 'Finish what has begun, then leave'
complete -c gemctl -n "$none" -a cert -d 'Show, make, renew and take over certificates'
complete -c gemctl -n "$none" -a config -d 'Carry a configuration over from another server'
complete -c gemctl -n "$none" -a init -d 'Write a configuration and a first page'
complete -c gemctl -n "$none" -a fetch -d 'Fetch a URL over Gemini'
complete -c gemctl -n "$none" -a put -d 'Upload a file by Titan'
complete -c gemctl -n "$none" -a edit -d 'Edit a text on a server that takes uploads'
complete -c gemctl -n "$none" -a check -d 'Look for faults of a running server, and of its capsule'

complete -c gemctl -n '__fish_seen_subcommand_from status' -l json -d 'As JSON'
complete -c gemctl -n '__fish_seen_subcommand_from status' -l openmetrics -d 'As OpenMetrics text'
complete -c gemctl -n '__fish_seen_subcommand_from status' -l prometheus -d 'As Prometheus text'
complete -c gemctl -n '__fish_seen_subcommand_from status' -l watch -d 'Again and again'
complete -c gemctl -n '__fish_seen_subcommand_from status reload reopen upgrade stop fetch put edit check' -l timeout -x \
    -d 'Wait at most so many seconds'

complete -c gemctl -n "$cert" -a show -d 'Show the certificates of the hosts'
complete -c gemctl -n "$cert" -a new -d 'Make a self-signed certificate'
complete -c gemctl -n "$cert" -a renew -d 'Make a new self-signed certificate for the same key'
complete -c gemctl -n '__fish_seen_subcommand_from cert; and __fish_seen_subcommand_from show' -l tlsa \
    -d 'Records for the DNS'
complete -c gemctl -n '__fish_seen_subcommand_from cert; and __fish_seen_subcommand_from new' -l directory -x \
    -a '(__fish_complete_directories)' -d 'Make it here'
complete -c gemctl -n "$cert" -a import -d 'Take over the certificates of another server'
set -l taken '__fish_seen_subcommand_from cert; and __fish_seen_subcommand_from import'
complete -c gemctl -n "$taken" -F -a 'agate jetforce molly-brown gmid gmcapsule'
complete -c gemctl -n "$taken" -l host -x -d 'For this host alone'
complete -c gemctl -n "$taken" -l key -r -F -d 'The key of the certificate'
complete -c gemctl -n "$taken" -l directory -x -a '(__fish_complete_directories)' -d 'Keep it here'
complete -c gemctl -n "$taken" -l replace -d 'In the place of one that is there'

set -l config '__fish_seen_subcommand_from config'
set -l servers gmid jetforce molly-brown agate
complete -c gemctl -n "$config; and not __fish_seen_subcommand_from import" -a import \
    -d 'Print what the configuration of another server becomes'
complete -c gemctl -n "$config; and __fish_seen_subcommand_from import; and not __fish_seen_subcommand_from $servers" \
    -a "$servers"
complete -c gemctl -n "$config; and __fish_seen_subcommand_from $servers" -F

complete -c gemctl -n "$init" -a '(__fish_complete_directories)'
complete -c gemctl -n "$init" -l name -x -d 'Name of the host'
complete -c gemctl -n "$init" -l from -x -a 'agate jetforce molly-brown gmid gmcapsule none' -d 'The server before'
complete -c gemctl -n "$init" -l root -x -a '(__fish_complete_directories)' -d 'Pages that are there already'
complete -c gemctl -n "$init" -l cert -l certificate -r -F -d 'Certificate that clients know'
complete -c gemctl -n "$init" -l key -r -F -d 'Its key'

complete -c gemctl -n '__fish_seen_subcommand_from fetch' -l head -d 'The header alone'
complete -c gemctl -n '__fish_seen_subcommand_from fetch' -l follow -d 'Follow redirects, at most five'
complete -c gemctl -n '__fish_seen_subcommand_from fetch' -l input -x -d 'Answer if the server asks for input'
complete -c gemctl -n '__fish_seen_subcommand_from put' -F
complete -c gemctl -n '__fish_seen_subcommand_from put' -l delete -d 'Delete what is there, by an empty file'
complete -c gemctl -n "$uploads" -l type -x -d 'Media type'
complete -c gemctl -n "$uploads" -l token -x -d 'Password for uploads'
complete -c gemctl -n "$uploads" -l token-file -r -F -d 'File with the password for uploads'
complete -c gemctl -n "$clients" -l trust -d 'Accept a certificate that has changed'
complete -c gemctl -n "$clients" -l cert -l certificate -r -F -d 'Client certificate in PEM'
complete -c gemctl -n "$clients" -l key -r -F -d 'Its key in PEM'
complete -c gemctl -n '__fish_seen_subcommand_from fetch put edit check' -l connect -x -d 'Connect there, whatever the URL says'

set -l check '__fish_seen_subcommand_from check'
complete -c gemctl -n "$check" -l only -x -a 'server content' -d 'Leave the other out'
complete -c gemctl -n "$check" -l external -d 'Ask for what is linked on other servers, too'
complete -c gemctl -n "$check" -l foreign -d "The host may be somebody else's"
complete -c gemctl -n "$check" -l limit -x -d 'Pages that are looked at at most'
complete -c gemctl -n "$check" -l pause -x -d 'Seconds between two requests'
complete -c gemctl -n "$check" -l within -x -d 'Seconds for all of it'
complete -c gemctl -n "$check" -l json -d 'As JSON'
