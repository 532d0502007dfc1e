# Completion of gemd(8) for bash.

_gemd() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  if [[ $before == = ]]; then # bash splits --flag=value at the "="
    before=${COMP_WORDS[COMP_CWORD - 2]}
  elif [[ $word == = ]]; then
    word='' before=${COMP_WORDS[COMP_CWORD - 1]}
  fi
  COMPREPLY=()
  case $before in
    -c | --config | --tls-certfile | --tls-keyfile | --tls-cafile)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      ;;
    --dir | --tls-capath)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -d -- "$word")
      ;;
    --user)
      mapfile -t COMPREPLY < <(compgen -u -- "$word")
      ;;
    --workers | --host | --port | --hostname | --app | --cgi-dir | --index-file | --default-lang | --rate-limit) ;;
    *)
      mapfile -t COMPREPLY < <(compgen -W '-c --config -d --daemon -h --help -t --test --json -T --dump -V --version
        --user --workers --host --port --proxy-protocol --no-tls --hostname --dir --app --reload --cgi-dir --index-file --default-lang --rate-limit
        --tls-certfile --tls-keyfile --tls-cafile --tls-capath' -- "$word")
      ;;
  esac
}

complete -F _gemd gemd
