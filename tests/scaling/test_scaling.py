"""Two nodes behind HAProxy, as docs/SCALING.md has them."""

import signal
import time

import pytest

from tests.conftest import need_root
from tests.documents.reading import commands_of
from tests.scaling.clients import Clients, ask
from tests.scaling.conftest import DOCUMENT
from tests.scaling.places import FRONT, LINKS, NODE2
from tests.serve.certificates import make_certificate
from tests.support.waiting import wait_for

NODES = ("capsule/node1", "capsule/node2")


def addresses_in(lines):
    """Whose requests an access log has."""
    return {line.split()[0] for line in lines}


def test_one_is_killed_and_started_anew_under_load(site):
    node = site.nodes[0]
    with Clients(site.place) as clients:
        clients.wait_for_more(60)
        gone = node.kill()
        clients.wait_for_more(60)
        site.haproxy.wait_until(NODES[0], "DOWN")
        clients.wait_for_more(30)
        before = site.haproxy.count_sessions(NODES[0])
        node.start()
        site.haproxy.wait_until(NODES[0], "UP")
        wait_for(lambda: site.haproxy.count_sessions(NODES[0]) >= before + 20, "the new one to be used")
    # Those that it was answering are lost, at most one a client, and no other.
    assert [failure for failure in clients.failures if failure.began > gone] == []
    assert len(clients.failures) <= 6
    assert set(clients.bodies) == {b"# A capsule\n"}
    sessions = [site.haproxy.count_sessions(name) for name in NODES]
    assert min(sessions) > 30
    assert sum(sessions) >= clients.answered
    assert len(clients.certificates) == 1
    # The other one has answered each that was handed to it, and knows whose it was.
    wait_for(lambda: len(site.nodes[1].access) == sessions[1], "the access log to be written")
    named = addresses_in(node.access) | addresses_in(site.nodes[1].access)
    assert all(address.startswith(site.place.clients) for address in named)
    assert len(named) > 50


@pytest.mark.slow
def test_a_node_is_taken_out_and_brought_back_without_a_loss(site, need_program):
    need_program("socat")
    haproxy, node = site.haproxy, site.nodes[0]
    drains = [command.text for command in commands_of(DOCUMENT) if " socat " in command.text]
    assert len(drains) == 2

    def change(state):
        for drain in drains:
            assert "state drain" in drain
            assert haproxy.type(drain.replace("state drain", f"state {state}")).strip() == ""

    with Clients(site.place) as clients:
        clients.wait_for_more(30)
        change("drain")
        wait_for(lambda: haproxy.read_statistics(NODES[0])["scur"] == "0", "the node to be idle")
        node.stop()
        clients.wait_for_more(30)
        node.start()
        change("ready")
        haproxy.wait_until(NODES[0], "UP")
        before = haproxy.count_sessions(NODES[0])
        wait_for(lambda: haproxy.count_sessions(NODES[0]) >= before + 20, "the node to be used")
        site.nodes[1].upgrade()
        clients.wait_for_more(60)
    assert clients.failures == []


@pytest.mark.slow
def test_checks_leave_no_line_in_the_logs(site):
    before = [(node.requests, node.errors, node.access) for node in site.nodes]
    wait_for(lambda: all(n.requests >= old[0] + 3 for n, old in zip(site.nodes, before, strict=True)), "three checks")
    assert [(node.errors, node.access) for node in site.nodes] == [old[1:] for old in before]
    assert [node.access for node in site.nodes] == [[], []]


@pytest.mark.slow
def test_a_node_that_hangs_is_taken_out(site):
    site.nodes[1].signal_all(signal.SIGSTOP)
    try:
        site.haproxy.wait_until(NODES[1], "DOWN")
        answer, _ = site.place.run(lambda: ask(site.place))
        assert answer.body == b"# A capsule\n"
    finally:
        site.nodes[1].signal_all(signal.SIGCONT)
    site.haproxy.wait_until(NODES[1], "UP")


