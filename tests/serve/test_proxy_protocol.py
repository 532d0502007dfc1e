"""Behind a proxy: the client is whom its PROXY header names."""

import signal
import socket
from contextlib import suppress

import pytest

from gemd.protocol.proxy_header import Endpoint
from gemd.protocol.proxy_v1 import encode_v1
from gemd.protocol.proxy_v2 import encode_v2
from tests.support.waiting import wait_for

from .listeners import connect, place_of, read_all, send_behind
from .scripts import write_into

LISTEN = '"127.0.0.1:0", { address = "127.0.0.2:0", proxy-protocol = true, from = ["127.0.0.1/32"] }'
TEXT = """
listen = [%s]
[limits]
rate = "%s"
[[host]]
name = "localhost"
root = "{root}"
cgi = "cgi-bin"
"""
HERE = Endpoint("198.51.100.1", 1965)
LOCAL = bytes.fromhex("0d0a0d0a000d0a515549540a20000000")


def client(number):
    return Endpoint(f"192.0.2.{number}", 40000 + number)


@pytest.fixture
def daemon(configure, capsule):
    write_into(capsule / "cgi-bin")(
        "who", 'printf "20 text/plain\\r\\n"; echo "$REMOTE_ADDR $REMOTE_PORT $SERVER_PORT"'
    )
    return configure(TEXT % (LISTEN, "100/1m"))


@pytest.mark.parametrize("encode", [encode_v1, encode_v2])
def test_scripts_logs_and_the_port_are_the_clients(daemon, encode):
    place = place_of(daemon, "127.0.0.2")
    answer = send_behind(connect(place), encode(client(7), HERE), "gemini://localhost/cgi-bin/who")
    assert answer.complete
    assert answer.text == "192.0.2.7 40007 1965\n"
    wait_for(lambda: any(line.startswith("192.0.2.7 ") for line in daemon.access), "the line of the client")
    six = Endpoint("2001:db8::7", 1)
    answer = send_behind(connect(place), encode(six, Endpoint("2001:db8::1", 1965)), "gemini://localhost/cgi-bin/who")
    assert answer.text == "2001:db8::7 1 1965\n"


def test_another_port_than_the_clients_is_not_served(daemon):
    answer = send_behind(connect(place_of(daemon, "127.0.0.2")), encode_v2(client(7), HERE), daemon.url())
    assert answer.status == 53


def test_each_client_has_a_budget_of_its_own(configure):
    daemon = configure(TEXT % (LISTEN, "2/1h"))
    place = place_of(daemon, "127.0.0.2")
    statuses = [
        send_behind(connect(place), encode_v2(client(number), HERE), "gemini://localhost/").status
        for number in (1, 1, 1, 2, 2, 2, 3)
    ]
    assert statuses == [20, 20, 44, 20, 20, 44, 20]


def test_a_proxy_may_ask_for_itself_and_a_health_check_leaves_no_line(daemon):
    place = place_of(daemon, "127.0.0.2")
    answer = send_behind(connect(place), LOCAL, f"gemini://localhost:{place[1]}/cgi-bin/who")
    assert answer.text.startswith("127.0.0.1 ")
    before = daemon.errors
    for check in (LOCAL, b"PROXY UNKNOWN\r\n", b""):
        with connect(place) as sock:
            sock.sendall(check)
            sock.shutdown(socket.SHUT_WR)
            assert sock.recv(1) == b""
    assert daemon.ask("/").complete
    assert daemon.errors == before


def test_only_proxies_are_heard(daemon):
    with connect(place_of(daemon, "127.0.0.2"), source="127.0.0.3") as sock:
        sock.sendall(encode_v2(client(7), HERE))
        assert read_all(sock).raw == b""
    wait_for(lambda: "127.0.0.3: closed: no proxy of 127.0.0.2" in daemon.errors, "a line about a stranger")
    assert not any("192.0.2.7" in line for line in daemon.access)


def test_what_is_no_header_ends_without_a_byte(daemon):
    daemon.expect("closed a connection of the proxy")
    place = place_of(daemon, "127.0.0.2")
    for sent in (b"\x16\x03\x01\x00\x05hello", b"gemini://localhost/\r\n", encode_v2(client(7), HERE)[:-1] + b"\0"):
        with connect(place) as sock:
            sock.sendall(sent)
            assert read_all(sock).raw == b""


def test_a_header_where_none_is_expected_is_named(daemon):
    with daemon.connect() as sock:
        sock.sendall(encode_v1(client(7), HERE))
        assert read_all(sock).raw == b""
    wait_for(lambda: "proxy-protocol, in `listen`" in daemon.errors, "a hint")


def test_a_reload_changes_it_for_new_connections(configure, tmp_path, capsule):
    write_into(capsule / "cgi-bin")("who", 'printf "20 text/plain\\r\\n"; echo "$REMOTE_ADDR"')
    daemon = configure(TEXT % (LISTEN, "100/1m"))
    place = place_of(daemon, "127.0.0.2")
    header, url = encode_v2(client(7), HERE), "gemini://localhost/cgi-bin/who"
    old = connect(place)
    old.sendall(header)
    conf = tmp_path / "gemd.conf"
    conf.write_text(conf.read_text().replace("proxy-protocol = true, from", 'proxy-protocol = false, "from"', 1))
    daemon.expect("from: needs proxy-protocol")
    daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "not reloaded" in daemon.errors, "a refusal")
    conf.write_text(conf.read_text().replace('proxy-protocol = false, "from" = ["127.0.0.1/32"]', "tls = true"))
    daemon.reload()
    daemon.expect("closed a connection of the proxy 127.0.0.1: no PROXY header")

    def ask_without():
        """A former worker takes connections for a moment yet, and closes this one."""
        with suppress(OSError):
            return send_behind(connect(place), b"", f"gemini://localhost:{place[1]}/cgi-bin/who").text

    assert wait_for(ask_without, "an answer without a header") == "127.0.0.1\n"
    assert send_behind(old, b"", url).text == "192.0.2.7\n"


def test_half_headers_that_come_slowly_keep_nobody_waiting(configure):
    daemon = configure(TEXT.replace("[limits]", "timeouts.request = 2\n[limits]", 1) % (LISTEN, "1000/1m"))
    place = place_of(daemon, "127.0.0.2")
    slow = [connect(place) for _ in range(100)]
    header = encode_v2(client(7), HERE)
    for octet in header[:3]:
        for sock in slow:
            with suppress(OSError):  # its time may be over, where the machine is slow
                sock.sendall(bytes([octet]))
        assert send_behind(connect(place), header, "gemini://localhost/").status == 20
    for sock in slow:
        with sock:
            assert read_all(sock).raw == b""


def test_who_may_not_come_is_turned_away_by_the_name_that_the_proxy_gives(configure):
    access = '[access]\nallow = ["127.0.0.0/8", "192.0.2.0/24"]\ndeny = ["192.0.2.66"]\n'
    daemon = configure(TEXT.replace("[limits]", access + "[limits]", 1) % (LISTEN, "1000/1m"))
    place = place_of(daemon, "127.0.0.2")
    assert send_behind(connect(place), encode_v2(client(7), HERE), "gemini://localhost/").status == 20
    for address in ("192.0.2.66", "203.0.113.1", "::ffff:192.0.2.66"):
        with connect(place) as sock:
            sock.sendall(encode_v2(Endpoint(address, 1), HERE))
            assert read_all(sock).raw == b""
    wait_for(lambda: "closed before TLS: not for its network (access)" in daemon.errors, "a line about it")
