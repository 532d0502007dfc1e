#!/usr/bin/env python3
"""Lists the variables that the server gave to this script, and no more."""

import os

print("20 text/gemini", end="\r\n")
print("# The environment of a script\n")
print("```NAME=value, one a line")
for name, value in sorted(os.environ.items()):
    # A value may hold what the client sent: the query, a part of the path, a name in a certificate.
    print(f"{name}={''.join(c if c.isprintable() else ascii(c)[1:-1] for c in value)}")
print("```\n")
print("=> /guides/cgi.gmi What they mean")
