"""Without TLS, which ended before gemd, and over unix sockets."""

import os
import signal
import stat

import pytest
from cryptography.hazmat.primitives import serialization

from gemd.protocol.proxy_header import Endpoint
from gemd.protocol.proxy_v2 import SIGNATURE, encode_v2
from tests.support.waiting import wait_for

from .certificates import make_certificate
from .listeners import connect, place_of, read_all, send_behind
from .scripts import write_into

TEXT = """
listen = [
    "127.0.0.1:0",
    { address = "127.0.0.2:0", tls = false },
    { address = "unix:{tmp}/plain.sock", tls = false, mode = "0600" },
    { address = "unix:{tmp}/tls.sock", mode = "0660", proxy-protocol = true },
    { address = "127.0.0.3:0", tls = false, proxy-protocol = true },
]
timeouts.cgi = 20
[[host]]
name = "localhost"
root = "{root}"
cgi = "cgi-bin"
[[host.location]]
path = "/private/"
client-certificate = "any"
"""


@pytest.fixture
def daemon(configure, capsule):
    write_into(capsule / "cgi-bin")(
        "env",
        'printf "20 text/plain\\r\\n"; echo "$REMOTE_ADDR $SERVER_PORT ${TLS_VERSION-none} ${TLS_CIPHER-none}"',
    )
    write_into(capsule / "cgi-bin")("dies", 'printf "20 text/plain\\r\\nhalf"; sleep 0.2; kill -9 $$')
    return configure(TEXT)


def ask(place, url, header=b""):
    with connect(place) as sock:
        sock.sendall(header + url.encode() + b"\r\n")
        return read_all(sock)


@pytest.fixture(params=["TCP", "unix"])
def place(request, daemon, tmp_path):
    return place_of(daemon, "127.0.0.2") if request.param == "TCP" else str(tmp_path / "plain.sock")


def test_a_page(place):
    answer = ask(place, "gemini://localhost/")
    assert answer.complete
    assert answer.raw == b"20 text/gemini\r\n# A capsule\n"


def test_the_port_is_the_one_that_the_client_names(place):
    assert ask(place, "gemini://localhost:7/cgi-bin/env").text.split()[1] == "7"
    assert ask(place, "gemini://localhost/cgi-bin/env").text.split()[1] == "1965"
    assert ask(place, "gemini://elsewhere/").status == 53


def test_nothing_is_known_of_tls_and_certificates(place):
    assert ask(place, "gemini://localhost/private/").status == 60
    assert ask(place, "gemini://localhost/cgi-bin/env").text.split()[2:] in ([], ["none", "none"])


def test_large_answers_are_whole(place, capsule):
    content = os.urandom(3_000_000)
    (capsule / "large.bin").write_bytes(content)
    answer = ask(place, "gemini://localhost/large.bin")
    assert answer.body == content
    assert answer.complete


def test_an_answer_that_breaks_off_is_reset(daemon):
    daemon.expect("/cgi-bin/dies")
    answer = ask(place_of(daemon, "127.0.0.2"), "gemini://localhost/cgi-bin/dies")
    assert not answer.complete


@pytest.mark.parametrize("path", ["large.bin", "cgi-bin/begins"])
def test_an_answer_whose_worker_is_killed_is_reset(daemon, capsule, path):
    write_into(capsule / "cgi-bin")("begins", 'printf "20 text/plain\\r\\nhalf"; sleep 15')
    (capsule / "large.bin").write_bytes(bytes(30_000_000))
    daemon.expect("was killed by SIGKILL")
    with connect(place_of(daemon, "127.0.0.2")) as sock:
        sock.sendall(f"gemini://localhost/{path}\r\n".encode())
        assert sock.recv(9)
        for pid in daemon.workers:
            os.kill(pid, signal.SIGKILL)
        assert not read_all(sock).complete
    wait_for(lambda: len(daemon.workers) == 2, "other workers")


def test_who_speaks_tls_is_closed_and_named(daemon):
    with connect(place_of(daemon, "127.0.0.2")) as sock:
        sock.sendall(b"\x16\x03\x01\x00\x05hello")
        assert read_all(sock).raw == b""
    wait_for(lambda: "it speaks TLS, and this listener is without" in daemon.errors, "a hint")


def test_unix_sockets_have_their_mode_which_a_reload_changes(daemon, tmp_path):
    def modes():
        return [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain.sock", "tls.sock")]

    assert modes() == [0o600, 0o660]
    conf = tmp_path / "gemd.conf"
    conf.write_text(conf.read_text().replace('"0600"', '"0666"'))
    daemon.reload()
    assert modes() == [0o666, 0o660]


def test_tls_over_a_unix_socket_behind_a_proxy(daemon, tmp_path):
    header = encode_v2(Endpoint("192.0.2.7", 7), Endpoint("198.51.100.1", 1965))
    answer = send_behind(connect(str(tmp_path / "tls.sock")), header, "gemini://localhost/cgi-bin/env")
    assert answer.text.startswith("192.0.2.7 1965 TLSv1.3 ")


def test_flags_alone_serve_without_tls_and_make_no_certificate(start, capsule):
    daemon = start("--dir", capsule, "--port", "0", "--host", "127.0.0.1", "--no-tls").wait_until_ready()
    answer = ask(("127.0.0.1", daemon.port), "gemini://localhost/")
    assert answer.body == b"# A capsule\n"
    assert not list(daemon.folder.rglob("*.pem"))
    assert daemon.stop() == 0


def header_with(certificate):
    """A PROXY header of version 2 whose sender has seen a client prove that it has the key of a certificate."""

    def field(kind, value):
        return bytes([kind]) + len(value).to_bytes(2) + value

    addresses = bytes([192, 0, 2, 7, 198, 51, 100, 1]) + (7).to_bytes(2) + (1965).to_bytes(2)
    der = certificate.public_bytes(serialization.Encoding.DER)
    unverified = (18).to_bytes(4)  # of a certificate that vouches for itself (X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT)
    body = addresses + field(0x20, b"\x07" + unverified + field(0x28, der))
    return SIGNATURE + b"\x21\x11" + len(body).to_bytes(2) + body


def test_a_certificate_that_a_terminator_has_seen_is_the_clients(daemon, capsule, tmp_path):
    (capsule / "private").mkdir()
    (capsule / "private/index.gmi").write_text("# For Ada\n")
    certificate, _ = make_certificate(tmp_path / "ada.pem")
    place, url = place_of(daemon, "127.0.0.3"), "gemini://localhost/private/"
    assert ask(place, url, header_with(certificate)).body == b"# For Ada\n"
    nobodys = encode_v2(Endpoint("192.0.2.7", 7), Endpoint("198.51.100.1", 1965))
    assert ask(place, url, nobodys).status == 60


def test_where_tls_ends_here_nobody_else_has_seen_a_certificate(daemon, tmp_path):
    certificate, _ = make_certificate(tmp_path / "ada.pem")
    sock = connect(str(tmp_path / "tls.sock"))
    assert send_behind(sock, header_with(certificate), "gemini://localhost/private/").status == 60
