#!/usr/bin/env python3
"""Forgets its environment, then has another program do the work, and writes down what that says."""

import os
import subprocess
import sys

query, path = os.environ["QUERY_STRING"], os.environ["PATH"]
os.environ.clear()
os.chdir("/")

done = subprocess.run(
    ["sort", "-r"],
    input=query.replace(",", "\n") + "\n",
    capture_output=True,
    text=True,
    check=True,
    env={"PATH": path, "LC_ALL": "C"},
)
shown = subprocess.run([sys.executable, "-c", "import os; print(len(os.environ))"], env={}, stdout=subprocess.PIPE)
sys.stdout.buffer.write(b"20 text/plain\r\n" + done.stdout.encode() + shown.stdout)
