# Completion of gemctl(8) for bash.

_gemctl() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  local command='' action='' server='' words='' options i
  if [[ $before == = ]]; then # bash splits --flag=value at the "="
    before=${COMP_WORDS[COMP_CWORD - 2]}
  elif [[ $word == = ]]; then
    word=''
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      -c | --config | -s | --socket | --timeout | --directory | --cert | --certificate | --key | --connect | \
        --type | --token | --token-file | --name | --from | --root | --input | \
        --only | --limit | --pause | --within)
        [[ ${COMP_WORDS[i + 1]} == = ]] && ((i += 2)) || ((i += 1))
        ;;
      -*) ;;
      *)
        if [[ ! $command ]]; then
          command=${COMP_WORDS[i]}
        elif [[ ! $action ]]; then
          action=${COMP_WORDS[i]}
        else
          server=${server:-${COMP_WORDS[i]}}
        fi
        ;;
    esac
  done
  COMPREPLY=()
  case $before in
    -c | --config | -s | --socket | --cert | --certificate | --key | --token-file)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      return
      ;;
    --directory | --root)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -d -- "$word")
      return
      ;;
    --from)
      mapfile -t COMPREPLY < <(compgen -W 'agate jetforce molly-brown gmid gmcapsule none' -- "$word")
      return
      ;;
    --timeout | --connect | --type | --token | --name | --host | --input | --limit | --pause | --within) return ;;
    --only)
      mapfile -t COMPREPLY < <(compgen -W 'server content' -- "$word")
      return
      ;;
  esac
  options='-h --help'
  local client='--trust --cert --certificate --key --connect --timeout' upload='--type --token --token-file'
  case "$command $action" in
    ' ')
      options+=' -V --version -c --config -s --socket'
      words='status reload reopen upgrade stop cert config init fetch put edit check'
      ;;
    'status '*) options+=' -c --config -s --socket --json --openmetrics --prometheus --watch --timeout' ;;
    'reload '* | 'reopen '* | 'upgrade '* | 'stop '*) options+=' -c --config -s --socket --timeout' ;;
    'cert ') words='show new renew import' ;;
    'cert show') options+=' -c --config --tlsa' ;;
    'cert new') options+=' -c --config --directory' ;;
    'cert import')
      options+=' -c --config --host --key --directory --replace'
      if [[ $word != -* ]]; then
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -W 'agate jetforce molly-brown gmid gmcapsule' -- "$word"; compgen -f -- "$word")
        return
      fi
      ;;
    'cert '*) options+=' -c --config' ;;
    'config ') words='import' ;;
    'config import')
      if [[ ! $server ]]; then
        words='gmid jetforce molly-brown agate'
      elif [[ $word != -* ]]; then
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
      fi
      ;;
    'init ')
      options+=' --name --from --root --cert --certificate --key'
      if [[ $word != -* ]]; then
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -d -- "$word")
        return
      fi
      ;;
    'init '*) options+=' --name --from --root --cert --certificate --key' ;;
    'fetch '*) options+=" --head --follow --input $client" ;;
    'put ')
      options+=" --delete $upload $client"
      if [[ $word != -* ]]; then
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
      fi
      ;;
    'put '*) options+=" --delete $upload $client" ;;
    'edit '*) options+=" $upload $client" ;;
    'check '*)
      options+=' -c --config -s --socket --only --external --foreign --limit --pause --within --connect --json --timeout'
      ;;
  esac
  [[ $word == -* || ! $words ]] && words=$options
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -F _gemctl gemctl
