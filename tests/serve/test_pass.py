"""Hosts that another server answers: their connections are passed on as they come."""

import re
import socket
import subprocess
import sys

import pytest

from tests.support.gemini_client import Client
from tests.support.processes import free_port
from tests.support.tls_client import make_context
from tests.support.waiting import wait_for

from .certificates import make_certificate
from .conftest import AS_ROOT, read_answer
from .passes import (  # noqa: F401, some are fixtures
    BIG,
    FRONT,
    ada,
    ask,
    back,
    front,
    lines_of_passes,
    make_hello,
    receive,
    run,
    serve_behind,
    server,
)

# From end to end


def test_a_clients_certificate_reaches_the_server_behind(front, back, ada, tmp_path):
    assert ask(front).text == "# Behind\n"
    assert ask(front, "/ada/").status == 60
    assert ask(front, "/ada/", cert=ada).text == "# Ada's\n"
    make_certificate(tmp_path / "bob.pem", "Bob")
    assert ask(front, "/ada/", cert=tmp_path / "bob.pem").status == 61
    assert ask(front, "/cgi-bin/who", cert=ada).text.startswith("127.0.0.1 SHA256:")
    assert ask(front, name="x.b.example").text == "# Behind\n"
    with front.tls("b.example") as one, back.tls("b.example") as other:
        assert one.getpeercert(binary_form=True) == other.getpeercert(binary_form=True)
        for tls in (one, other):
            tls.sendall(b"gemini://b.example/\r\n")
            assert read_answer(tls).complete


def test_what_is_not_passed_on_is_answered_here(front):
    for name in ("localhost", None):
        assert front.ask("/", name=name).text == "# A capsule\n"
    assert front.send(f"gemini://a.example:{front.port}/\r\n".encode(), name="a.example").text == "# A capsule\n"
    for name in ("localhost", "a.example", None):
        answer = front.send(b"gemini://b.example/\r\n", name=name)
        assert (answer.status, answer.complete) == (53, True)
    assert lines_of_passes(front) == []


def test_a_line_of_the_log_has_both_directions_and_no_url(front):
    answer = ask(front, "/big.bin")
    assert (answer.body == BIG, answer.complete) == (True, True)
    (line,) = wait_for(lambda: lines_of_passes(front), "the line")
    assert (line["host"], line["url"], line["status"], line["complete"]) == ("b.example", "-", 0, True)
    assert len(BIG) < line["sent"] < len(BIG) * 1.01
    assert 300 < line["received"] < 2000


# A hello in pieces


def byte_by_byte(hello):
    return [hello[i : i + 1] for i in range(len(hello))]


def in_two_records(hello):
    content = hello[5:]
    return [hello[:3] + len(part).to_bytes(2) + part for part in (content[:70], content[70:])]


def in_two_records_at_once(hello):
    return [b"".join(in_two_records(hello))]


@pytest.mark.parametrize("split", [byte_by_byte, in_two_records, in_two_records_at_once])
def test_a_hello_may_come_in_any_pieces(front, split):
    for name, text in (("b.example", b"# Behind\n"), ("localhost", b"# A capsule\n")):
        with front.connect() as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client = Client(sock)
            client.tls = make_context().wrap_bio(client._incoming, client._outgoing, server_hostname=name)
            sock.setblocking(True)
            for piece in split(client.hello()):
                sock.sendall(piece)
            sock.setblocking(False)
            wait_for(client.shake_hands, "the handshake")
            client.send(f"gemini://{name}:{front.port}/\r\n".encode())
            assert wait_for(lambda client=client: client.read() and client.end, "the answer") == "whole"
            assert client.data.endswith(text)


def test_what_is_no_hello_is_refused_as_ever(front):
    for octets in (b"gemini://b.example/\r\n", b"\x16\3\1\0\0", b"\x80\x2e\1\0\2" + bytes(50)):
        with front.connect() as sock:
            sock.sendall(octets)
            sock.shutdown(socket.SHUT_WR)
            assert sock.recv(1000)[:1] in (b"", b"\x15")  # an alert
    wait_for(lambda: front.errors.count("handshake failed") == 3, "a line for each")


# Upstreams


def test_an_upstream_that_is_dead_is_named_once(back, front):
    front.expect("b.example can't be passed on")
    back.stop()
    for _ in range(5):
        with pytest.raises(OSError):
            ask(front)
    (warning,) = wait_for(
        lambda: [line for line in front.errors.splitlines() if "can't be passed on" in line], "the warning"
    )
    assert warning.endswith(f"b.example can't be passed on to localhost:{back.port}: Connection refused")
    lines = wait_for(lambda: len(lines_of_passes(front)) == 5 and lines_of_passes(front), "the lines")
    assert {(line["sent"], line["complete"]) for line in lines} == {(0, False)}


