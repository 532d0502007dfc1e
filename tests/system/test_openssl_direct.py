"""What only the direct calls do."""

import contextlib

import pytest

from gemd.config.settings import TLS
from gemd.system import openssl_direct, tls_context
from gemd.system.certificates import find_or_make
from gemd.system.openssl_direct import DirectContext
from gemd.system.tls import TLSError
from gemd.system.tls_context import build_context
from tests.support.tls_client import make_context
from tests.support.tls_pair import Pair

_lib = openssl_direct._lib


@pytest.fixture
def context(certificates):
    return build_context(certificates["h"], TLS(), DirectContext)


@pytest.fixture
def pair(context):
    pair = Pair(context, make_context())
    pair.shake_hands()
    return pair


class Lib:
    """The library without what was taken away."""

    def __init__(self, **others):
        self.__dict__.update(others)

    def __getattr__(self, name):
        return getattr(_lib, name)


def test_a_piece_may_be_many_times_the_buffer(pair, monkeypatch):
    monkeypatch.setattr(openssl_direct, "TAKE_SIZE", 16)
    pair.server.write(b"x" * 100_000)
    assert pair.read() + b"".join(pair.client.read(65536) for _ in range(6)) == b"x" * 100_000


def test_what_another_left_in_the_queue_of_errors_is_nobody_s_fault(pair):
    """As a handshake does that succeeds with a client certificate whose issuer did not sign it. Up to OpenSSL 3 the
    next connection that wanted more was taken for broken."""
    for call in (
        lambda: pair.server.receive(100),
        lambda: pair.server.write(b"x"),
        pair.server.handshake,
        pair.server.send_close_notify,
    ):
        _lib.ERR_put_error(_lib.ERR_LIB_EVP, 0, 138, b"", 0)
        call()
        assert _lib.ERR_peek_error() == 0


def test_what_was_written_to_is_not_kept(pair):
    """As large as it was once, for as long as a client takes nothing."""
    held = pair.server._from_ssl
    pair.server.write(bytes(64 * 1024))
    assert len(pair.fetch()) > 64 * 1024
    assert pair.server._from_ssl == held  # more may follow at once
    pair.server.shrink()
    assert pair.server._from_ssl != held
    held = pair.server._from_ssl
    pair.server.shrink()
    pair.server.write(b"x")
    pair.server.send_close_notify()
    pair.fetch()
    pair.server.shrink()
    assert pair.server._from_ssl == held
    assert pair.client.read(1 << 20) + pair.client.read(1 << 20) + pair.client.read(1 << 20)


def test_what_a_handshake_has_needed_is_not_kept_by_who_waits(pair):
    held = pair.server._from_ssl
    assert pair.server.receive(100) is None
    pair.server.shrink()
    assert pair.server._from_ssl != held
    pair.client.write(b"gemini://h/\r\n")
    pair.flush()
    assert pair.server.receive(100) == b"gemini://h/\r\n"


def test_who_asks_at_once_costs_no_new_memory(pair):
    held = pair.server._from_ssl
    pair.client.write(b"gemini://h/\r\n")
    pair.flush()
    assert pair.server.receive(100) == b"gemini://h/\r\n"
    pair.server.write(b"x")
    pair.fetch()
    pair.server.shrink()
    assert pair.server._from_ssl == held


def test_a_certificate_is_judged_once_in_a_handshake_and_anew_in_each(certificates, monkeypatch, tmp_path):
    judged = []

    def judge(der):
        judged.append(der)
        return len(judged) != 2

    monkeypatch.setattr(tls_context, "is_key_affordable", judge)
    context = build_context(certificates["h"], TLS(), DirectContext)
    for number in range(3):
        made = find_or_make(tmp_path, (f"client{number}",))
        client = make_context()
        client.load_cert_chain(made.path, made.path.with_suffix(".key"))
        pair = Pair(context, client)
        with pytest.raises(TLSError, match="certificate verify failed") if number == 1 else contextlib.nullcontext():
            pair.shake_hands()
        if number != 1:
            assert pair.server.client_certificate.der == judged[-1]
            assert pair.server.client_certificate.fingerprint == made.fingerprint
    assert len(set(judged)) == len(judged) == 3
    without = Pair(context, make_context())
    without.shake_hands()
    assert without.server.client_certificate is None


def test_a_connection_that_openssl_has_no_memory_for_is_a_fault_of_tls(context, monkeypatch):
    def fail(*_):
        _lib.ERR_put_error(_lib.ERR_LIB_EVP, 0, 138, b"", 0)
        return openssl_direct.NULL

    for name in ("SSL_new", "BIO_new"):
        pair = Pair(context, make_context())
        with monkeypatch.context() as changed:
            changed.setattr(openssl_direct, "_lib", Lib(**{name: fail}))
            with pytest.raises(TLSError):
                pair.step()
        assert _lib.ERR_peek_error() == 0
        assert not pair.server.handshake()


def test_a_fault_in_the_choice_of_a_name_ends_no_worker(context, capsys):
    def find(name):
        raise RuntimeError("no such table")

    context.choose_by_server_name(find)
    Pair(context, make_context(), "h").shake_hands()
    assert "no such table" in capsys.readouterr().err


def test_a_fault_in_the_judgement_of_a_certificate_ends_the_handshake(certificates, monkeypatch, tmp_path, capsys):
    def judge(der):
        raise RuntimeError("no such table")

    monkeypatch.setattr(tls_context, "is_key_affordable", judge)
    made = find_or_make(tmp_path, ("somebody",))
    client = make_context()
    client.load_cert_chain(made.path, made.path.with_suffix(".key"))
    with pytest.raises(TLSError, match="certificate verify failed"):
        Pair(build_context(certificates["h"], TLS(), DirectContext), client).shake_hands()
    assert "no such table" in capsys.readouterr().err
