"""Sessions that are resumed, and those that must not be. OpenSSL is told of tickets once in a process, so all of this
is run for TLS 1.3 in another one."""

import contextlib
import hashlib
import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gemd.config.settings import TLS
from gemd.system import openssl
from gemd.system.certificates import find_or_make
from gemd.system.session_tickets import TicketContext
from gemd.system.tls import TLSError
from gemd.system.tls_context import build_context, choose_by_server_name, find_among
from tests.support.tls_client import make_context
from tests.support.tls_pair import Pair

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, **({"1.3": ssl.TLSVersion.TLSv1_3} if openssl.has_tickets() else {})}

if not openssl.has_tickets():

    @pytest.mark.timeout(300)  # for 44 tests, on a busy machine
    def test_all_of_it_with_the_tickets_of_tls_1_3():
        configuration = Path(openssl.__file__).with_name(openssl.WITH_TICKETS)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "1.3", __file__],
            env={**os.environ, "OPENSSL_CONF": str(configuration)},
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stdout


@pytest.fixture(params=VERSIONS.values(), ids=VERSIONS)
def version(request):
    return request.param


@pytest.fixture
def client(version):
    """A client whose sessions are its own."""
    context = make_context()
    context.minimum_version = context.maximum_version = version
    return context


@pytest.fixture
def somebody(tmp_path, client):
    """The same with a certificate, and that."""
    made = find_or_make(tmp_path, ("somebody",))
    client.load_cert_chain(made.path, made.path.with_suffix(".key"))
    return client, made


@pytest.fixture
def serve(certificates, make):
    """All contexts, made anew, as for a generation of these hosts; those in `plain` give no tickets."""

    def serve(*names, plain=()):
        every = {name: build_context(certificates[name], TLS(), make) for name in names}
        first = every[names[0]]
        choose_by_server_name(first, every)
        with_tickets = {
            name: first if name in plain else build_context(certificates[name], TLS(), make, name) for name in names
        }
        only = with_tickets[names[0]] if len(names) == 1 else None
        return TicketContext(first, find_among(with_tickets), only)

    return serve


def visit(context, client, name="h", session=None, carry=None):
    """A connection with a request and an answer, so that tickets are here."""
    pair = Pair(context, client, name)
    if session is not None:
        pair.client.session = session
    if carry is not None:
        with pytest.raises(ssl.SSLWantReadError):
            pair.client.do_handshake()
        for piece in carry(pair.outgoing.read()):
            pair.server.handshake()
            pair.server.feed(piece)
    pair.shake_hands()
    pair.client.write(f"gemini://{name}/\r\n".encode())
    pair.flush()
    assert pair.server.receive(4096) == f"gemini://{name}/\r\n".encode()
    pair.server.write(b"20 text/gemini\r\n")
    pair.server.send_close_notify()
    assert pair.read() == b"20 text/gemini\r\n"
    return pair


def served(pair):
    return hashlib.sha256(pair.client.getpeercert(binary_form=True)).hexdigest()


def test_a_session_is_resumed(serve, client, version):
    context = serve("h")
    session = visit(context, client).client.session
    assert session.has_ticket
    assert session.ticket_lifetime_hint == 7200
    for _ in range(3):
        pair = visit(context, client, session=session)
        assert pair.client.session_reused
        assert pair.server.version == pair.client.version()
        assert pair.server.cipher == pair.client.cipher()[0]
        assert (pair.server.server_name, pair.server.client_certificate, pair.server.client_chain) == ("h", None, ())


def test_each_host_has_sessions_of_its_own(serve, client, certificates):
    context = serve("h", "g", "*.wild")
    names = {"h": "h", "g": "g", "a.wild": "*.wild"}
    sessions = {}
    for name, host in names.items():
        pair = visit(context, client, name)
        assert served(pair) == certificates[host].fingerprint
        sessions[name] = pair.client.session
    for name, session in sessions.items():
        assert visit(context, client, name, session).client.session_reused
        for other in names:
            if names[other] != names[name]:
                pair = visit(context, client, other, session)
                assert not pair.client.session_reused
                assert served(pair) == certificates[names[other]].fingerprint


@pytest.mark.parametrize("name", [None, "x", "127.0.0.1"])
def test_who_names_no_host_is_served_by_the_first_without_tickets(serve, client, certificates, name):
    """Where there are several, for it may ask for any."""
    context = serve("h", "g")
    session = visit(context, client, name).client.session
    for held in (session, visit(context, client, "h").client.session):
        pair = visit(context, client, name, held)
        assert not pair.client.session_reused
        assert served(pair) == certificates["h"].fingerprint


def test_one_host_alone_resumes_by_any_name(serve, client):
    context = serve("h")
    session = visit(context, client, None).client.session
    pair = visit(context, client, None, session)
    assert pair.client.session_reused
    assert pair.server.server_name is None


def test_a_host_without_tickets_gives_none_and_takes_none(serve, client, certificates):
    context = serve("h", "g", plain=["g"])
    session = visit(context, client, "h").client.session
    pair = visit(context, client, "g", session)
    assert not pair.client.session_reused
    assert served(pair) == certificates["g"].fingerprint
    assert not visit(context, client, "g", pair.client.session).client.session_reused


def test_another_generation_takes_none(serve, client):
    session = visit(serve("h"), client).client.session
    assert not visit(serve("h"), client, session=session).client.session_reused


def test_no_session_is_kept(serve, certificates, make):
    context = build_context(certificates["h"], TLS(), make, "h").settings
    assert context.get_session_cache_mode() == 0
    assert not context.set_options(0) & 0x4000  # SSL_OP_NO_TICKET
    assert build_context(certificates["h"], TLS(), make).settings.set_options(0) & 0x4000


