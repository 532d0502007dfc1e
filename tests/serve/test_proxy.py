"""Locations and hosts that another Gemini server answers."""

import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
import trustme

from tests.support.waiting import wait_for

from .certificates import make_certificate
from .conftest import AS_ROOT, read_answer
from .load import Load
from .passes import receive
from .proxies import (  # noqa: F401, some are fixtures
    BIG,
    FRONT,
    accept_request,
    ask,
    back,
    edit,
    front,
    known_servers,
    ours,
    run,
    serve_before,
    serve_behind,
    server,
    url_of,
)
from .test_pass import find_free_ports, port_of_clients

# From end to end


def test_what_comes_back_passes_as_it_is(front, back, tmp_path):
    assert ask(front).text == "# Behind\n"
    assert ask(front, "/").text == "# A capsule\n"
    assert ask(front, "/p/cgi-bin/who?a%20b").text.endswith("gemini://localhost/cgi-bin/who?a%20b\n")
    answer = ask(front, "/p/big.bin")
    assert (answer.status, answer.body == BIG, answer.complete) == (20, True, True)
    headers = {
        path: ask(front, f"/p{path}") for path in ("/none", "/cgi-bin/ask", "/cgi-bin/go", "/cgi-bin/slow", "/any/")
    }
    assert [answer.header for answer in headers.values()] == [
        "51 Not found",
        "10 Your name?",
        "31 ../x%20y",
        "44 60",
        headers["/any/"].header,
    ]
    assert headers["/any/"].status == 60
    assert all(answer.complete and not answer.body for answer in headers.values())
    make_certificate(tmp_path / "ada.pem")
    assert ask(front, "/p/any/", cert=tmp_path / "ada.pem").status == 60  # it is the server's own business
    wait_for(lambda: any('/p/big.bin" 20' in line for line in front.access), "the line of the access log")


def test_a_whole_host(run, back):
    text = f"""
workers = 1
[[host]]
name = "localhost"
root = "{{root}}"
[[host]]
name = "b.example"
proxy = {{ to = "{url_of(back)}" }}
  [[host.location]]
  path = "/here"
  root = "{{root}}"
  [[host.location]]
  path = "/own"
  proxy = {{ to = "{url_of(back)}", strip = 1, rewrite-host = true, sni = "localhost" }}
"""
    front = run("front", text)
    who = "/cgi-bin/who"
    assert ask(front, "/", "b.example").text == "# Behind\n"
    assert ask(front, who, "b.example").text.endswith(f"gemini://b.example{who}\n")
    assert ask(front, "/here/", "b.example").text == "# A capsule\n"
    assert ask(front, f"/own{who}", "b.example").text.endswith(f"gemini://localhost:{back.port}{who}\n")
    assert ask(front, "/", "localhost").text == "# A capsule\n"
    assert set(known_servers(front)) == {f"127.0.0.1:{back.port} {name}" for name in ("b.example", "localhost")}


def test_a_url_that_would_be_too_long(serve_before, back):
    front = serve_before(f'to = "{url_of(back)}", rewrite-host = true')
    path = "/p/" + "x" * (1024 - len("gemini://localhost/p/"))
    assert ask(front, path).header == "59 The URL is too long to be passed on"


def test_by_unix_sockets(run, serve_behind, tmp_path):
    serve_behind('listen = ["127.0.0.1:0", "unix:{tmp}/back.sock"]')
    front = run("front", FRONT % ("", 'strip = 1, to = "gemini+unix:{tmp}/back.sock"'), 2)
    assert ask(front).text == "# Behind\n"
    assert set(known_servers(front)) == {f"unix:{tmp_path}/back.sock localhost"}


# Whom it is


def test_a_server_is_remembered_by_its_key(front, serve_behind, back, tmp_path):
    assert ask(front).status == 20
    (server,) = known_servers(front)
    assert server == f"127.0.0.1:{back.port} localhost"
    before = known_servers(front)[server]
    assert ask(front).status == 20
    port = back.port
    back.stop()
    data = back.folder / "data" / "gemd"
    (data / "localhost.crt").unlink()  # the key stays
    again = start_at(port, serve_behind, data)
    assert ask(front).text == "# Behind\n"
    again.stop()
    for name in ("localhost.crt", "localhost.key"):
        (data / name).unlink()
    start_at(port, serve_behind, data)
    front.expect("has another key than it had")
    assert (ask(front).status, ask(front, "/p/big.bin").status) == (43, 43)
    (line, _) = wait_for(lambda: [one for one in front.errors.splitlines() if "another key" in one], "the reason")
    shown, known = re.findall(r"SPKI-SHA256:[0-9a-f]{64}", line)
    assert known == before != shown
    assert f"the proxy at localhost/p: 127.0.0.1:{port} has another key than it had: it shows " in line
    store = front.folder / "data" / "gemd" / "known_servers"
    store.write_text("".join(one for one in store.read_text().splitlines(True) if server not in one))
    front.reload()
    wait_for(lambda: ask(front).status == 20, "the server to be met anew")
    assert known_servers(front) == {server: shown}


