"""Handshakes in memory, with the standard library as the client: no port, no thread, no waiting."""

import contextlib
import hashlib
import ssl

import pytest

from gemd.config.settings import TLS
from gemd.system import tls
from gemd.system.certificates import find_or_make
from gemd.system.tls import TLSConnection, TLSError, build_context, choose_by_server_name
from tests.support.tls_client import make_context

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    directory = tmp_path_factory.mktemp("certificates")
    return {name: find_or_make(directory, (name,)) for name in ("h", "g", "*.wild")}


class Pair:
    """A server's connection and a client of it, with nothing between them but what a test carries."""

    def __init__(self, context, client, server_name=None):
        self.server = TLSConnection(context)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client.wrap_bio(self.incoming, self.outgoing, server_hostname=server_name)

    def flush(self):
        """Carry what the client wrote to the server."""
        self.server.feed(self.outgoing.read())

    def fetch(self):
        """Carry what the server wrote to the client; the octets themselves."""
        fetched = self.server.take()
        self.incoming.write(fetched)
        return fetched

    def step(self):
        """One turn of the client."""
        try:
            self.client.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            self.flush()
        return True

    def shake_hands(self):
        """Both handshakes to their end. Raises TLSError where the server, ssl.SSLError where the client gives up."""
        done = False
        for _ in range(10):
            done = done or self.step()
            is_server_done = self.server.handshake()
            self.fetch()
            if done and is_server_done:
                return
        raise AssertionError("the handshake does not end")

    def read(self):
        self.fetch()
        return self.client.read(65536)


@pytest.fixture
def connect(certificates):
    """A pair that has shaken hands; `context` is the server's."""

    def connect(client=None, server_name=None, *, minimum="1.2", context=None):
        context = context or build_context(certificates["h"], TLS(minimum_version=minimum))
        pair = Pair(context, client or make_context(), server_name)
        pair.shake_hands()
        return pair

    return connect


def only(version):
    context = make_context()
    context.minimum_version = context.maximum_version = version
    return context


@pytest.mark.parametrize(("version", "name"), [(V12, "TLSv1.2"), (V13, "TLSv1.3")])
def test_versions(connect, version, name):
    pair = connect(only(version))
    assert pair.server.version == name == pair.client.version()
    assert pair.server.cipher == pair.client.cipher()[0]


def test_a_minimum_of_13_refuses_12(connect):
    with pytest.raises(TLSError, match="unsupported protocol"):
        connect(only(V12), minimum="1.3")
    assert connect(only(V13), minimum="1.3").server.version == "TLSv1.3"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=["1.0", "1.1"])
def test_old_versions_are_refused(connect, version):
    client = only(version)
    client.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(TLSError, match=r"unsupported protocol|no protocols available"):
        connect(client)


WEAK = [
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-ECDSA-AES256-SHA384",
    "AES128-GCM-SHA256",
    "AES256-SHA",
    "DHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES128-CCM8",
]


@pytest.mark.parametrize("suite", WEAK)
def test_neither_cbc_nor_suites_without_forward_secrecy(connect, suite):
    client = only(V12)
    client.set_ciphers(suite + ":@SECLEVEL=0")
    with pytest.raises(TLSError, match="no shared cipher"):
        connect(client)


