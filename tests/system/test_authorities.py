import datetime
import gc
import threading

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from gemd.system import authorities as module
from gemd.system.authorities import Authorities, Verdict
from gemd.system.certificates import CertificateError
from tests.responders.asking import TLSOf
from tests.support.certificate_chains import DAY, NOW, Link, make_key, make_leaf, make_rsa_key

VOUCHED_FOR, UNKNOWN = Verdict(True), Verdict(False)
USAGE = x509.ExtendedKeyUsageOID


@pytest.fixture(scope="module")
def root():
    return Link()


@pytest.fixture
def load(tmp_path):
    """The authorities that these are."""

    def load(*roots):
        (tmp_path / "ca.pem").write_bytes(b"".join(root.pem for root in roots))
        return Authorities(str(tmp_path / "ca.pem"))

    return load


@pytest.fixture
def authorities(load, root):
    return load(root)


@pytest.fixture
def verified(monkeypatch):
    """In what threads a chain was verified."""
    threads, verify = [], Authorities._verify

    def note(authorities, chain):
        verdict = verify(authorities, chain)  # which may refuse it before
        threads.append(threading.current_thread())
        return verdict

    monkeypatch.setattr(Authorities, "_verify", note)
    return threads


@pytest.fixture
def clock(monkeypatch):
    """What the module takes for the time; OpenSSL has the machine's."""
    now = [NOW.timestamp()]
    monkeypatch.setattr(module.time, "time", lambda: now[0])

    def turn_to(moment):
        now[0] = moment.timestamp()

    return turn_to


# Who is vouched for


def test_its_own(authorities, root):
    assert authorities.judge(make_leaf(root).chain) == VOUCHED_FOR


