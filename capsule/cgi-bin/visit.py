#!/usr/bin/env python3
"""A visitors' desk: greets by name, or by client certificate.

    visit.py                 asks for a name (status 10), then greets whoever gave one
    visit.py/private         asks for a client certificate (status 60), then greets by that
    visit.py/private/name    asks whoever has shown one for a name as well
    visit.py/any/path        says what PATH_INFO is

A client shows its certificate where it was asked for one, and below. So what needs one is all below one path.

It uses only variables that Jetforce sets too, and runs under either server.
"""

import os
from urllib.parse import quote, unquote


def plain(text: str) -> str:
    """Text from a client, fit for the middle of a line: nothing in it can end the line or hide itself."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def main() -> None:
    script = quote(os.environ["SCRIPT_NAME"])
    place = os.environ.get("PATH_INFO", "")
    name = plain(unquote(os.environ.get("QUERY_STRING", "")))
    known = os.environ.get("AUTH_TYPE", "").upper() == "CERTIFICATE"
    private = f"{place}/".startswith("/private/")

    if private and not known:
        print("60 This desk is for visitors with a certificate", end="\r\n")
        return
    if place in ("", "/private/name") and not name:
        print("10 What is your name?", end="\r\n")
        return

    print("20 text/gemini", end="\r\n")
    print("# The visitors' desk\n")
    if known:
        user = plain(os.environ.get("REMOTE_USER", "")) or "whoever you are"
        print(f"Welcome, {user}. Your certificate is {os.environ['TLS_CLIENT_HASH']}.")
    if name:
        print(f"Good day, {name}.")
    if place and not private:
        print(f"You are at {plain(place)}, which is this script's PATH_INFO.")
    print(f"\n=> {script}{'/private/name' if private else ''} Give a name")
    print(f"=> {script}/private Show a certificate")
    print("=> / Front page")


main()
