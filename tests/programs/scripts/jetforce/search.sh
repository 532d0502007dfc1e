#!/bin/sh
# A search in a list, whose last command finds nothing where there is nothing: then sh exits with 1.
if [ -z "$QUERY_STRING" ]; then
  printf '10 What for?\r\n'
  exit 0
fi
printf '20 text/plain\r\n'
printf 'Found in %s:\n' "$SCRIPT_NAME"
grep -i -- "$GEMINI_SEARCH_STRING" "$(dirname "$0")/words.txt"
