#compdef gemctl
# Completion of gemctl(8) for zsh.

_gemctl_cert() {
  local curcontext=$curcontext state line
  local -a actions=(
    'show:show the certificates of the hosts'
    'new:make a self-signed certificate'
    'renew:make a new self-signed certificate for the same key'
    'import:take over the certificates of another server'
  )
  _arguments -C $help '1:action:->action' '*::argument:->argument'
  case $state in
    action) _describe action actions ;;
    argument)
      case $line[1] in
        show) _arguments $help $file '--tlsa[as records for the DNS]' '1:host: ' ;;
        renew) _arguments $help $file '1:host: ' ;;
        new) _arguments $help $file '--directory=[make it here]:directory:_directories' '1:host: ' ;;
        import)
          _arguments $help $file '--host=[for this host alone]:host: ' '--key=[the key of the certificate]:file:_files' \
            '--directory=[keep it here]:directory:_directories' '--replace[in the place of one that is there]' \
            '1:source:_alternative "servers:server:(agate jetforce molly-brown gmid gmcapsule)" "files:file:_files"'
          ;;
      esac
      ;;
  esac
}

_gemctl_config() {
  local curcontext=$curcontext state line
  local -a actions=('import:print what the configuration of another server becomes')
  _arguments -C $help '1:action:->action' '*::argument:->argument'
  case $state in
    action) _describe action actions ;;
    argument) _arguments $help '1:server:(gmid jetforce molly-brown agate)' '2:file:_files' ;;
  esac
}

_gemctl() {
  local curcontext=$curcontext state line
  local -a help=('(- *)'{-h,--help}'[print a summary of the options]')
  local -a file=('(-c --config)'{-c+,--config=}'[the configuration of gemd]:configuration:_files')
  local -a places=($file '(-s --socket)'{-s+,--socket=}'[the socket of gemd]:socket:_files')
  local -a patience=('--timeout=[wait at most so long]:seconds: ')
  local -a commands=(
    'status:show what gemd does'
    'reload:read the configuration, certificates and keys again'
    'reopen:open the log files again, after they were rotated'
    'upgrade:start the installed program in place of the running one'
    'stop:finish what has begun, then leave'
    'cert:show, make, renew and take over certificates'
    'config:carry a configuration over from another server'
    'init:write a configuration and a first page'
    'fetch:fetch a URL over Gemini'
    'put:upload a file by Titan'
    'edit:edit a text on a server that takes uploads'
    'check:look for faults of a running server, and of its capsule'
  )
  local -a client=(
    $patience
    '--trust[accept a certificate that has changed]'
    '(--cert --certificate)'{--cert=,--certificate=}'[client certificate in PEM]:certificate:_files'
    '--key=[its key in PEM]:key:_files'
    '--connect=[connect there, whatever the URL says]:host and port: '
  )
  local -a upload=(
    '--type=[media type]:type: '
    '(--token-file)--token=[password for uploads]:password: '
    '(--token)--token-file=[file with the password for uploads]:file:_files'
  )
  _arguments -C $help $places '(- *)'{-V,--version}'[print the version]' '1:command:->command' '*::argument:->argument'
  case $state in
    command) _describe command commands ;;
    argument)
      case $line[1] in
        status)
          _arguments $help $places $patience \
            '(--openmetrics --prometheus --watch)--json[as JSON]' \
            '(--json --prometheus --watch)--openmetrics[as OpenMetrics text]' \
            '(--json --openmetrics --watch)--prometheus[as Prometheus text]' \
            '(--json --openmetrics --prometheus)--watch=-[again and again]::seconds: '
          ;;
        reload | reopen | upgrade | stop) _arguments $help $places $patience ;;
        cert) _gemctl_cert ;;
        config) _gemctl_config ;;
        init)
          _arguments $help \
            '--name=[name of the host]:name: ' \
            '--from=[the server before]:server:(agate jetforce molly-brown gmid gmcapsule none)' \
            '--root=[pages that are there already]:directory:_directories' \
            '(--cert --certificate)'{--cert=,--certificate=}'[certificate that clients know]:certificate:_files' \
            '--key=[its key]:key:_files' '1:directory:_directories'
          ;;
        fetch)
          _arguments $help $client '--head[the header alone]' '--follow[follow redirects, at most five]' \
            '--input=[the answer if the server asks for input]:answer: ' '1:URL: '
          ;;
        put) _arguments $help $client $upload '--delete[delete what is there, by an empty file]' '1:file:_files' '2:URL: ' ;;
        edit) _arguments $help $client $upload '1:URL: ' ;;
        check)
          _arguments $help $places $patience \
            '--only=[leave the other out]:part:(server content)' \
            '--external[ask for what is linked on other servers, too]' \
            "--foreign[the host may be somebody else's]" \
            '--limit=[pages that are looked at at most]:number: ' \
            '--pause=[between two requests]:seconds: ' \
            '--within=[for all of it]:seconds: ' \
            '--connect=[connect there, whatever the host says]:host and port: ' \
            '--json[as JSON]' '1:host or URL:_hosts'
          ;;
      esac
      ;;
  esac
}

_gemctl "$@"