@pytest.mark.parametrize("suite", ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"])
def test_suites_of_12(connect, suite):
    client = only(V12)
    client.set_ciphers(suite)
    assert connect(client).server.cipher == suite


def test_the_server_prefers_aes_128(connect):
    assert connect(only(V13)).server.cipher == "TLS_AES_128_GCM_SHA256"


@pytest.mark.parametrize("version", [V12, V13])
def test_no_session_ticket_is_sent(connect, version):
    pair = connect(only(version))
    pair.server.write(b"20 text/gemini\r\n")
    assert pair.read() == b"20 text/gemini\r\n"  # a ticket would have come before it
    assert not (pair.client.session and pair.client.session.has_ticket)


def test_a_session_is_not_resumed(connect, certificates):
    client, context = only(V12), build_context(certificates["h"], TLS())
    session = connect(client, context=context).client.session
    pair = Pair(context, client)
    pair.client.session = session
    pair.shake_hands()
    assert not pair.client.session_reused


def test_a_client_that_asks_for_a_renegotiation_gets_none(certificates):
    assert build_context(certificates["h"], TLS()).set_options(0) & 0x40000000


# Names


def fingerprint_seen(pair):
    return hashlib.sha256(pair.client.getpeercert(binary_form=True)).hexdigest()


@pytest.fixture
def contexts(certificates):
    contexts = {name: build_context(certificate, TLS()) for name, certificate in certificates.items()}
    choose_by_server_name(contexts["h"], contexts)
    return contexts


CHOICES = {
    "h": "h",
    "g": "g",
    "G": "g",
    "g.": "g",
    "a.wild": "*.wild",
    "a.b.wild": "h",
    "wild": "h",
    "x": "h",
    None: "h",
}


@pytest.mark.parametrize(("asked", "served"), CHOICES.items())
def test_the_name_asked_for_chooses_the_certificate(connect, contexts, certificates, asked, served):
    pair = connect(server_name=asked, context=contexts["h"])
    assert fingerprint_seen(pair) == certificates[served].fingerprint


@pytest.mark.parametrize(("asked", "name"), [("H.Example.", "h.example"), ("xn--bcher-kva.example",) * 2, (None, None)])
def test_the_name_asked_for_is_normalised(connect, asked, name):
    assert connect(server_name=asked).server.server_name == name


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"a\nb", b"\x00", b"." * 255])
def test_a_name_that_is_none_ends_no_worker(contexts, raw, monkeypatch):
    monkeypatch.setattr(tls.SSL.Connection, "get_servername", lambda _: raw)
    pair = Pair(contexts["h"], make_context())
    pair.shake_hands()
    assert pair.server.server_name.isascii()


# Client certificates


def test_a_client_without_a_certificate(connect):
    assert connect().server.client_certificate is None


@pytest.mark.parametrize("version", [V12, V13])
def test_a_self_signed_client_certificate_is_asked_for_and_accepted(connect, tmp_path, version):
    made = find_or_make(tmp_path, ("somebody",))
    client = only(version)
    client.load_cert_chain(made.path, made.path.with_suffix(".key"))
    assert connect(client).server.client_certificate.fingerprint == made.fingerprint


# Data, and its end


def test_a_request_and_a_response(connect):
    pair = connect()
    assert pair.server.receive(100) is None
    pair.client.write(b"gemini://h/\r\n")
    pair.flush()
    assert pair.server.receive(100) == b"gemini://h/\r\n"
    assert pair.server.receive(100) is None
    pair.server.write(b"51 Not found\r\n")
    assert pair.read() == b"51 Not found\r\n"


def test_close_notify_is_said_without_waiting_for_the_clients(connect):
    pair = connect()
    pair.server.send_close_notify()
    pair.fetch()
    assert pair.client.read(100) == b""  # a clean end; a torn one raises


def test_a_client_that_is_done_sending(connect):
    pair = connect()
    with pytest.raises(ssl.SSLWantReadError):
        pair.client.unwrap()
    pair.flush()
    assert pair.server.receive(100) == b""


@pytest.mark.parametrize("size", [0, 1, 16 * 1024, 96 * 1024 - 100, 96 * 1024, 5_000_000])
def test_all_is_encrypted_and_taken_at_once(connect, size):
    pair = connect()
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    pair.server.write(data)
    pair.server.send_close_notify()
    pair.fetch()
    assert pair.server.take() == b""
    received = b"".join(iter(lambda: pair.client.read(65536), b""))
    assert received == data


def test_a_page_and_its_end_are_two_records(connect):
    pair = connect(only(V13))
    pair.server.write(b"x" * 100)
    pair.server.send_close_notify()
    assert len(pair.fetch()) == (100 + 22) + (2 + 22)


def test_a_piece_may_be_many_times_the_buffer(connect, monkeypatch):
    monkeypatch.setattr(tls, "_BUFFER_SIZE", 16)
    pair = connect()
    pair.server.write(b"x" * 100_000)
    assert pair.read() + b"".join(pair.client.read(65536) for _ in range(6)) == b"x" * 100_000


