#!/bin/sh
# As one of the web has it.
echo "asked for $PATH_INFO" >&2
printf 'Content-Type: text/plain\r\n\r\n'
printf '%s|%s|%s|%s\n' "$REQUEST_METHOD" "$SCRIPT_NAME" "$PATH_INFO" "$QUERY_STRING"
