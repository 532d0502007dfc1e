#!/bin/sh
echo 'Content-Type: application/octet-stream'
echo
head -c 3000000 /dev/zero