def test_nothing_is_said_after_close_notify(connect):
    pair = connect()
    pair.server.send_close_notify()
    with pytest.raises(TLSError):
        pair.server.write(b"x")


def test_octets_one_by_one(certificates):
    pair = Pair(build_context(certificates["h"], TLS()), make_context())
    done = False
    for _ in range(3):
        with contextlib.suppress(ssl.SSLWantReadError):
            pair.client.do_handshake()
        for octet in pair.outgoing.read():
            pair.server.feed(bytes([octet]))
            done = pair.server.handshake()
        pair.fetch()
    assert done
    pair.client.write(b"gemini://h/\r\n")
    received = b""
    for octet in pair.outgoing.read():
        pair.server.feed(bytes([octet]))
        received += pair.server.receive(100) or b""
    assert received == b"gemini://h/\r\n"


def test_no_more_is_received_than_asked_for(connect):
    pair = connect()
    pair.client.write(b"x" * 10_000)
    pair.flush()
    assert pair.server.receive(4000) == b"x" * 4000
    assert pair.server.receive(200_000) == b"x" * 6000
    assert pair.server.receive(1) is None


def test_a_record_that_was_tampered_with(connect):
    pair = connect()
    pair.client.write(b"gemini://h/\r\n")
    octets = bytearray(pair.outgoing.read())
    octets[-1] ^= 1
    pair.server.feed(bytes(octets))
    with pytest.raises(TLSError, match=r"bad record mac|decryption failed"):
        pair.server.receive(100)
    assert pair.server.take()  # an alert


def test_one_connection_s_fault_is_not_another_s(connect):
    """OpenSSL keeps errors in a queue for each thread."""
    good, bad = connect(), connect()
    bad.server.feed(b"x" * 100)
    with pytest.raises(TLSError):
        bad.server.receive(100)
    assert good.server.receive(100) is None
    good.client.write(b"x")
    good.flush()
    assert good.server.receive(100) == b"x"
    good.server.write(b"y")
    assert good.read() == b"y"


def test_what_another_left_in_the_queue_of_errors_is_nobody_s_fault(connect):
    """As a handshake does that succeeds with a client certificate whose issuer did not sign it. Up to OpenSSL 3 the
    next connection that wanted more was taken for broken."""
    pair = connect()
    for call in (
        lambda: pair.server.receive(100),
        lambda: pair.server.write(b"x"),
        pair.server.handshake,
        pair.server.send_close_notify,
    ):
        tls._lib.ERR_put_error(tls._lib.ERR_LIB_EVP, 0, 138, b"", 0)
        call()
        assert tls._lib.ERR_peek_error() == 0


@pytest.mark.parametrize(
    "octets",
    [
        b"gemini://h/\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00" * 100,
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        b"\x80" * 99,
    ],
)
def test_what_is_no_tls_is_an_error_in_words(certificates, octets):
    pair = Pair(build_context(certificates["h"], TLS()), make_context())
    pair.server.feed(octets)
    with pytest.raises(TLSError) as caught:
        pair.server.handshake()
    assert str(caught.value).isprintable()
    assert str(caught.value) != "Error"


def test_half_a_handshake_waits_for_more(certificates):
    pair = Pair(build_context(certificates["h"], TLS()), make_context())
    with pytest.raises(ssl.SSLWantReadError):
        pair.client.do_handshake()
    hello = pair.outgoing.read()
    assert not pair.server.handshake()
    pair.server.feed(hello[: len(hello) // 2])
    assert not pair.server.handshake()
    assert pair.server.take() == b""
    pair.server.feed(hello[len(hello) // 2 :])
    assert not pair.server.handshake()
    assert pair.server.take()


def test_a_connection_that_openssl_has_no_memory_for_is_a_fault_of_tls(certificates, monkeypatch):
    def fail(*_):
        raise tls.SSL.Error([("SSL routines", "", "malloc failure")])

    context = build_context(certificates["h"], TLS())
    monkeypatch.setattr(tls.SSL, "Connection", fail)
    with pytest.raises(TLSError, match="malloc failure"):
        TLSConnection(context)