@pytest.mark.slow
def test_the_name_in_the_handshake_decides_who_answers(site):
    def visit():
        for client in range(6):
            answer, _ = ask(site.place, host="forum.example.org", client=client)
            assert answer.body == b"# A forum\n"
            assert answer.complete
        with site.place.connect() as sock:
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert sock.recv(100) == b""

    site.place.run(visit)
    assert site.haproxy.count_sessions("forum/node1") == 6
    wait_for(lambda: [len(node.access) for node in site.nodes] == [6, 0], "six lines in one access log")
    assert addresses_in(site.nodes[0].access) == {f"{site.place.clients}{10 + client}" for client in range(6)}


def is_refused(place, client):
    """Whether the front closes another connection of a client."""
    try:
        with place.connect(client) as sock:
            return sock.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.slow
def test_one_client_has_so_many_connections_and_no_more(site):
    def visit():
        crowd = [site.place.connect(client=1) for _ in range(20)]
        try:
            wait_for(lambda: "conn_cur=20" in site.haproxy.ask("show table gemini"), "20 connections to be counted")
            assert is_refused(site.place, 1)
            assert ask(site.place, client=2)[0].body == b"# A capsule\n"
        finally:
            for sock in crowd:
                sock.close()
        wait_for(lambda: "conn_cur=20" not in site.haproxy.ask("show table gemini"), "them to be gone")
        for _ in range(100):
            with site.place.connect(client=3):
                pass
        assert is_refused(site.place, 3)

    site.place.run(visit)


# Of the host that a configuration ends with. What a script says is spoilt by its exit code.
PARTS = """
cgi = "cgi-bin"
cgi-exit-status = "strict"

[[host.location]]
path = "/members/"
client-certificate = "any"
"""
LAST_HOSTS = ("forum.example.org", "example.org")


@pytest.mark.slow
@pytest.mark.parametrize("which", [0, 1], ids=["tls passes through", "tls ends at the front"])
def test_certificates_and_ends_of_answers(start_site, folder, which):
    """Only where TLS passes through is a client's certificate seen, and what broke off never taken for whole."""
    site = start_site(which, which, PARTS)
    site.haproxy.wait_until(("forum/node1", "capsule/node1")[which], "UP")
    make_certificate(folder / "ada.pem", "Ada")

    def visit():
        host = LAST_HOSTS[which]
        answer, _ = ask(site.place, "/members/", host=host, certificate=folder / "ada.pem")
        assert (answer.status, answer.complete) == ((20, 60)[which], True)
        answers = [ask(site.place, "/cgi-bin/half", host=host)[0] for _ in range(5)]
        assert all(b"20 text/plain\r\nthe first half".startswith(answer.raw) for answer in answers)
        # HAProxy 2.6 takes a reset for an end, and sends close_notify.
        assert any(answer.complete for answer in answers) == (which == 1)

    for node in site.nodes:
        node.expect("half")
    site.place.run(visit)


@pytest.mark.slow
@pytest.mark.parametrize("place", [pytest.param("namespaces", marks=need_root)], indirect=True)
def test_a_machine_that_is_gone_without_a_word(site):
    with Clients(site.place) as clients:
        clients.wait_for_more(30)
        site.place.change_network(FRONT, f"link set {LINKS[NODE2]} down")
        gone = time.monotonic()
        site.haproxy.wait_until(NODES[1], "DOWN")
        clients.wait_for_more(60)
        site.place.change_network(FRONT, f"link set {LINKS[NODE2]} up")
        site.haproxy.wait_until(NODES[1], "UP")
    assert [failure for failure in clients.failures if failure.began > gone] == []
    assert len(clients.failures) <= 6


@pytest.mark.slow
def test_tls_may_end_at_the_front(start_site):
    site = start_site(haproxy=1, gemd=1)
    site.haproxy.wait_until(NODES[0], "UP")
    answer, _ = site.place.run(lambda: ask(site.place, client=5))
    assert answer.body == b"# A capsule\n"
    assert answer.complete
    wait_for(lambda: addresses_in(site.nodes[0].access) == {f"{site.place.clients}15"}, "a line with its address")
