"""What applications wait for: time, coroutines, Deferreds."""

import contextlib

import pytest

from tests.support.waiting import wait_for

from .serving import (
    EVERYWHERE,
    IN_THE_WORKERS,
    IN_THEIR_OWN,
    IN_WORKERS,
    WITH_GEMDS_FRAMEWORK,
    name_combination,
    serve_programs,
)

TRIES = 12


@pytest.fixture(scope="module", params=EVERYWHERE, ids=name_combination)
def programs(request, tmp_path_factory):
    pytest.importorskip("twisted")
    folder = tmp_path_factory.mktemp("programs")
    with serve_programs(folder, request.param, "clock", "loops", "coroutines", "deferred", "talk") as programs:
        if programs.way == IN_THE_WORKERS:
            programs.daemon.expect("the application deferred:app failed", "Traceback", "AppError")
        yield programs


only_in_their_own = pytest.mark.parametrize("programs", IN_THEIR_OWN, ids=name_combination, indirect=True)
only_in_workers = pytest.mark.parametrize("programs", IN_WORKERS, ids=name_combination, indirect=True)
only_gemds_framework = pytest.mark.parametrize("programs", WITH_GEMDS_FRAMEWORK, ids=name_combination, indirect=True)


def read_line(tls):
    line = b""
    while not line.endswith(b"\n"):
        byte = tls.recv(1)
        assert byte, line
        line += byte
    return line.decode().rstrip()


def listen(programs, name, path):
    """A connection that has asked."""
    tls = programs.daemon.tls(f"{name}.example")
    tls.sendall(f"gemini://{name}.example:{programs.daemon.port}{path}\r\n".encode())
    assert read_line(tls) == "20 text/plain"
    return tls


def test_pieces_come_when_there_are_any(programs):
    with listen(programs, "clock", "/noon") as tls:
        for number in range(1, 4):
            assert read_line(tls) == str(number)
            (programs.data / f"noon-{number}").touch()
        assert read_line(tls) == "over"
        assert tls.recv(1) == b""


def test_a_loop_for_a_moment(programs):
    assert programs.ask("loops").text == "at import"
    assert set(programs.ask_all("loops", *["/loop"] * TRIES)) == {"by the loop"}
    assert set(programs.ask_all("loops", *["/run"] * TRIES)) == {"by one of its own"}
    assert set(programs.ask_all("loops", *["/loop"] * TRIES)) == {"by the loop"}


@only_gemds_framework
def test_coroutine_functions(programs):
    texts = programs.ask_all("coroutines", *(f"/hello?{number}" for number in range(TRIES)))
    assert texts == [f"hello {number}" for number in range(TRIES)]
    assert set(programs.ask_all("coroutines", *["/numbers"] * TRIES)) == {"0\n1\n2\n"}


@only_in_their_own
def test_deferreds(programs):
    assert set(programs.ask_all("deferred", *["/thread"] * TRIES)) == {"False"}
    assert set(programs.ask_all("deferred", *["/inline"] * TRIES)) == {"by callbacks"}
    assert set(programs.ask_all("deferred", *["/pieces"] * TRIES)) == {"0\n1\n2\nover\n"}


@only_in_workers
def test_in_the_workers_no_reactor_runs_and_deferreds_are_refused(programs):
    for path in ("/thread", "/inline", "/pieces"):
        assert programs.ask("deferred", path).status == 42
    wait_for(lambda: "process of its own: app-process = true" in programs.daemon.errors, "the reason in gemd's log")


@only_in_their_own
def test_a_room_where_lines_come_as_they_are_said(programs):
    """Who says something comes to any worker, who listens to any other."""
    with contextlib.ExitStack() as stack:
        room = {name: stack.enter_context(listen(programs, "talk", f"/listen/{name}")) for name in ("ada", "bob")}
        leaver = stack.enter_context(listen(programs, "talk", "/listen/cy"))
        for name, tls in (*room.items(), ("cy", leaver)):
            assert read_line(tls) == f"welcome, {name}"
        for number in range(TRIES):
            assert programs.ask("talk", f"/say?line{number}").header == "10 Say"
            assert {read_line(tls) for tls in (*room.values(), leaver)} == {f"line{number}"}
        leaver.close()

        def is_noticed():  # by what is sent, since a FIN alone may be of a client that still reads
            programs.ask("talk", "/say?goodbye")
            return programs.ask("talk", "/left").text == "cy"

        wait_for(is_noticed, "the room to notice who has left")
        programs.ask("talk", "/say?goodnight")
        for tls in room.values():
            while (line := read_line(tls)) == "goodbye":
                pass
            assert line == "goodnight"
            assert tls.recv(1) == b""
