"""What the contexts allow, by handshakes in memory with the standard library as the client."""

import hashlib
import ssl

import pytest

from gemd.system import openssl_direct, openssl_public
from gemd.system.tls import TLSError
from gemd.system.tls_context import choose_by_server_name
from tests.support.tables import check_table
from tests.support.tls_client import make_context
from tests.support.tls_pair import Pair

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


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


def test_a_session_is_not_resumed(connect, certificates, build):
    client, context = only(V12), build(certificates["h"])
    session = connect(client, context=context).client.session
    pair = Pair(context, client)
    pair.client.session = session
    pair.shake_hands()
    assert not pair.client.session_reused


def test_a_client_that_asks_for_a_renegotiation_gets_none(certificates, build):
    assert build(certificates["h"]).settings.set_options(0) & 0x40000000


# Names


def fingerprint_seen(pair):
    return hashlib.sha256(pair.client.getpeercert(binary_form=True)).hexdigest()


@pytest.fixture
def contexts(certificates, build):
    contexts = {name: build(certificate) for name, certificate in certificates.items()}
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


def test_a_host_may_have_the_rest_and_an_address_is_nobodys(certificates, build, connect):
    contexts = {name: build(certificate) for name, certificate in certificates.items()}
    contexts["*"] = contexts["g"]
    choose_by_server_name(contexts["h"], contexts)
    served = {"x": "g", "h": "h", "a.wild": "*.wild", None: "h"}
    for asked, name in served.items():
        assert fingerprint_seen(connect(server_name=asked, context=contexts["h"])) == certificates[name].fingerprint
    finder = {name: Choosing() for name in ("h", "192.0.2.1", "*")}
    choose_by_server_name(finder["h"], finder)
    assert finder["h"].find(b"192.0.2.1") is None


class Choosing:
    """A context that keeps what it is to choose by."""

    def choose_by_server_name(self, find):
        self.find = find


def test_what_is_remembered_of_a_name_is_of_no_other_and_of_no_other_generation():
    before, now = ({name: Choosing() for name in ("h", "g", "*.wild")} for _ in range(2))
    for contexts in (before, now):
        choose_by_server_name(contexts["h"], contexts)
    names = [(asked % n, served) for n in range(100) for asked, served in ((b"A%d.wild.", "*.wild"), (b"x%d", None))]
    for contexts in (before, now):
        find = contexts["h"].find
        for asked, served in [*names, *names, (b"g", "g"), (b"G.", "g"), (b"\xff", None)]:
            assert find(asked) is contexts.get(served)
        check_table(find, [(b"%d.wild" % n,) for n in range(400)])


@pytest.mark.parametrize(("asked", "name"), [("H.Example.", "h.example"), ("xn--bcher-kva.example",) * 2, (None, None)])
def test_the_name_asked_for_is_normalised(connect, asked, name):
    assert connect(server_name=asked).server.server_name == name


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"a\nb", b"\x00", b"." * 255])
def test_a_name_that_is_none_ends_no_worker(contexts, raw, monkeypatch):
    monkeypatch.setattr(openssl_public.SSL.Connection, "get_servername", lambda _: raw)
    monkeypatch.setattr(openssl_direct, "find_server_name", lambda _: raw)
    pair = Pair(contexts["h"], make_context())
    pair.shake_hands()
    assert pair.server.server_name.isascii()


# Client certificates