def start_at(port, serve_behind, data):
    """The server behind once more, with the same port and place for certificates."""
    settings = f'listen = ["127.0.0.1:{port}"]\ntls = {{ certificates = "{data}" }}'
    return serve_behind(settings, "again")


def test_all_workers_remember_the_same(front, back):
    with Load(front.port, "/p/", clients=4) as load:
        load.wait_for_more(40)
    assert not load.failures
    store = (front.folder / "data" / "gemd" / "known_servers").read_text()
    assert len(set(re.findall("SPKI-SHA256:.*", store))) == 1
    assert (front.folder / "data" / "gemd" / "known_servers").stat().st_mode & 0o777 == 0o600


def test_fingerprints(run, back, serve_before, tmp_path):
    certificate = re.search("fingerprint ([0-9a-f]{64})", back.errors)[1]
    keys = f'to = "{url_of(back)}", fingerprint = ["{"ab" * 32}", "SHA256:{certificate}"]'
    front = serve_before(keys)
    assert ask(front).text == "# Behind\n"
    assert not (front.folder / "data" / "gemd" / "known_servers").exists()
    front.expect("has another certificate than fingerprint says: it shows SPKI-SHA256:")
    edit(tmp_path / "front.conf", f"SHA256:{certificate}", f"SPKI-SHA256:{certificate}")
    front.reload()
    wait_for(lambda: ask(front).status == 43, "the fingerprint to be none")


def test_authorities(serve_behind, serve_before, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued = authority.issue_cert("b.internal")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "issued.pem")
    (tmp_path / "issued.pem").chmod(0o600)
    pair = 'certificate = "{tmp}/issued.pem"\nkey = "{tmp}/issued.pem"'
    back = serve_behind(host=pair)
    back.expect("issued.pem does not name localhost")
    keys = f'to = "{url_of(back)}", ca = "{{tmp}}/ca.pem", rewrite-host = true, sni = "b.internal"'
    front = serve_before(keys)
    assert ask(front).header == "53 This host is not served here"  # by a name that the server has not
    front.expect("has a certificate for b.internal, and not for localhost: see sni", "ca does not vouch for")
    front.expect("says: 53 ")
    wait_for(lambda: "says: 53 This host is not served here (it is asked for " in front.errors, "the reason")
    edit(tmp_path / "front.conf", ', rewrite-host = true, sni = "b.internal"', "")
    front.reload()
    wait_for(lambda: ask(front).status == 43, "the name to be wrong")
    edit(tmp_path / "front.conf", ', ca = "', ', sni = "b.internal", ca = "')
    front.reload()
    wait_for(lambda: ask(front).status == 53, "the name to be right")
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    front.reload()
    wait_for(lambda: ask(front).status == 43, "another authority")


def test_the_server_knows_gemd_by_a_certificate_that_a_reload_reads_anew(serve_before, back, tmp_path):
    make_certificate(tmp_path / "shown.pem", "another")
    for name in ("ours.pem", "shown.pem"):
        (tmp_path / name).chmod(0o600)
    keys = 'certificate = "{tmp}/shown.pem", key = "{tmp}/shown.pem"'
    front = serve_before(f'to = "{url_of(back)}", {keys}')
    assert (ask(front, "/p/any/").text, ask(front, "/p/ours/").status) == ("# any\n", 61)
    os.replace(tmp_path / "ours.pem", tmp_path / "shown.pem")
    front.reload()
    wait_for(lambda: ask(front, "/p/ours/").text == "# ours\n", "the other certificate")
    (tmp_path / "shown.pem").write_text("nonsense")
    front.expect("not reloaded|shown.pem")
    front.reload("shown.pem")
    assert ask(front, "/p/ours/").text == "# ours\n"


# Whose request it is, and loops


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_server_behind_is_told_whose_request_it_is(serve_behind, serve_before, version):
    (port,) = find_free_ports(1)
    serve_behind(f'listen = ["127.0.0.1:0", {{ address = "127.0.0.1:{port}", proxy-protocol = true }}]')
    front = serve_before(f'to = "gemini://127.0.0.1:{port}", send-proxy = "{version}"')
    for source in ("127.0.0.1", "127.0.0.9"):
        answer = ask(front, "/p/cgi-bin/who", source=source)
        assert (answer.text.split()[0], answer.complete) == (source, True)


