#!/bin/sh
# Compares AUTH_TYPE exactly, as those do who have it from Molly Brown's source.
case $AUTH_TYPE in
  Certificate) printf '20 text/plain\r\nmember %.8s\n' "$TLS_CLIENT_HASH" ;;
  *) printf '60 Members only\r\n' ;;
esac