# Certificates


def test_a_session_with_a_certificate_is_never_resumed(serve, somebody):
    client, made = somebody
    context = serve("h")
    session = None
    for _ in range(4):
        pair = visit(context, client, session=session)
        assert not pair.client.session_reused
        assert pair.server.has_shown_certificate
        assert pair.server.client_certificate.fingerprint == made.fingerprint
        assert [hashlib.sha256(der).hexdigest() for der in pair.server.client_chain] == [made.fingerprint]
        session = pair.client.session


def test_openssl_by_itself_would_resume_it(certificates, make, somebody, version, request):
    """Else the test above tells nothing. In TLS 1.3 nothing is promised that the direct calls would have to refuse."""
    client, made = somebody
    context = build_context(certificates["h"], TLS(), make, "h")
    pair = visit(context, client, session=visit(context, client).client.session)
    is_spared = make.__name__ == "DirectContext" and version == ssl.TLSVersion.TLSv1_3
    assert pair.client.session_reused != is_spared
    assert pair.server.client_certificate.fingerprint == made.fingerprint
    assert pair.server.has_shown_certificate == is_spared


@pytest.mark.parametrize("has_certificate", [False, True])
def test_who_has_to_say_hello_again_resumes_nothing(serve, client, certificates, request, version, has_certificate):
    """For a session is found in the second hello only, when it is too late to begin again without it."""
    if has_certificate:
        request.getfixturevalue("somebody")
    context = serve("h")
    has_to = version == ssl.TLSVersion.TLSv1_3
    if has_to:
        for one in (context.plain, context.choose(b"")):
            one.settings.set_tmp_ecdh(ec.SECP521R1())  # of which clients send no share by themselves
    session = visit(context, client).client.session
    pair = visit(context, client, session=session)
    assert pair.client.session_reused == (not has_to and not has_certificate)
    assert pair.server.has_shown_certificate == has_certificate
    assert served(pair) == certificates["h"].fingerprint


class Inner:
    """A connection that finds a certificate in a session, once something was sent."""

    has_shown_certificate = False

    def __init__(self):
        self.der = None

    def feed(self, data):
        pass

    def handshake(self):
        return True

    def take(self):
        return b"a HelloRetryRequest"

    def _find_certificate(self):
        return self.der


def test_a_session_with_a_certificate_that_comes_late_ends_the_handshake(serve):
    connection = serve("h").make_connection()
    connection.feed(b"\x16\x03\x01\x00\x01\x01")
    connection._tls = inner = Inner()
    assert connection.handshake()
    assert connection.take() == b"a HelloRetryRequest"
    assert connection.handshake()
    inner.der = b"0"
    with pytest.raises(TLSError, match="carries a certificate"):
        connection.handshake()


# The first octets


def in_two_records(hello):
    """The hello in two records, the second of them by the octet."""
    content = hello[5:]
    first, rest = content[:30], content[30:]
    header = hello[:3]
    return [
        header + len(first).to_bytes(2) + first,
        header + len(rest).to_bytes(2),
        *(bytes([octet]) for octet in rest),
    ]


def by_the_octet(hello):
    return [bytes([octet]) for octet in hello]


@pytest.mark.parametrize(("names", "is_resumed"), [(["h"], True), (["h", "g"], False)])
def test_a_hello_in_two_records(serve, client, certificates, names, is_resumed):
    """Where its name is needed and is not in the first, it is served without tickets."""
    context = serve(*names)
    name = names[-1]
    session = visit(context, client, name).client.session
    pair = visit(context, client, name, session, in_two_records)
    assert pair.client.session_reused == is_resumed
    assert served(pair) == certificates[name].fingerprint
    session = visit(context, client, name, None, in_two_records).client.session
    assert visit(context, client, name, session).client.session_reused == is_resumed


@pytest.mark.parametrize("carry", [in_two_records, by_the_octet])
def test_a_certificate_s_session_is_found_however_the_hello_comes(serve, somebody, carry):
    client, made = somebody
    context = serve("h")
    session = visit(context, client).client.session
    pair = visit(context, client, session=session, carry=carry)
    assert not pair.client.session_reused
    assert pair.server.client_certificate.fingerprint == made.fingerprint


def test_a_hello_by_the_octet(serve, client, certificates):
    context = serve("h", "g")
    session = visit(context, client, "g").client.session
    pair = visit(context, client, "g", session, by_the_octet)
    assert pair.client.session_reused
    assert served(pair) == certificates["g"].fingerprint


@pytest.mark.parametrize(
    "data",
    [b"gemini://h/\r\n", b"\x16\x03\x01\x00\x04\x01\x00\x00\x00", b"\x16\x03\x01\x00\x01\x02", b"\x16\x03\x01\0\0"],
)
def test_what_is_no_hello_is_left_to_openssl(serve, data, version):
    for names in (["h"], ["h", "g"]):
        connection = serve(*names).make_connection()
        assert not connection.handshake()
        assert connection.take() == b""
        connection.feed(data)
        with contextlib.suppress(TLSError):
            assert not connection.handshake()


def test_who_resumes_is_given_no_other_ticket(serve, client, make, version):
    """By the direct calls, for a ticket costs as much as it saves."""
    context = serve("h")
    session = visit(context, client).client.session
    pair = Pair(context, client, "h")
    pair.client.session = session
    pair.step()
    pair.server.handshake()
    pair.fetch()
    pair.step()
    assert pair.server.handshake()
    is_sent = bool(pair.fetch())
    assert is_sent == (make.__name__ == "PublicContext" and version == ssl.TLSVersion.TLSv1_3)
