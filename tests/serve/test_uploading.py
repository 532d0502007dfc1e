"""Uploads on their way: slow ones, many at once, lies about their size, ends at each point, and a gemd that reloads,
upgrades or stops meanwhile."""

import os
import random
import signal
import socket
import ssl
import struct
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from gemd.protocol.proxy_header import Endpoint
from gemd.protocol.proxy_v2 import encode_v2
from tests.support.tls_client import make_context
from tests.support.waiting import LONGEST, wait_for

from .certificates import make_certificate
from .conftest import read_answer, workers_of
from .listeners import connect, place_of, read_all
from .succession import SERVICE, Succession, descriptors, tell, wait_for_descriptors

BODY = random.Random(16).randbytes(3 << 20)
TEXT = """
workers = %d
control = "{tmp}/control.sock"
%s
[[host]]
name = "localhost"
root = "{root}"
  [[host.location]]
  path = "/wiki/"
  titan = { public = true, types = ["*/*"], max-size = 20000000 }
"""


@pytest.fixture
def wiki(capsule):
    """Where uploads go to."""
    (capsule / "wiki").mkdir()
    return capsule / "wiki"


@pytest.fixture
def serve_wiki(configure, wiki):
    def serve_wiki(keys="", workers=1, text=TEXT):
        return configure(text % (workers, keys))

    return serve_wiki


def line_of(daemon, name, size):
    return f"titan://localhost:{daemon.port}/wiki/{name};size={size};mime=application/octet-stream\r\n".encode()


def begin(daemon, name, size, first=b"", **options):
    """A client that has sent its request and so much of its upload."""
    tls = daemon.tls(**options)
    tls.sendall(line_of(daemon, name, size) + first)
    return tls


def answer_of(tls):
    with tls:
        return read_answer(tls)


def status_of(tmp_path):
    return tell(tmp_path / "control.sock", "status")["status"]


def wait_for_uploads(tmp_path, number):
    wait_for(lambda: status_of(tmp_path)["uploading"] == number, f"{number} to be uploading")


def reset(tls):
    tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    socket.socket(fileno=tls.detach()).close()


def is_refused(daemon):
    try:
        daemon.connect().close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("piece", [len(BODY), 100_001, 1 << 14], ids=["whole", "odd pieces", "records"])
def test_an_upload_is_stored_as_it_was_sent(serve_wiki, wiki, version, piece):
    daemon = serve_wiki()
    tls = begin(daemon, "a.bin", len(BODY), maximum_version=version, minimum_version=version)
    for start in range(0, len(BODY), piece):
        tls.sendall(BODY[start : start + piece])
    answer = answer_of(tls)
    assert (answer.status, answer.meta) == (30, daemon.url("/wiki/a.bin"))
    assert answer.complete
    assert (wiki / "a.bin").read_bytes() == BODY


def test_it_is_counted_while_it_comes_and_as_what_has_come(serve_wiki, tmp_path):
    daemon = serve_wiki()
    tls = begin(daemon, "a.bin", 5, b"01")
    wait_for_uploads(tmp_path, 1)
    tls.sendall(b"234")
    assert answer_of(tls).status == 30
    wait_for(lambda: status_of(tmp_path)["received"] == 5, "what has come")
    assert status_of(tmp_path)["uploading"] == 0


@pytest.mark.parametrize("place", ["127.0.0.2", "{tmp}/plain.sock"])
def test_without_tls_it_is_the_same(configure, wiki, tmp_path, place):
    listen = 'listen = ["127.0.0.1:0", { address = "%s", tls = false }, { address = "unix:%s", tls = false }]'
    keys = "\n" + listen % ("127.0.0.2:0", tmp_path / "plain.sock")
    daemon = configure(TEXT % (1, keys))
    place = place_of(daemon, place) if place[0] != "{" else place.replace("{tmp}", str(tmp_path))
    with connect(place) as sock:
        sock.sendall(b"titan://localhost/wiki/a.bin;size=%d;mime=application/octet-stream\r\n" % len(BODY) + BODY)
        assert read_all(sock).status == 30
    assert (wiki / "a.bin").read_bytes() == BODY
    with connect(place) as sock:
        sock.sendall(b"titan://localhost/wiki/b.bin;size=10;mime=application/octet-stream\r\n012")
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock).meta == "Only 3 of 10 bytes came"
    assert os.listdir(wiki) == ["a.bin"]


