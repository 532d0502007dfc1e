#compdef gemd
# Completion of gemd(8) for zsh.

_arguments -s -S \
  '(-c --config)'{-c+,--config=}'[read the configuration from a file]:configuration:_files' \
  '(-d --daemon)'{-d,--daemon}'[detach from the terminal]' \
  '(- *)'{-h,--help}'[print a summary of the options]' \
  '(-t --test)'{-t,--test}'[check the configuration]' \
  '--json[print what -t finds as JSON]' \
  '(-T --dump)'{-T,--dump}'[print the configuration as it takes effect]' \
  '(- *)'{-V,--version}'[print the version]' \
  '--user=[become this user when started as root]:user:_users' \
  '--workers=[worker processes]:number: ' \
  '--host=[address to listen on]:address: ' \
  '--port=[port to listen on]:port: ' \
  '--proxy-protocol[a PROXY header comes before TLS]' \
  '--no-tls[TLS is ended before gemd]' \
  '*--hostname=[host name of the capsule]:name:_hosts' \
  '--dir=[root directory of the capsule]:directory:_directories' \
  '--app=[a Python application]:module\:name: ' \
  '--reload[reload when a file of an application changes]' \
  '--cgi-dir=[directory of scripts, below the root]:directory: ' \
  '--index-file=[page of a directory]:name: ' \
  '--default-lang=[language of gemtext pages]:tag: ' \
  '--rate-limit=[requests a client may make]:rate, as in 120/1m: ' \
  '--tls-certfile=[certificate in PEM]:certificate:_files' \
  '--tls-keyfile=[private key in PEM]:key:_files' \
  '--tls-cafile=[authorities for client certificates]:file:_files' \
  '--tls-capath=[directory of authorities]:directory:_directories'