def test_a_loop_of_two_is_noticed_where_they_tell_each_other(run):
    ports = find_free_ports(2)
    fronts = []
    for mine, other in (ports, ports[::-1]):
        listen = f"""\nlisten = [
            {{ address = "127.0.0.1:{mine}", proxy-protocol = true }}, "127.0.0.1:0"
        ]"""
        keys = f'to = "gemini://127.0.0.1:{other}", send-proxy = "v2"'
        fronts.append(run(f"front{mine}", listen + FRONT % ("", keys), 2))
        fronts[-1].expect("is a loop")
        fronts[-1].port = port_of_clients(fronts[-1], mine)
    assert ask(fronts[0]).status == 43
    (line,) = [line for one in fronts for line in one.errors.splitlines() if "is a loop" in line]
    assert line.endswith("the proxy at localhost/p: this is a loop: 8 gemd have passed it on already")
    wait_for(lambda: sum(len(one.access) for one in fronts) == 9, "all of them to be over")


def test_what_leads_to_gemd_itself(run, tmp_path, capsule):
    path = tmp_path / "told.conf"
    text = '\nlisten = ["[::1]:29651", "unix:{tmp}/s"]' + FRONT % ("", 'to = ["gemini://localhost:29651"]')
    path.write_text(text.replace("{root}", str(capsule)).replace("{tmp}", str(tmp_path)))
    done = check(path)
    assert done.returncode != 0
    expected = "localhost/p: proxy.to: gemd itself listens on [::1]:29651: name the server"
    assert expected in done.stderr
    (tmp_path / "link").symlink_to(tmp_path / "own.sock")
    listen = '\nlisten = ["127.0.0.1:0", "unix:{tmp}/own.sock"]'
    front = run("front", listen + FRONT % ("", 'to = "gemini+unix:{tmp}/link"'), 2)
    front.expect("is a loop")
    assert ask(front).status == 43
    wait_for(lambda: "this is a loop: gemd itself listens there" in front.errors, "the reason")


def check(path):
    return subprocess.run([sys.executable, "-m", "gemd", "-t", "-c", path, *AS_ROOT], capture_output=True, text=True)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ('to = "https://127.0.0.1"', "proxy.to: https is not there"),
        ('to = "gemini://192.0.2.1", ca = "/none.pem"', "/none.pem can't be read: No such file or directory"),
        ('to = "gemini://192.0.2.1", certificate = "/none.pem", key = "/none.pem"', "/none.pem"),
        ('to = "gemini://192.0.2.1", fingerprint = "x"', "proxy.fingerprint: expected SHA256: or SPKI-SHA256:"),
    ],
)
def test_what_a_check_of_the_configuration_says(tmp_path, capsule, keys, said):
    path = tmp_path / "front.conf"
    path.write_text((FRONT % ("", keys)).replace("{root}", str(capsule)))
    done = check(path)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


# Servers that do not answer as they should


def test_a_server_that_is_gone(serve_before, server):
    place = server.place
    front = serve_before(f'to = "gemini://{place}"')
    server.listener.close()
    front.expect("can't be reached: Connection refused")
    answer = ask(front)
    assert answer.header == "43 The server behind this one did not answer as it should"
    assert answer.complete
    wait_for(lambda: f"the proxy at localhost/p: {place} can't be reached" in front.errors, "the reason")


def test_a_server_that_is_late(serve_before, server):
    front = serve_before(f'to = "gemini://{server.place}", timeout = 0.5')
    front.expect("did not answer within 0.5 s")
    answer = ask(front)  # it is connected by the kernel alone
    assert (answer.status, answer.complete) == (43, True)
    assert 0.3 < answer.seconds < 10


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"20 text/gemini\r\n", "can't agree on TLS"),
        (b"", "closed in the handshake"),
        (b"\x15\x03\x01\x00\x02\x02\x28", "can't agree on TLS: .*handshake failure"),
    ],
)
def test_a_server_without_tls(serve_before, server, sent, reason):
    front = serve_before(f'to = "gemini://{server.place}"')
    front.expect(reason)
    with front.tls() as tls:
        tls.sendall(b"gemini://localhost/p/\r\n")
        link = server.accept()
        link.recv(65536)
        link.sendall(sent)
        link.shutdown(socket.SHUT_WR)
        answer = read_answer(tls)
    assert (answer.status, answer.complete) == (43, True)
    wait_for(lambda: re.search(f"the proxy at localhost/p: {server.place} .*{reason}", front.errors), "the reason")


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"hello\r\n", "has to begin with a line"),
        (b"99 what\r\n", "status 99 is not defined"),
        (b"20 " + b"x" * 2000, "has to begin with a line"),
        (b"20 text/gemini", "ended without a header"),
        (b"", "ended without a header"),
        (b"20 a\x1b[1m\r\n", "a control character"),
        (b"20 \xff\r\n", "bad header"),
    ],
)
def test_a_header_that_is_none(serve_before, server, tmp_path, sent, reason):
    front = serve_before(f'to = "gemini://{server.place}"')
    front.expect(reason)
    with front.tls() as tls:
        tls.sendall(b"gemini://localhost/p/\r\n")
        link = accept_request(server, tmp_path)
        link.sendall(sent)
        end_tls(link)
        answer = read_answer(tls)
    assert (answer.status, answer.complete) == (43, True)
    assert "\x1b" not in front.errors