@pytest.mark.parametrize("tls", ["true", "false"])
def test_behind_a_proxy_it_is_the_client_s_and_counts_for_that_one(configure, wiki, tls):
    """The share is that of one upload, so that a second one of the same client has no room."""
    entry = f'address = "127.0.0.2:0", proxy-protocol = true, tls = {tls}'
    keys = f'\nlisten = ["127.0.0.1:0", {{ {entry} }}]\n[limits]\nuploads-per-address = 20000000'
    read = read_answer if tls == "true" else read_all
    place = place_of(configure(TEXT % (1, keys)), "127.0.0.2")

    def begin_as(number):
        sock = connect(place)
        sock.sendall(encode_v2(Endpoint(f"192.0.2.{number}", 4000), Endpoint("198.51.100.1", 1965)))
        if tls == "true":
            sock = make_context().wrap_socket(sock, server_hostname="localhost", suppress_ragged_eofs=False)
        line = b"titan://localhost/wiki/%d.bin;size=15000000;mime=application/octet-stream\r\n" % number
        sock.sendall(line + BODY)
        return sock

    with begin_as(1) as first, begin_as(2) as second:
        with begin_as(1) as third:
            assert read(third).status == 41
        for sock in (first, second):
            sock.sendall(bytes(15_000_000 - len(BODY)))
            assert read(sock).status == 30
    assert [path.stat().st_size for path in wiki.iterdir()] == [15_000_000] * 2


def test_a_certificate_that_a_thread_judges_lets_its_upload_through(configure, wiki, tmp_path):
    """What comes meanwhile waits in the kernel."""
    authority = make_certificate(tmp_path / "authority.pem", "an authority", ca=True)
    make_certificate(tmp_path / "ada.pem", issuer=authority)
    make_certificate(tmp_path / "eve.pem", "Eve")
    daemon = configure(TEXT.replace("public = true", 'allow = { ca = "{tmp}/authority.pem" }') % (1, ""))
    for name, status in (("eve", 61), ("ada", 30)):
        answer = answer_of(begin(daemon, "a.bin", len(BODY), BODY, cert=tmp_path / f"{name}.pem"))
        assert answer.status == status
    assert (wiki / "a.bin").read_bytes() == BODY
    assert answer_of(begin(daemon, "a.bin", 1, b"x")).status == 60


# Lies and ends


def test_what_is_longer_than_it_says_is_refused(serve_wiki, wiki):
    answer = answer_of(begin(serve_wiki(), "a.bin", 5, b"012345"))
    assert (answer.status, answer.meta) == (59, "More than 5 bytes came")
    assert answer.complete
    assert os.listdir(wiki) == []


def test_what_ends_before_it_should_leaves_the_old_one(serve_wiki, wiki):
    (wiki / "a.bin").write_bytes(b"old")
    daemon = serve_wiki()
    tls = begin(daemon, "a.bin", 1_000_000, BODY[:500_000])
    socket.socket.shutdown(tls, socket.SHUT_WR)  # a FIN, and it goes on reading
    answer = answer_of(tls)
    assert (answer.status, answer.meta) == (59, "Only 500000 of 1000000 bytes came")
    assert (wiki / "a.bin").read_bytes() == b"old"
    wait_for(lambda: os.listdir(wiki) == ["a.bin"], "its part to be gone")


