"""What is asked of the machine: TLS, certificates, sockets, files, signals, logs. Decides nothing about answers."""

import os
from pathlib import Path

# OpenSSL reads its configuration once, when cryptography is first imported; every import of it comes after this one.
os.environ.setdefault("OPENSSL_CONF", str(Path(__file__).with_name("openssl.cnf")))
