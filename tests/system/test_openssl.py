import os
import subprocess
import sys

import pytest


def run(code, **environ):
    """What this code prints, run by a fresh interpreter without OPENSSL_CONF, unless it is given."""
    env = {name: value for name, value in os.environ.items() if name != "OPENSSL_CONF"} | environ
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.split()


LOAD = "import os; from gemd.system.openssl import load_openssl; print(load_openssl(), os.environ.get('OPENSSL_CONF'))"


def test_the_environment_stays_as_it_was():
    assert run(LOAD) == ["True", "None"]
    assert run(LOAD, OPENSSL_CONF="/dev/null") == ["True", "/dev/null"]


def test_it_says_that_it_came_too_late():
    assert run("import cryptography.x509\n" + LOAD) == ["False", "None"]
    assert run("import cryptography.x509\n" + LOAD, OPENSSL_CONF="/dev/null") == ["True", "/dev/null"]


@pytest.mark.parametrize(("library", "is_first"), [(b"\0libcrypto.so.3\0", "False"), (b"\0OPENSSL_cleanup\0", "True")])
def test_python_may_have_loaded_the_same_one(tmp_path, library, is_first):
    """That of a distribution, with which both are linked; a wheel of cryptography has one of its own."""
    (tmp_path / "library.so").write_bytes(library)
    code = f"import hashlib, importlib.util as u, types; s = types.SimpleNamespace(origin='{tmp_path}/library.so')"
    assert run(f"{code}; u.find_spec = lambda _: s\n{LOAD}") == [is_first, "None"]


HAS = "from gemd.system import openssl as o; o.load_openssl({}); print(o.has_tickets())"


def test_whether_there_may_be_tickets_is_known():
    assert run(HAS.format("o.WITHOUT_TICKETS")) == ["False"]
    assert run(HAS.format("o.WITH_TICKETS")) == ["True"]
    assert run(HAS.format("o.WITHOUT_TICKETS"), OPENSSL_CONF="/dev/null") == ["True"]
    assert run("import cryptography.x509; " + HAS.format("o.WITHOUT_TICKETS")) == ["True"]


ODDITIES = {
    "deprecated": "from cryptography.utils import CryptographyDeprecationWarning as W; warnings.warn('odd', W)",
    "a name too long": "from cryptography.x509 import *; NameAttribute(NameOID.COMMON_NAME, 'x' * 65, _validate=False)",
}


@pytest.mark.parametrize("code", ODDITIES.values(), ids=ODDITIES)
def test_strangers_certificates_are_not_warned_of(code):
    env = {**os.environ, "PYTHONWARNINGS": "error"}
    for before, code_of in (("import warnings;", 1), (f"import warnings; {LOAD}\n", 0)):
        done = subprocess.run([sys.executable, "-c", before + code], env=env, capture_output=True, timeout=60)
        assert done.returncode == code_of, done.stderr


TICKETS = """
import ssl, sys
from pathlib import Path
{before}
from gemd.config.settings import TLS
from gemd.system.certificates import find_or_make
from gemd.system.tls_context import build_context
server = build_context(find_or_make(Path(sys.argv[1]), ("h",)), TLS()).make_connection()
there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
client_context.check_hostname, client_context.verify_mode = False, ssl.CERT_NONE
client = client_context.wrap_bio(back, there)
sent = []
for _ in range(4):
    for shake in (client.do_handshake, server.handshake):
        try:
            shake()
        except ssl.SSLWantReadError:
            pass
        server.feed(data) if (data := there.read()) else None
        if data := server.take():
            sent.append(data)
            back.write(data)
print(len(sent))
"""


@pytest.mark.parametrize(
    ("before", "flights"), [("from gemd.system.openssl import load_openssl; load_openssl()", 1), ("", 2)]
)
def test_no_ticket_is_sent_by_who_loads_it_so(tmp_path, before, flights):
    """The server sends its own flight, and else another one after the handshake."""
    env = {name: value for name, value in os.environ.items() if name != "OPENSSL_CONF"}
    command = [sys.executable, "-c", TICKETS.format(before=before), tmp_path / "certificates"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == [str(flights)], done.stderr
