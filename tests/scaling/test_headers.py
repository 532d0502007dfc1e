"""The PROXY headers that HAProxy sends, for connections and for its health checks."""

import contextlib
import socket
import ssl

import pytest

from gemd.protocol.proxy_header import Endpoint, ProxyHeader
from gemd.protocol.proxy_reader import ProxyHeaderReader
from tests.serve.certificates import make_certificate
from tests.support.processes import free_port
from tests.support.tls_client import make_context
from tests.support.waiting import LONGEST

CONFIGURATION = """\
defaults
    mode tcp
    timeout connect 2s
    timeout client 10s
    timeout server 10s

listen one
    bind 127.0.0.1:{front} {bind}
    server one 127.0.0.1:{back} {server}
"""
ALL = "ssl,cert-cn,ssl-cipher,cert-sig,cert-key,authority,crc32c,unique-id"
# Takes any certificate, as Gemini needs it; and for that HAProxy has to have an authority all the same.
TLS = "ssl crt {pem} verify optional ca-file {pem} ca-ignore-err all crt-ignore-err all"


@pytest.fixture
def listener():
    """Where HAProxy hands connections on to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(LONGEST)
        yield listener


def read_header(listener: socket.socket) -> tuple[ProxyHeader, bytes]:
    """What the next connection begins with, and what has come behind it."""
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(LONGEST)
        reader = ProxyHeaderReader()
        while data := connection.recv(65536):
            header = reader.feed(data)
            if header is not None:
                return header, reader.rest
    raise AssertionError("the connection ended within its header")


@pytest.mark.parametrize(
    "server",
    ["send-proxy", "send-proxy-v2", f"send-proxy-v2 proxy-v2-options {ALL}", "send-proxy-v2-ssl-cn"],
)
def test_a_client_is_named(start_haproxy, listener, server):
    front = free_port()
    configuration = CONFIGURATION.format(front=front, back=listener.getsockname()[1], bind="", server=server)
    start_haproxy(configuration + "    unique-id-format %ci-%cp-%rt\n")
    with socket.create_connection(("127.0.0.1", front), LONGEST, ("127.0.0.7", 0)) as client:
        client.sendall(b"gemini://example.org/\r\n")
        header, rest = read_header(listener)
        assert header == ProxyHeader(
            Endpoint("127.0.0.7", client.getsockname()[1]),
            Endpoint("127.0.0.1", front),
        )
        assert b"gemini://example.org/\r\n".startswith(rest)


@pytest.mark.parametrize("server", ["send-proxy-v2 check", f"send-proxy-v2 proxy-v2-options {ALL} check"])
def test_a_health_check_is_its_own(start_haproxy, listener, server):
    start_haproxy(CONFIGURATION.format(front=free_port(), back=listener.getsockname()[1], bind="", server=server))
    assert read_header(listener)[0] == ProxyHeader(is_local=True)


def test_a_health_check_of_version_1_can_not_be_told_from_a_client(start_haproxy, listener):
    back = listener.getsockname()[1]
    start_haproxy(CONFIGURATION.format(front=free_port(), back=back, bind="", server="send-proxy check"))
    header, rest = read_header(listener)
    assert (header.source.address, header.destination) == ("127.0.0.1", Endpoint("127.0.0.1", back))
    assert rest == b""


@pytest.mark.parametrize("has_certificate", [False, True])
def test_tls_that_has_ended_there_is_told(start_haproxy, listener, folder, has_certificate):
    make_certificate(folder / "example.org.pem", "example.org")
    make_certificate(folder / "ada.pem", "Ada")
    front = free_port()
    start_haproxy(
        CONFIGURATION.format(
            front=front,
            back=listener.getsockname()[1],
            bind=TLS.format(pem=folder / "example.org.pem"),
            server=f"send-proxy-v2 proxy-v2-options {ALL}",
        )
    )
    context = make_context()
    if has_certificate:
        context.load_cert_chain(folder / "ada.pem")
    with (
        socket.create_connection(("127.0.0.1", front), LONGEST) as sock,
        context.wrap_socket(sock, server_hostname="example.org") as client,
    ):
        client.sendall(b"gemini://example.org/\r\n")
        header, _ = read_header(listener)
        assert header.source == Endpoint("127.0.0.1", client.getsockname()[1])
        assert header.server_name == "example.org"
        assert (header.tls_version, header.cipher) == (client.version(), client.cipher()[0])
        # It tells the certificate's common name alone, and a name proves nothing.
        assert header.certificate is None
        with contextlib.suppress(OSError, ssl.SSLError):
            client.recv(1)
