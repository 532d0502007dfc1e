#!/bin/sh
sum=$(sha256sum)
printf 'Content-Type: text/plain\r\n\r\n%s\n' "$REQUEST_METHOD $CONTENT_LENGTH $CONTENT_TYPE ${sum%% *}"