def test_a_name_that_there_is_not(run):
    front = run("front", FRONT % ("", "no-such-host.invalid"))
    front.expect("b.example can't be passed on to no-such-host.invalid:1965: it can't be looked up")
    with pytest.raises(OSError):
        ask(front)
    wait_for(lambda: "it can't be looked up" in front.errors, "the warning")


def test_an_upstream_that_says_nothing(run, server):
    front = run("front", FRONT % ("timeouts.pass-idle = 0.5", server.place))
    hello = make_hello("b.example")
    with front.connect() as sock:
        sock.sendall(hello)
        link = server.accept()
        assert receive(link, len(hello)) == hello
        for end in (sock, link):
            with pytest.raises(ConnectionResetError):
                end.recv(1)
    wait_for(lambda: "broke off: nothing came for 0.5 s" in front.errors, "the line")


def test_a_reset_of_the_upstream_is_one_for_the_client(run, server):
    front = run("front", FRONT % ("", server.place))
    with front.connect() as sock:
        sock.sendall(make_hello("b.example"))
        link = server.accept()
        link.recv(65536)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        link.close()
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_each_side_may_stop_sending_by_itself(run, server):
    front = run("front", FRONT % ("", server.place))
    with front.connect() as sock:
        hello = make_hello("b.example")
        sock.sendall(hello)
        sock.shutdown(socket.SHUT_WR)
        link = server.accept()
        got = b""
        while data := link.recv(65536):
            got += data
        assert got == hello
        link.sendall(b"an answer all the same")
        assert sock.recv(100) == b"an answer all the same"
        link.shutdown(socket.SHUT_WR)
        assert sock.recv(100) == b""
    assert wait_for(lambda: lines_of_passes(front), "the line")[0]["complete"]


def test_a_loop_of_two_is_noticed_where_they_tell_each_other(run):
    ports = find_free_ports(2)
    fronts = []
    for mine, other in (ports, ports[::-1]):
        listen = f"""\nlisten = [
            {{ address = "127.0.0.1:{mine}", proxy-protocol = true }}, "127.0.0.1:0"
        ]"""
        fronts.append(run(f"front{mine}", listen + FRONT % ("", f"127.0.0.1:{other}") + 'send-proxy = "v2"\n'))
        fronts[-1].expect("b.example can't be passed on")
        fronts[-1].port = port_of_clients(fronts[-1], mine)
    with pytest.raises(OSError):
        ask(fronts[0])
    errors = wait_for(
        lambda: [line for one in fronts for line in one.errors.splitlines() if "is a loop" in line], "the line"
    )
    assert len(errors) == 1
    assert "this is a loop: 8 gemd have passed it on already" in errors[0]
    wait_for(lambda: sum(len(lines_of_passes(one)) for one in fronts) == 9, "all of them to be over")


def find_free_ports(number):
    ports = set()
    while len(ports) < number:
        ports.add(free_port())
    return list(ports)


def port_of_clients(daemon, other):
    """Where it listens without a PROXY header."""
    ports = {int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", daemon.errors.partition("listening on")[2])}
    return (ports - {other}).pop()


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_server_behind_is_told_whose_connection_it_is(run, serve_behind, version):
    (port,) = find_free_ports(1)
    serve_behind(f'listen = ["127.0.0.1:0", {{ address = "127.0.0.1:{port}", proxy-protocol = true }}]')
    front = run("front", FRONT % ("", f"127.0.0.1:{port}") + f'send-proxy = "{version}"\n')
    for source in ("127.0.0.1", "127.0.0.9"):
        answer = ask(front, "/cgi-bin/who", source=source)
        assert (answer.text.split()[0], answer.complete) == (source, True)


def test_what_leads_to_gemd_itself_is_told_before(tmp_path, capsule):
    path = tmp_path / "front.conf"
    text = '\nlisten = ["[::1]:29651", "unix:{tmp}/s"]' + FRONT % ("", "localhost:29651")
    path.write_text(text.replace("{root}", str(capsule)).replace("{tmp}", str(tmp_path)))
    done = subprocess.run([sys.executable, "-m", "gemd", "-t", "-c", path, *AS_ROOT], capture_output=True, text=True)
    assert done.returncode != 0
    expected = "pass: gemd itself listens on [::1]:29651: name the server that is behind it"
    assert expected in done.stderr
