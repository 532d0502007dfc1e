#!/bin/sh
# The smallest useful script: a header, then a page.
printf '20 text/gemini\r\n'
printf '# Hello from a script\n\n'
date -u '+It is %H:%M UTC on %Y-%m-%d.'
printf '\n=> /cgi-bin/hello.sh Ask again\n=> /guides/cgi.gmi How this works\n=> / Front page\n'
