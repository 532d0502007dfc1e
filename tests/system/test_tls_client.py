"""The client's side of TLS, with the standard library as the server: no port, no thread, no waiting."""

import ssl
from contextlib import suppress

import pytest
from OpenSSL import SSL

from gemd.system import openssl_binding, openssl_direct, openssl_public
from gemd.system.certificates import find_or_make
from gemd.system.tls import TLSError
from gemd.system.tls_client import ClientContext
from tests.support.certificate_chains import Link
from tests.support.tls_server import TLSServer, make_server_context

lib = openssl_direct._lib

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
EVERY_VERSION = pytest.mark.parametrize("version", [V12, V13])


@pytest.fixture
def meet(tmp_path):
    """Both sides after their handshake, or as far as it went."""

    def meet_them(client=None, version=None, name="h", prepare=lambda context: None):
        context = make_server_context(tmp_path / "server", version=version)
        prepare(context)
        server = TLSServer(context)
        connection = (client or ClientContext()).connect(name)
        for _ in range(10):
            is_done = connection.handshake()
            server.feed(connection.take())
            connection.feed(server.take())
            if is_done and server.is_secure:
                break
        return connection, server

    return meet_them


@EVERY_VERSION
def test_both_directions(meet, version):
    client, server = meet(version=version)
    assert server.name == "h"
    client.write(b"gemini://h/\r\n")
    server.feed(client.take())
    assert server.request == b"gemini://h/\r\n"
    assert client.receive() is None
    server.tls.write(b"20 text/gemini\r\n")
    server.tls.write(b"hello")
    octets = server.take()
    client.feed(octets[:-1])
    assert (client.receive(), client.receive()) == (b"20 text/gemini\r\n", None)
    client.feed(octets[-1:])
    assert (client.receive(), client.receive()) == (b"hello", None)
    server.end()
    client.feed(server.take())
    assert client.receive() == b""


def test_no_name_is_asked_for_where_there_is_none(meet):
    assert meet(name=None)[1].name is None


@EVERY_VERSION
def test_the_servers_certificate_is_seen_before_ours_has_gone_out(tmp_path, version):
    ours = find_or_make(tmp_path / "ours", ("gemd",))
    context = make_server_context(tmp_path / "server", version=version)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(ours.path)
    server = TLSServer(context)
    client = ClientContext(ours).connect("h")
    assert not client.handshake()
    assert client.chain == ()
    server.feed(client.take())
    client.feed(server.take())
    client.handshake()
    assert client.chain == (ssl.PEM_cert_to_DER_cert((tmp_path / "server" / "h.crt").read_text()),)
    assert not server.is_secure
    server.feed(client.take())
    while not server.is_secure:
        client.feed(server.take())
        client.handshake()
        server.feed(client.take())
    assert server.tls.getpeercert(binary_form=True) == ssl.PEM_cert_to_DER_cert(ours.path.read_text())


@EVERY_VERSION
def test_a_server_that_wants_a_certificate_and_gets_none(meet, version):
    def prepare(context):
        context.verify_mode = ssl.CERT_REQUIRED

    def go_on():
        client, server = meet(version=version, prepare=prepare)
        client.feed(server.take())
        client.receive()

    with pytest.raises((TLSError, ssl.SSLError), match=r"(?i)certificate|handshake"):
        go_on()


def test_what_is_no_tls_at_all():
    client = ClientContext().connect("h")
    client.handshake()
    client.feed(b"51 Not found\r\n and some more")
    with pytest.raises(TLSError, match=r"wrong version number|packet length"):
        client.handshake()


def test_a_record_that_was_changed_on_its_way(meet):
    client, server = meet()
    server.tls.write(b"hello")
    octets = bytearray(server.take())
    octets[-1] ^= 1
    client.feed(bytes(octets))
    with pytest.raises(TLSError, match="bad record mac"):
        client.receive()


def test_old_versions_are_refused(tmp_path):
    context = make_server_context(tmp_path)
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    server, client = TLSServer(context), ClientContext().connect("h")
    client.handshake()
    with pytest.raises(ssl.SSLError):
        server.feed(client.take())


def test_a_certificate_that_is_too_weak_for_openssl(tmp_path):
    made = find_or_make(tmp_path, ("gemd",))
    other = Link("other").certificate
    with pytest.raises(TLSError, match="can't be used"):
        ClientContext(type(made)((other,), made.key, made.path))


def test_faults_of_other_connections_are_none_of_this_one(meet):
    """What a handshake leaves in OpenSSL's queue of errors is read by nobody else."""

    def leave_an_error():
        lib.ERR_put_error(lib.ERR_LIB_EVP, 0, 138, b"", 0)

    client, server = meet()
    leave_an_error()
    assert client.receive() is None
    leave_an_error()
    client.write(b"more")
    server.feed(client.take())
    assert server.request == b"more"
    leave_an_error()
    assert not ClientContext().connect("h").handshake()
    assert lib.ERR_peek_error() == 0


def test_both_bindings_can_empty_the_queue():
    assert openssl_binding.clear_errors in (openssl_direct.clear_errors, openssl_public.clear_errors)
    openssl_public.clear_errors()
    openssl_direct.clear_errors()


def test_there_is_no_second_handshake(tmp_path):
    """In which the server could show another certificate, which nobody looks at."""
    made = find_or_make(tmp_path, ("h",))
    settings = SSL.Context(SSL.TLS_SERVER_METHOD)
    settings.set_max_proto_version(SSL.TLS1_2_VERSION)
    settings.use_certificate(made.chain[0])
    settings.use_privatekey(made.key)
    server = SSL.Connection(settings, None)
    server.set_accept_state()
    client = ClientContext().connect("h")
    for _ in range(3):
        client.handshake()
        if data := client.take():
            server.bio_write(data)
        with suppress(SSL.WantReadError):
            server.do_handshake()
        with suppress(SSL.WantReadError):
            client.feed(server.bio_read(65536))
    assert client.handshake()
    assert server.renegotiate()
    with suppress(SSL.WantReadError):
        server.do_handshake()
    client.feed(server.bio_read(65536))
    assert client.receive() is None
    said = client.take()
    assert said[:1] in (b"", b"\x15")  # an alert, no ClientHello


def test_the_suites_are_those_of_the_servers_side(meet):
    with pytest.raises((TLSError, ssl.SSLError)):
        meet(version=V12, prepare=lambda context: context.set_ciphers("ECDHE-ECDSA-AES128-SHA"))
