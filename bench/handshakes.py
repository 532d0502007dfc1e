"""Handshakes in memory: what the server's half of one takes, full and resumed, by turns.

Rule: OpenSSL has to be loaded with session tickets before this is imported.
"""

import datetime
import ssl
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from measure import HOST

from gemd.config.settings import TLS
from gemd.system.certificates import load
from gemd.system.session_tickets import TicketContext
from gemd.system.tls_context import build_context, find_among

VERSIONS = {"TLS 1.3": ssl.TLSVersion.TLSv1_3, "TLS 1.2": ssl.TLSVersion.TLSv1_2}
KEYS: dict[str, Callable[[], object]] = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "RSA-2048": lambda: rsa.generate_private_key(65537, 2048),
}


def write_certificate(folder: Path, name: str, key) -> tuple[Path, Path]:
    """A self-signed certificate and its key, as files."""
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(1))
    builder = builder.not_valid_after(now + datetime.timedelta(9))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    certificate_file, key_file = folder / f"{name}.crt", folder / f"{name}.key"
    certificate_file.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(encoding))
    key_file.write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
    key_file.chmod(0o600)
    return certificate_file, key_file


def make_client(version: ssl.TLSVersion) -> ssl.SSLContext:
    """A client of one version, which trusts anybody."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.minimum_version = client.maximum_version = version
    return client


def shake_hands(context, client: ssl.SSLContext, session=None) -> tuple[float, ssl.SSLObject]:
    """A handshake and an answer; the server's µs for the handshake, and the client."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    peer = client.wrap_bio(back, there, server_hostname=HOST, session=session)
    server = context.make_connection()
    spent, is_client_done, is_done = 0, False, False
    while not (is_client_done and is_done):
        try:
            peer.do_handshake()
            is_client_done = True
        except ssl.SSLWantReadError:
            pass
        data = there.read()
        begin = time.thread_time_ns()
        server.feed(data)
        is_done = is_done or server.handshake()
        sent = bytes(server.take())
        spent += time.thread_time_ns() - begin
        back.write(sent)
    server.write(b"20 text/gemini\r\n")
    server.send_close_notify()
    back.write(bytes(server.take()))
    peer.read(1000)
    return spent / 1000, peer


def measure_memory(folder: Path, key: str, version: str, hosts: int, number: int) -> list[str]:
    """A line of the table: so many handshakes of each kind, by turns."""
    certificate = load(*write_certificate(folder, f"{key}-{hosts}", KEYS[key]()))
    plain, with_tickets = build_context(certificate, TLS()), build_context(certificate, TLS(), tickets_for=HOST)
    only = with_tickets if hosts == 1 else None
    tickets = TicketContext(plain, find_among({HOST: with_tickets}), only)
    client = make_client(VERSIONS[version])
    session = shake_hands(tickets, client)[1].session
    full, resumed = [], []
    for _ in range(number):
        full.append(shake_hands(tickets, client)[0])
        spent, peer = shake_hands(tickets, client, session)
        assert peer.session_reused
        resumed.append(spent)
    middle, less = statistics.median(full), statistics.median(resumed)
    return [
        f"{version}, {key}, {hosts} host{'s' * (hosts > 1)}",
        f"{middle:.0f}",
        f"{less:.0f}",
        f"{less / middle:.2f}",
    ]
