#!/bin/sh
# The last line is a test, and fails where there is no name.
printf '20 text/gemini\r\n'
echo "# Good day"
[ -n "$QUERY_STRING" ] && echo "And to you, $QUERY_STRING"