def end_tls(link):
    with contextlib.suppress(OSError):
        link.setblocking(False)
        link.unwrap()


def test_an_answer_that_breaks_off(serve_before, server, tmp_path):
    front = serve_before(f'to = "gemini://{server.place}"')
    front.expect("closed without close_notify", "broke off")
    for is_reset in (False, True):
        with front.tls() as tls:
            tls.sendall(b"gemini://localhost/p/\r\n")
            link = accept_request(server, tmp_path)
            link.sendall(b"20 text/gemini\r\n# Half")
            assert receive(tls, 22) == b"20 text/gemini\r\n# Half"
            if is_reset:
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            link.close()
            answer = read_answer(tls)
        assert (answer.raw, answer.complete) == (b"", False)
    wait_for(lambda: "closed without close_notify" in front.errors, "the reason")


def test_a_body_that_stalls(serve_before, server, tmp_path):
    front = serve_before(f'to = "gemini://{server.place}", timeout = 0.5')
    front.expect("sent nothing more within 0.5 s")
    with front.tls() as tls:
        tls.sendall(b"gemini://localhost/p/\r\n")
        link = accept_request(server, tmp_path)
        link.sendall(b"20 text/gemini\r\n# Half")
        answer = read_answer(tls)
        with contextlib.suppress(ssl.SSLEOFError, ssl.SSLError):  # the server learns that nobody waits
            assert link.recv(100) == b""
    assert (answer.raw, answer.complete) == (b"20 text/gemini\r\n# Half", False)


def test_a_client_that_leaves_is_told_to_the_server(serve_before, server, tmp_path):
    front = serve_before(f'to = "gemini://{server.place}"')
    with front.tls() as tls:
        tls.sendall(b"gemini://localhost/p/\r\n")
        link = accept_request(server, tmp_path)
        link.sendall(b"20 text/gemini\r\n# Half")
        assert tls.recv(1000)
    with contextlib.suppress(OSError):
        while True:
            link.sendall(bytes(65536))


# Several servers, much data, and reloads


def test_one_of_two_is_killed_under_load(serve_behind, serve_before):
    backs = [serve_behind(name=name) for name in ("back", "other")]
    keys = ", ".join(f'"{url_of(back)}"' for back in backs)
    front = serve_before(f"to = [{keys}]")
    front.expect("the proxy at localhost/p: ")
    with Load(front.port, "/p/", clients=4) as load:
        load.wait_for_more(40)
        assert not load.failures
        wait_for(lambda: all(back.access for back in backs), "both to have answered, and to say so")
        for pid in (backs[0].process.pid, *backs[0].workers):
            os.kill(pid, signal.SIGKILL)
        backs[0].process.wait()
        lost = len(load.failures)
        load.failures.clear()
        enough = load.answered + 60
        wait_for(lambda: load.answered >= enough, "the other one to answer", 60)
    assert lost + len(load.failures) <= 4  # those that were in flight
    assert set(load.answers) == {b"20 text/gemini\r\n# Behind\n"}


def peak_of(pid):
    """The most that a process has had in memory, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


def test_memory_is_flat(front, tmp_path):
    size = 96 << 20
    with (tmp_path / "back" / "huge.bin").open("wb") as file:
        file.truncate(size)
    for _ in range(4):
        assert ask(front, "/p/big.bin").complete
    before = max(map(peak_of, front.workers))
    with front.tls() as tls:
        tls.sendall(b"gemini://localhost/p/huge.bin\r\n")
        got = 0
        while data := tls.recv(1 << 20):
            got += len(data)
    assert got > size
    assert max(map(peak_of, front.workers)) - before < 8 << 20


def test_a_reload_lets_an_answer_go_on(serve_behind, serve_before, tmp_path):
    backs = [serve_behind(name=name) for name in ("back", "other")]
    front = serve_before(f'to = "{url_of(backs[0])}"')
    with front.tls() as tls:
        tls.sendall(b"gemini://localhost/p/big.bin\r\n")
        assert tls.recv(100).startswith(b"20 ")
        edit(tmp_path / "front.conf", url_of(backs[0]), url_of(backs[1]))
        front.reload()
        wait_for(lambda: ask(front).complete and backs[1].access, "the other one to be asked")
        answer = read_answer(tls)
    assert answer.complete
    assert answer.raw.endswith(BIG[-1000:])
    assert len(known_servers(front)) == 2
