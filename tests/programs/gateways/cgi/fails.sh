#!/bin/sh
echo 'Status: 503'
echo
exit 3
