#!/usr/bin/env python3
"""An account by certificate, mounted at a path of its own: GmCapsule's scripts know their client by REMOTE_IDENT."""

import json
import os
import re
import sys
from pathlib import Path
from urllib.parse import unquote


def reply(line: str, body: str = "") -> None:
    sys.stdout.write(f"{line}\r\n{body}")
    sys.exit()


ident = os.environ.get("REMOTE_IDENT", "")
if not ident:
    reply("60 Choose a certificate")
certificate, key = re.fullmatch(r"([0-9a-f]{64});([0-9a-f]{64})", ident).groups()
account = Path(os.environ["DATA"], f"account-{key}.json")
page = os.environ["PATH_INFO"].strip("/")

if page == "name":
    if "GEMINI_QUERY_STRING" not in os.environ:
        reply("10 Your name")
    new = account.with_suffix(f".{os.getpid()}")
    new.write_text(json.dumps({"name": unquote(os.environ["GEMINI_QUERY_STRING"])}))
    new.replace(account)
    reply(f"30 {os.environ['SCRIPT_NAME']}/")
if page:
    reply("51 There is no such page")
if not account.exists():
    reply(f"30 {os.environ['SCRIPT_NAME']}/name")
reply("20 text/gemini", f"# {json.loads(account.read_text())['name']}\nCertificate {certificate[:8]}\n")
