import ssl
import threading

import pytest

from gemd.gemctl.failure import Failure
from gemd.gemctl.gemini_client import GeminiConnection, Header, Truncated, build_client_context, is_cut
from gemd.system.deadline import Deadline

from .conftest import LONGEST


@pytest.fixture
def silence():
    """An answer that stays away until the test is over."""
    release = threading.Event()
    yield lambda _: release.wait(LONGEST)
    release.set()


def test_a_server_that_never_answers(serve, silence):
    server = serve(silence, proper=False)
    with connect(server) as connection:
        connection._deadline, connection.timeout = Deadline(0.2), 0.2  # after the handshake, which may take its time
        with pytest.raises(Failure, match=r"nothing more came for 0\.2 s, after 0 bytes of the response"):
            connection.request(server.url())


def test_a_server_that_falls_silent(serve, silence):
    def begin(tls):
        tls.sendall(b"20 text/plain\r\nab")
        silence(tls)

    server = serve(begin, proper=False)
    with connect(server) as connection:
        assert connection.request(server.url()) == Header(20, "text/plain")
        connection.timeout = 0.2
        pieces = connection.body()
        with pytest.raises(Failure, match=r"nothing more came for 0\.2 s, after 2 bytes of the response"):
            assert b"".join(pieces) == b""


def test_a_deadline_that_has_passed(serve, silence):
    server = serve(silence, proper=False)
    with connect(server) as connection:
        connection._deadline = Deadline(0)
        with pytest.raises(Failure, match="took longer than"):
            connection.request(server.url())


def connect(server):
    return GeminiConnection(("127.0.0.1", server.port), "localhost", build_client_context(None, None), LONGEST)


def test_a_response(serve):
    server = serve(b"20 text/plain\r\na body")
    with connect(server) as connection:
        assert connection.request(server.url("/a")) == Header(20, "text/plain")
        assert b"".join(connection.body()) == b"a body"
        assert connection.protocol.startswith("TLSv1.3, TLS_")
    assert server.requests == [f"{server.url('/a')}\r\n".encode()]
    assert server.server_names == ["localhost"]


HEADERS = {
    "no meta": (b"51\r\n", Header(51, "")),
    "a blank and no meta": (b"51 \r\n", Header(51, "")),
    "meta as it came": (b"40 a\x1bb\xff\r\n", Header(40, "a\x1bb\udcff")),
    "longest": (b"20 " + b"x" * 1024 + b"\r\n", Header(20, "x" * 1024)),
}


@pytest.mark.parametrize(("answer", "header"), HEADERS.values(), ids=HEADERS)
def test_headers(serve, answer, header):
    server = serve(answer)
    with connect(server) as connection:
        assert connection.request(server.url()) == header
        assert list(connection.body()) == []


def test_an_end_without_close_notify_is_told_from_one_with_it(serve):
    server = serve(b"20 text/plain\r\nhalf", proper=False)
    with connect(server) as connection:
        connection.request(server.url())
        with pytest.raises(Truncated, match="broke off after 4 bytes of the response, without close_notify"):
            list(connection.body())


@pytest.mark.parametrize(
    ("error", "is_one"),
    [(ssl.SSLEOFError(), True), (ConnectionResetError(), True), (TimeoutError(), False)],
)
def test_what_is_a_cut(error, is_one):
    assert is_cut(error) == is_one


def test_a_client_certificate_that_can_not_be_used(tmp_path):
    (tmp_path / "bad.pem").write_text("nothing")
    with pytest.raises(Failure, match=r"bad.pem can't be used as a client certificate: .*--key\?$"):
        build_client_context(tmp_path / "bad.pem", None)
    with pytest.raises(Failure, match=r"bad.pem can't be used as a client certificate: .*[^?]$"):
        build_client_context(tmp_path / "bad.pem", tmp_path / "bad.pem")
    with pytest.raises(Failure, match="can't be read: No such file"):
        build_client_context(tmp_path / "missing.pem", None)