def test_a_reset_at_any_point_leaves_nothing(serve_wiki, wiki, tmp_path):
    daemon = serve_wiki()
    (worker,) = daemon.workers
    before = descriptors(tmp_path / "control.sock")[worker]
    whole = line_of(daemon, "a.bin", 200_000) + BODY[:199_999]
    points = [0, 1, 20, len(whole) - 199_999, len(whole) - 199_990, 16_000, 70_000, 150_000, len(whole)]
    for point in points:
        tls = daemon.tls()
        tls.sendall(whole[:point])
        reset(tls)
    wait_for_uploads(tmp_path, 0)
    wait_for(lambda: os.listdir(wiki) == [], "all parts to be gone")
    right = lambda counts: counts[worker] <= before + 1  # noqa: E731
    wait_for_descriptors(tmp_path / "control.sock", right, "all files to be closed")
    assert answer_of(begin(daemon, "a.bin", 5, b"01234")).status == 30


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ("a.bin;size=20000001;mime=text/plain", "At most 20000000 bytes may be uploaded here"),
        (
            "a.bin;size=10000000;sise=1",
            "An upload has the parameters size, mime, token and edit",
        ),
        ("a b.bin;size=10000000", "The URL has a blank or a control character; percent-encode it"),
    ],
)
def test_a_refusal_reaches_who_writes_all_before_it_reads(serve_wiki, sent, text):
    """A client that knows no better: megabytes are under way when the answer is."""
    daemon = serve_wiki()
    with daemon.tls() as tls:
        tls.sendall(f"titan://localhost:{daemon.port}/wiki/{sent}\r\n".encode() + bytes(10_000_000))
        answer = read_answer(tls)
    assert answer.status == 59
    assert answer.meta.startswith(text)
    assert answer.complete


def test_who_sends_too_slowly_is_told_so(serve_wiki, wiki):
    daemon = serve_wiki("[timeouts]\nresponse = 1.0")
    answer = answer_of(begin(daemon, "a.bin", 10, b"012"))
    assert (answer.status, answer.meta) == (40, "It comes too slowly: only 3 of 10 bytes came")
    assert answer.seconds < LONGEST / 2
    wait_for(lambda: os.listdir(wiki) == [], "its part to be gone")


# Many


def test_many_that_are_half_sent_hurt_nobody(serve_wiki, wiki, tmp_path):
    """A byte now and then of each, and others have pages and uploads meanwhile."""
    daemon = serve_wiki()
    (worker,) = daemon.workers
    before = descriptors(tmp_path / "control.sock")[worker]
    is_over = threading.Event()
    with ExitStack() as stack:
        slow = [stack.enter_context(begin(daemon, f"{nr}.bin", 1000, b"x")) for nr in range(300)]

        def drip():
            while not is_over.wait(0.2):
                for tls in slow:
                    with suppress(OSError):
                        tls.sendall(b"x")

        thread = threading.Thread(target=drip)
        thread.start()
        stack.callback(thread.join)
        stack.callback(is_over.set)
        wait_for_uploads(tmp_path, 300)
        for nr in range(20):
            assert daemon.ask("/").status == 20
            assert answer_of(begin(daemon, f"whole{nr}.bin", 100_000, BODY[:100_000])).status == 30
        assert status_of(tmp_path)["uploading"] == 300
    wait_for_uploads(tmp_path, 0)
    wait_for(lambda: len(os.listdir(wiki)) == 20, "all parts to be gone")
    right = lambda counts: counts[worker] <= before + 1  # noqa: E731
    wait_for_descriptors(tmp_path / "control.sock", right, "all files to be closed")


def test_a_client_announces_no_more_than_its_share(serve_wiki):
    daemon = serve_wiki("[limits]\nuploads-per-address = 20000000\nuploads = 40000000")
    with begin(daemon, "a.bin", 15_000_000), begin(daemon, "b.bin", 5_000_000):
        answer = answer_of(begin(daemon, "c.bin", 1, b"x"))
        assert answer.status == 41
        assert "from your address" in answer.meta
        assert answer_of(begin(daemon, "c.bin", 1, b"x", source="127.0.0.2")).status == 30


# A gemd that changes meanwhile