def test_what_a_common_authority_issues(tmp_path):
    """With many more extensions, and usable for clients and servers."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    issued = authority.create_child_ca().issue_cert("jane@h").cert_chain_pems
    ders = [x509.load_pem_x509_certificate(pem.bytes()).public_bytes(Encoding.DER) for pem in issued]
    assert Authorities(str(tmp_path / "ca.pem")).judge(tuple(ders)) == VOUCHED_FOR


def test_through_what_the_client_sent_along(authorities, root):
    chain = make_leaf(root, 1).chain
    assert authorities.judge(chain) == VOUCHED_FOR
    assert authorities.judge(chain[:1]) == UNKNOWN


def test_nobody_else(authorities, root):
    stranger = make_leaf(Link()).chain
    assert authorities.judge(stranger) == UNKNOWN
    assert authorities.judge(stranger + make_leaf(root).chain) == UNKNOWN
    assert authorities.judge((Link("Jane", ca=False).der,)) == UNKNOWN
    assert authorities.judge(()) == UNKNOWN


def test_the_longest_chain(authorities, root):
    chain = make_leaf(root, 7).chain
    assert len(chain) == 8
    assert authorities.judge(chain) == VOUCHED_FOR


def test_a_longer_one(authorities, root, verified):
    assert "too long" in authorities.judge(make_leaf(root, 8).chain).fault
    assert verified == []


def test_an_rsa_authority_between(authorities, root):
    between = Link("between", issuer=root, key=rsa.generate_private_key(65537, 2048))
    assert authorities.judge(make_leaf(between).chain) == VOUCHED_FOR


@pytest.mark.parametrize("count", [1, 3])
def test_a_key_that_is_too_large_is_not_used(authorities, root, verified, count):
    """A short chain is read at once, a long one in a thread."""
    odd = Link("odd", key=make_rsa_key(4097), issuer=root).der
    verdict = authorities.judge((make_leaf(root).der,) * count + (odd,))
    assert not verdict.is_vouched_for
    assert "too large" in verdict.fault
    assert verified == []


def test_nonsense(authorities):
    assert "can't be read" in authorities.judge((b"nonsense",)).fault


def test_too_many_names_to_compare(authorities, root, verified):
    constraints = x509.NameConstraints(None, [x509.DNSName("b")] * 60)
    between = Link("between", issuer=root, extensions=[constraints])
    few = make_leaf(between)
    assert authorities.judge(few.chain) == VOUCHED_FOR
    many = make_leaf(between, extensions=[x509.SubjectAlternativeName([x509.DNSName("a")] * 60)])
    verified.clear()
    assert "too many names" in authorities.judge(many.chain).fault
    assert authorities.judge(many.chain) is authorities.judge(many.chain)
    assert verified == []


def test_too_many_names_for_an_authority_with_constraints(load):
    root = Link(extensions=[x509.NameConstraints(None, [x509.DNSName("b")])])
    authorities = load(root)
    assert callable(authorities.weigh(sent(make_leaf(root).chain)))
    assert authorities.judge(make_leaf(root).chain) == VOUCHED_FOR
    many = make_leaf(root, extensions=[x509.SubjectAlternativeName([x509.DNSName("a")] * 100)])
    assert "too many names" in authorities.judge(many.chain).fault


# What a certificate is for


USAGES = {
    "clients": ([USAGE.CLIENT_AUTH], VOUCHED_FOR),
    "clients among others": ([USAGE.SERVER_AUTH, USAGE.CLIENT_AUTH], VOUCHED_FOR),
    "servers": ([USAGE.SERVER_AUTH], "not meant for clients"),
    "servers and code": ([USAGE.SERVER_AUTH, USAGE.CODE_SIGNING], "not meant for clients"),
    "anything, which says nothing of clients": ([USAGE.ANY_EXTENDED_KEY_USAGE], "not meant for clients"),
}


@pytest.mark.parametrize(("usages", "expected"), USAGES.values(), ids=USAGES)
def test_a_certificate_has_to_be_meant_for_clients(authorities, root, usages, expected):
    verdict = authorities.judge(make_leaf(root, extensions=[x509.ExtendedKeyUsage(usages)]).chain)
    if isinstance(expected, str):
        assert not verdict.is_vouched_for
        assert expected in verdict.fault
    else:
        assert verdict == expected


KEY_USAGES = {"signatures": ("digital_signature", True), "agreement": ("key_agreement", True), "mail": (None, False)}


@pytest.mark.parametrize(("usage", "is_fit"), KEY_USAGES.values(), ids=KEY_USAGES)
def test_a_key_has_to_be_meant_for_a_handshake(authorities, root, usage, is_fit):
    names = ["digital_signature", "key_encipherment", "content_commitment", "data_encipherment", "key_agreement"]
    names += ["key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
    flags = {name: name == usage or name == "content_commitment" for name in names}
    verdict = authorities.judge(make_leaf(root, extensions=[x509.KeyUsage(**flags)]).chain)
    assert verdict.is_vouched_for is is_fit
    assert bool(verdict.fault) is not is_fit


def test_an_authority_that_is_meant_for_servers_alone_vouches_for_no_client(authorities, root):
    between = Link("between", issuer=root, extensions=[x509.ExtendedKeyUsage([USAGE.SERVER_AUTH])])
    assert authorities.judge(make_leaf(between).chain) == UNKNOWN


def test_what_a_strangers_certificate_is_for_does_not_matter(authorities):
    extensions = [x509.ExtendedKeyUsage([USAGE.SERVER_AUTH])]
    assert authorities.judge(make_leaf(Link("other"), extensions=extensions).chain) == UNKNOWN


# At once, or in a thread


def sent(chain):
    """A connection by which it came."""
    return TLSOf(client_chain=chain)


def test_a_usual_chain_is_judged_at_once(authorities, root):
    assert authorities.weigh(sent(make_leaf(root, 1).chain)) == VOUCHED_FOR


@pytest.mark.parametrize(("between", "curve"), [(3, ec.SECP256R1), (1, ec.SECP384R1)])
def test_a_dear_one_is_left_to_a_thread(authorities, root, verified, between, curve):
    chain = make_leaf(root, between, curve=curve).chain
    judge = authorities.weigh(sent(chain))
    assert callable(judge)
    assert verified == []
    verdicts = []
    thread = threading.Thread(target=lambda: verdicts.append(judge()))
    thread.start()
    thread.join(10)
    assert verdicts == [VOUCHED_FOR]
    assert verified == [thread]
    assert authorities.weigh(sent(chain)) == VOUCHED_FOR


def test_a_dear_authority_leaves_all_to_a_thread(load):
    root = Link(key=make_key(ec.SECP521R1))
    assert callable(load(root).weigh(sent(make_leaf(root).chain)))


def test_an_authority_whose_cost_is_not_known(load):
    root = Link(key=make_key(ec.SECP224R1))
    judge = load(root).weigh(sent(make_leaf(root).chain))
    assert callable(judge)
    assert judge() == VOUCHED_FOR


def test_who_asks_twice_at_once_is_judged_once(authorities, root, verified):
    chain = make_leaf(root, 3).chain
    first, second = authorities.weigh(sent(chain)), authorities.weigh(sent(chain))
    assert (first(), second()) == (VOUCHED_FOR, VOUCHED_FOR)
    assert len(verified) == 1


def test_a_judgement_holds_for_its_connection(authorities, root, verified, clock):
    """Though it is not remembered: what was asked before is answered after it, at whatever moment."""
    chain = make_leaf(root, 3).chain
    clock(NOW + DAY)  # when something changes
    tls, others = sent(chain), sent(chain)
    assert authorities.weigh(tls)() == VOUCHED_FOR
    assert authorities.weigh(tls) == VOUCHED_FOR
    assert callable(authorities.weigh(others))
    del tls
    gc.collect()
    assert len(authorities._judged) == 0


# What is remembered


@pytest.mark.parametrize("make", [make_leaf, lambda root: make_leaf(Link("other"))])
def test_a_verdict_is_remembered(authorities, root, verified, make):
    chain = make(root).chain
    assert authorities.judge(chain) == authorities.judge(chain)
    assert len(verified) == 1


def test_of_the_whole_chain(authorities, root, verified):
    chain = make_leaf(root, 1).chain
    assert authorities.judge(chain) == VOUCHED_FOR
    assert authorities.judge(chain[:1]) == UNKNOWN
    assert authorities.judge((chain[0] + chain[1],)) != VOUCHED_FOR


@pytest.mark.parametrize("who", ["leaf", "between", "root"])
def test_until_one_of_the_certificates_ceases_to_be_valid(load, verified, clock, who):
    ends = {name: NOW + (5 * DAY if name == who else 9 * DAY) for name in ("leaf", "between", "root")}
    root = Link(end=ends["root"])
    chain = make_leaf(Link("between", issuer=root, end=ends["between"]), end=ends["leaf"]).chain
    authorities = load(root)
    authorities.judge(chain)
    clock(NOW + 5 * DAY - DAY / 24)
    authorities.judge(chain)
    assert len(verified) == 1
    clock(NOW + 5 * DAY + DAY / 24)
    authorities.judge(chain)
    assert len(verified) == 2


def test_until_one_begins_to_be(authorities, root, verified, clock):
    """One that is not needed, so that the verdict is the same."""
    chain = (*make_leaf(root).chain, Link("early", start=NOW + DAY / 2).der)
    assert authorities.judge(chain) == VOUCHED_FOR
    clock(NOW + DAY / 2 - DAY / 24)
    assert authorities.judge(chain) == VOUCHED_FOR
    assert len(verified) == 1
    clock(NOW + DAY / 2 + DAY / 24)
    authorities.judge(chain)
    assert len(verified) == 2


def test_for_a_minute_where_it_is_a_refusal(authorities, verified, clock):
    chain = make_leaf(Link("other")).chain
    for seconds in (0, 59, 61):
        clock(NOW + datetime.timedelta(seconds=seconds))
        assert authorities.judge(chain) == UNKNOWN
    assert len(verified) == 2


def test_not_for_a_clock_that_was_set_back(authorities, root, verified, clock):
    chain = make_leaf(root).chain
    authorities.judge(chain)
    clock(NOW - 2 * DAY)
    authorities.judge(chain)
    assert len(verified) == 2


def test_not_in_the_moment_when_something_changes(authorities, root, verified, clock):
    chain = make_leaf(root).chain
    for _ in range(2):
        clock(NOW + DAY)
        authorities.judge(chain)
    assert len(verified) == 2


def test_not_when_something_changed_meanwhile(authorities, root, verified, clock, monkeypatch):
    verify = Authorities._verify

    def take_a_day(authorities, chain):
        clock(NOW + DAY + DAY / 24)
        return verify(authorities, chain)

    chain = make_leaf(root).chain
    with monkeypatch.context() as patch:
        patch.setattr(Authorities, "_verify", take_a_day)
        authorities.judge(chain)
    authorities.judge(chain)
    assert len(verified) == 2


def test_a_number_of_them(authorities, root, verified, monkeypatch):
    monkeypatch.setattr(module, "_MAX_VERDICTS", 2)
    first, second, third = (make_leaf(root).chain for _ in range(3))
    for chain in (first, second, first, third, first):
        authorities.judge(chain)
    assert len(verified) == 3
    authorities.judge(second)  # which had not been asked for longest
    assert len(verified) == 4
    assert len(authorities._verdicts) == 2


# Files


def test_a_directory(root, tmp_path):
    (tmp_path / "a.pem").write_bytes(root.pem)
    (tmp_path / "b.pem").write_bytes(Link().pem)
    (tmp_path / "README").write_text("not a certificate")
    (tmp_path / "folder").mkdir()
    assert Authorities(str(tmp_path)).judge(make_leaf(root).chain) == VOUCHED_FOR


@pytest.mark.parametrize("content", [None, b"", b"nonsense"])
def test_what_can_not_be_loaded_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(CertificateError, match=r"ca\.pem"):
        Authorities(str(tmp_path / "ca.pem"))


def test_a_directory_without_any_is_named(root, tmp_path):
    (tmp_path / "ca.pem").write_bytes(root.pem)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CertificateError, match="empty has no certificates of authorities"):
        Authorities(str(tmp_path / "ca.pem"), str(tmp_path / "empty"))
