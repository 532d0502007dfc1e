#!/bin/sh
# Answers at once, and works on in the background.
echo '20 text/plain'
echo 'It will be done.'
( sleep 0.3; echo "$QUERY_STRING" >> "$DATA/later.txt" ) &