def test_a_reload_loses_none(serve_wiki, wiki):
    daemon = serve_wiki(workers=2)
    made = [begin(daemon, f"{nr}.bin", len(BODY), BODY[:1_000_000]) for nr in range(6)]
    daemon.reload()
    late = begin(daemon, "late.bin", len(BODY), BODY[:10])
    for tls, start in [*((one, 1_000_000) for one in made), (late, 10)]:
        tls.sendall(BODY[start:])
        assert answer_of(tls).status == 30
    assert {path.read_bytes() for path in wiki.iterdir()} == {BODY}
    assert len(os.listdir(wiki)) == 7


def test_after_a_reload_it_has_all_the_time_that_it_has_anyway(serve_wiki, wiki):
    """As a download has: `timeouts.stop` is for a stop."""
    daemon = serve_wiki("[timeouts]\nstop = 0.5")
    tls = begin(daemon, "a.bin", 5, b"01")
    former = daemon.workers
    daemon.reload()
    wait_for(lambda: daemon.workers not in ([], former), "another worker to serve")
    time.sleep(1.0)  # the pace belongs to the story
    tls.sendall(b"234")
    assert answer_of(tls).status == 30
    wait_for(lambda: not set(former) & set(daemon.workers), "the former one to leave")


def test_an_upgrade_loses_none(configure, wiki, tmp_path):
    text = SERVICE + (TEXT % (2, "")).replace("workers = 2\n", "").replace('control = "{tmp}/control.sock"\n', "")
    daemon = configure(text)
    with Succession(daemon, tmp_path) as service:
        made = [begin(daemon, f"{nr}.bin", len(BODY), BODY[:1_000_000]) for nr in range(4)]
        old, former = service.pid, service.workers
        service.send(signal.SIGUSR2)
        wait_for(lambda: service.pid != old, "another master", LONGEST)
        wait_for(lambda: len(workers_of(service.pid)) == 2, "its workers")
        assert not set(workers_of(service.pid)) & set(former)
        for tls in made:
            tls.sendall(BODY[1_000_000:])
            assert answer_of(tls).status == 30
        service.wait_for_end(old)
    assert {path.read_bytes() for path in wiki.iterdir()} == {BODY}


def test_a_stop_waits_for_those_that_come(serve_wiki, wiki):
    daemon = serve_wiki()
    tls = begin(daemon, "a.bin", len(BODY), BODY[:1_000_000])
    assert daemon.ask("/").complete  # and so that one has begun
    daemon.process.send_signal(signal.SIGTERM)
    wait_for(lambda: is_refused(daemon), "the listeners to be closed")
    tls.sendall(BODY[1_000_000:])
    assert answer_of(tls).status == 30
    assert daemon.process.wait(LONGEST) == 0
    assert (wiki / "a.bin").read_bytes() == BODY


def test_but_not_for_ever_and_it_says_so(serve_wiki, wiki, tmp_path):
    daemon = serve_wiki("[timeouts]\nstop = 3.0")
    tls = begin(daemon, "a.bin", 1000, b"x")
    wait_for_uploads(tmp_path, 1)
    daemon.process.send_signal(signal.SIGTERM)
    answer = answer_of(tls)
    assert (answer.status, answer.meta) == (41, "The server stops, and only 1 of 1000 bytes came")
    assert daemon.process.wait(LONGEST) == 0
    assert os.listdir(wiki) == []


def test_a_worker_that_is_killed_leaves_nothing_half_written(serve_wiki, wiki, tmp_path):
    (wiki / "a.bin").write_bytes(b"old")
    daemon = serve_wiki()
    daemon.expect("ended by signal", "killed")
    (worker,) = daemon.workers
    with begin(daemon, "a.bin", len(BODY), BODY[:1_000_000]):
        wait_for_uploads(tmp_path, 1)
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: daemon.workers not in ([], [worker]), "another worker")
    assert (wiki / "a.bin").read_bytes() == b"old"
    wait_for(lambda: os.listdir(wiki) == ["a.bin"], "its part to be swept away")
    assert answer_of(begin(daemon, "a.bin", 3, b"new")).status == 30
    assert Path(wiki / "a.bin").read_bytes() == b"new"
