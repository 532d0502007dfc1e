#!/usr/bin/env python3
"""A guest book in one file, which asks for a line, and for a certificate before that."""

import fcntl
import os
import sys
from pathlib import Path
from urllib.parse import unquote

book = Path(os.environ["DATA"], "guestbook.txt")

if os.environ.get("AUTH_TYPE") != "CERTIFICATE":
    print("60 Who are you?")
    sys.exit()

user = os.environ["TLS_CLIENT_HASH"]
if not user.startswith("SHA256:") or not os.environ["REMOTE_USER"]:
    print("61 That is no name")
    sys.exit()

query = os.environ["QUERY_STRING"]
if not query and os.environ["PATH_INFO"] == "/sign":
    print("10 Your line")
    sys.exit()

if query:
    with book.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(f"* {os.environ['REMOTE_USER']}: {unquote(query)}\n")
    print(f"30 {os.environ['SCRIPT_NAME']}")
    sys.exit()

print("20 text/gemini")
print("# Guest book")
print(f"=> {os.environ['SCRIPT_NAME']}/sign Sign it")
print(book.read_text() if book.exists() else "Nobody was here.", end="")
