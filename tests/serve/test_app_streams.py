"""Answers of applications that take their time, or never end."""

from .applications import serve_app, write  # noqa: F401, some are fixtures
from .conftest import is_alive, read_answer, wait_for


def test_a_stream_comes_as_it_is_made(serve_app):
    daemon = serve_app(keys="app-threads = 2\n")
    answer = daemon.ask("/ticks")
    assert answer.text == "".join(f"tick {number}\n" for number in range(4))
    assert answer.complete
    # On a loaded machine pieces come late, never early; the first must not wait for the others.
    assert len(answer.times) >= 3
    assert answer.times[-1] - answer.times[0] > 0.6


def test_a_stream_does_not_keep_others_waiting_for_its_end(serve_app):
    daemon = serve_app(workers=1)
    with daemon.tls() as tls:
        tls.sendall(daemon.url("/endless").encode() + b"\r\n")
        assert tls.recv(100)
        for _ in range(3):
            assert daemon.ask("/").text == "ok"
        assert tls.recv(100)


def test_an_endless_stream_ends_with_its_client(serve_app, tmp_path):
    daemon = serve_app()
    with daemon.tls() as tls:
        tls.sendall(daemon.url("/endless").encode() + b"\r\n")
        assert tls.recv(100)
    wait_for((tmp_path / "trace").exists, "the application to clean up")


def test_the_end_of_the_service_ends_endless_streams(serve_app, tmp_path):
    daemon = serve_app(more="[timeouts]\nstop = 3\n")
    with daemon.tls() as tls:
        tls.sendall(daemon.url("/endless").encode() + b"\r\n")
        assert tls.recv(100)
        assert daemon.stop() == 0
        assert not read_answer(tls).complete
    assert (tmp_path / "trace").read_text() == "closed\n"
    assert "killing" not in daemon.errors


def test_a_reload_ends_endless_streams_of_the_old_workers(serve_app, tmp_path):
    daemon = serve_app(more="[timeouts]\nstop = 2\n")
    old = daemon.workers
    with daemon.tls() as tls:
        tls.sendall(daemon.url("/endless").encode() + b"\r\n")
        assert tls.recv(100)
        daemon.reload()
        assert not read_answer(tls).complete
    wait_for(lambda: not any(map(is_alive, old)), "the old workers to leave")


def test_what_does_not_come_back_costs_its_worker(serve_app):
    daemon = serve_app(more="[timeouts]\napp = 0.5\nstop = 2\n")
    daemon.expect(r"did not answer in time \(timeouts.app\)")
    first = daemon.workers
    answer = daemon.ask("/hang")
    assert answer.header == "42 The application took too long"
    wait_for(lambda: "does not come back; another follows" in daemon.errors, "the worker to be recycled")
    wait_for(lambda: len(set(daemon.workers) - set(first)) == 1, "another worker")
    wait_for(lambda: sum(map(is_alive, first)) == 1, "the worker to leave")
    for _ in range(10):
        assert daemon.ask("/").text == "ok"


def test_others_are_served_meanwhile(serve_app):
    daemon = serve_app(workers=1, more="[timeouts]\napp = 1\nstop = 2\n", keys="app-threads = 2\n")
    daemon.expect(r"did not answer in time \(timeouts.app\)")
    with daemon.tls() as tls:
        tls.sendall(daemon.url("/hang").encode() + b"\r\n")
        for _ in range(10):
            assert daemon.ask("/").text == "ok"
        assert read_answer(tls).status == 42
