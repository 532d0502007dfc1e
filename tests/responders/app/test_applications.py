"""The responder for applications: which one is asked, in which threads, with what environ."""

import sys
import textwrap
import threading
import time
from threading import Thread
from types import SimpleNamespace

import pytest

from gemd.protocol.errors import Overloaded
from gemd.responders.app.load import AppLoadError
from gemd.responders.router import Router
from tests.responders.asking import request, settle
from tests.responders.conftest import MIME_TABLE
from tests.support.pump import Pump


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a module of an application; what the test imports is forgotten after it."""
    before, path = set(sys.modules), list(sys.path)
    monkeypatch.setattr("os.environ", {})

    def write(name, text):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
        return str(file.parent)

    yield write
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


ECHO = """
import os, threading
THREAD = threading.current_thread()
def app(environ, send_status):
    send_status(20, "text/plain")
    return [environ["GEMINI_URL"], " ", str(threading.current_thread() is THREAD), " ", os.environ.get("X", "")]
def factory(word="none", how_often=1):
    def made(environ, send_status):
        send_status(20, "text/plain")
        return [word] * how_often
    return made
class Holder:
    inner = app
not_callable = 1
"""


@pytest.fixture
def applications(configure):
    """The applications of a configuration, opened as in a worker."""
    opened = []

    def open_them(**keys):
        config = configure(**keys)
        found = Router(config, MIME_TABLE, None).applications
        found.preload()
        found.open(SimpleNamespace(begin=lambda _: None, end=lambda _: None))
        opened.append(found)
        return found, config.hosts[0].locations

    return open_them


def ask(applications, location, url="/x", asker=None):
    """Status and body of an answer."""
    answer = settle(lambda: applications(request(url, asker), location))
    return answer.status, answer.body.decode()


def begin(call, client="192.0.2.1"):
    """Have it begin, as the event loop does; what it is woken for is of no interest."""
    call.begin(SimpleNamespace(client=client, wake=lambda: None))
    return call


def test_it_runs_in_the_thread_that_has_loaded_it(applications, write):
    found, (location,) = applications(app="one:app", app_path=write("a/one.py", ECHO), app_env={"X": "y"})
    assert ask(found, location) == (20, "gemini://h/x True y")


def test_a_preloaded_one_does_not(applications, write):
    found, (location,) = applications(app="two:app", app_path=write("a/two.py", ECHO), preload=True)
    assert ask(found, location) == (20, "gemini://h/x False ")


def test_a_factory_with_options_and_a_name_with_dots(applications, write):
    path = write("a/three.py", ECHO)
    found, (location,) = applications(app="three:factory()", app_path=path, app_options={"word": "hi", "how-often": 2})
    assert ask(found, location) == (20, "hihi")
    found, (location,) = applications(app="three:Holder.inner", app_path=path)
    assert ask(found, location)[0] == 20


def test_the_same_threads_for_all_locations_of_an_application(applications, write):
    path = write("a/five.py", ECHO)
    found, _ = applications(
        app="five:app", app_path=path, location=[{"path": "/a"}, {"path": "/b", "app": "five:factory()"}]
    )
    assert len(found._threads) == 2


def test_its_environment_is_that_of_all_its_locations(applications, write):
    app = {"app": "eleven:app", "app-path": write("a/eleven.py", ECHO)}
    locations = [{"path": "/a", **app}, {"path": "/b", **app, "app-env": {"X": "y"}}]
    found, (_, first, _) = applications(location=locations)
    assert ask(found, first) == (20, "gemini://h/x True y")


@pytest.mark.parametrize(
    ("app", "text"),
    [
        ("nowhere:app", "there is no module nowhere in {path}, nor installed"),
        ("half_a_dozen:nothing", "half_a_dozen has no nothing"),
        ("half_a_dozen:not_callable", "it can't be called: it is an int"),
        ("half_a_dozen:not_callable()", "not_callable can't be called: it is an int"),
        ("half_a_dozen.sub:app", "there is no module half_a_dozen.sub in {path}, nor installed"),
        ("broken:app", "ZeroDivisionError: division by zero"),
        ("leaves:app", "it ends the process (SystemExit: 3)"),
    ],
)
def test_what_can_not_be_loaded(applications, write, app, text):
    path = write("a/half_a_dozen.py", ECHO)
    write("a/broken.py", "1 / 0")
    write("a/leaves.py", "raise SystemExit(3)")
    with pytest.raises(AppLoadError) as error:
        applications(app=app, app_path=path)
    assert str(error.value) == f"h: app: the application {app} can't be loaded: {text.replace('{path}', path)}"
    own = [line for line in error.value.trace() if "File " in line]
    expected = [f'  File "{path}/{module}.py", line 1, in <module>' for module in ("broken", "leaves") if module in app]
    assert own == expected


def test_the_key_path_of_a_location(applications, write):
    with pytest.raises(AppLoadError, match=r"^h/a: app: "):
        applications(location=[{"path": "/a", "app": "nowhere:app"}])


def test_two_modules_of_one_name_are_refused(applications, write):
    one, other = write("one/same.py", ECHO), write("other/same.py", ECHO)
    with pytest.raises(AppLoadError, match="give one of them a process of its own"):
        applications(app="same:app", app_path=one, location=[{"path": "/b", "app": "same:app", "app-path": other}])


def test_a_preloaded_application_is_read_anew(configure, write):
    path = write("a/eight.py", "from eight_part import TEXT\ndef app(e, s): pass")
    write("a/eight_part.py", "TEXT = 1")

    def preload():
        found = Router(configure(app="eight:app", app_path=path, preload=True), MIME_TABLE, None).applications
        found.preload()

    preload()
    assert sys.modules["eight"].TEXT == 1
    write("a/eight_part.py", "TEXT = 22")
    preload()
    assert sys.modules["eight"].TEXT == 22
    write("a/eight_part.py", "TEXT = 333 / 0")
    with pytest.raises(AppLoadError):
        preload()
    assert sys.modules["eight"].TEXT == 22  # what serves on has its modules


SLOW = """
import threading, time
GATE = threading.Event()
INSIDE = []
def app(environ, send_status):
    INSIDE.append(threading.get_ident())
    GATE.wait(30)
    send_status(20, "text/plain")
    return "done"
"""


@pytest.mark.parametrize("threads", [1, 3])
def test_so_many_threads_at_once(applications, write, threads):
    found, (location,) = applications(app="slow:app", app_path=write("a/slow.py", SLOW), app_threads=threads)
    slow = sys.modules["slow"]
    calls = [found(request("/x"), location) for _ in range(4)]
    for nr, call in enumerate(calls):
        begin(call, f"192.0.2.{nr}")
    end = time.monotonic() + 15
    while len(slow.INSIDE) < threads and time.monotonic() < end:
        time.sleep(0.001)
    assert calls[0].threads.is_awaited()
    assert len(slow.INSIDE) == threads
    slow.GATE.set()
    while not all(call.is_over for call in calls) and time.monotonic() < end:
        time.sleep(0.001)
    assert [call.settle().body for call in calls] == [b"done"] * 4
    assert len(set(slow.INSIDE)) <= threads
    found.wait(15)
    assert not calls[0].threads.is_busy


def test_threads_that_do_not_come_back(applications, write, monkeypatch):
    found, (location,) = applications(app="slow:app", app_path=write("a/slow.py", SLOW), app_threads=2)
    slow = sys.modules["slow"]
    calls = [found(request("/x"), location) for _ in range(2)]
    threads = calls[0].threads
    for nr, call in enumerate(calls, 1):
        begin(call, f"192.0.2.{nr}")
        end = time.monotonic() + 15
        while len(slow.INSIDE) < nr and time.monotonic() < end:
            time.sleep(0.001)
        assert not found.are_stuck
    calls[0].deadline -= 1000
    assert (found.are_stuck, threads.is_blocked, threads.has_place("192.0.2.77")) == (True, False, True)
    calls[1].deadline -= 1000
    assert (found.are_stuck, threads.is_blocked, threads.has_place("192.0.2.77")) == (True, True, False)
    with pytest.raises(Overloaded):
        found(request("/x"), location)
    slow.GATE.set()
    found.wait(15)
    assert not found.are_stuck


def test_a_queue_has_an_end(applications, write, monkeypatch):
    monkeypatch.setattr("gemd.responders.app.threads._MAX_WAITING", 2)
    found, (location,) = applications(app="slow:app", app_path=write("a/slow.py", SLOW))
    slow = sys.modules["slow"]
    for nr in range(3):
        begin(found(request("/x"), location), f"192.0.2.{nr + 10}")
        end = time.monotonic() + 15
        while not (nr or slow.INSIDE) and time.monotonic() < end:
            time.sleep(0.001)
    with pytest.raises(Overloaded):
        found(request("/x"), location)
    slow.GATE.set()
    found.wait(15)


STREAM = """
def app(environ, send_status):
    send_status(20, "text/plain")
    for number in range(300):
        yield f"{number:04}" * 250
"""


@pytest.mark.parametrize("threads", [1, 3])
def test_streams_that_take_turns_lose_nothing(applications, write, threads, monkeypatch):
    """Each gives way whenever it may, and is far ahead of its client all the time."""
    monkeypatch.setattr("gemd.responders.app.running._TURN_TIME", 0.0)
    found, (location,) = applications(app="stream:app", app_path=write("a/stream.py", STREAM), app_threads=threads)
    whole = "".join(f"{number:04}" * 250 for number in range(300))
    answers = []
    asking = [Thread(target=lambda: answers.append(ask(found, location))) for _ in range(6)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(30)
    assert answers == [(20, whole)] * 6
    found.wait(15)
    assert not any(one.is_busy for one in found._threads.values())


def test_a_call_that_is_closed_lets_its_thread_go(applications, write):
    found, (location,) = applications(app="stream:app", app_path=write("a/stream.py", STREAM))
    with Pump() as pump:
        call = found(request("/x"), location)
        assert pump.settle(call).body is call
        call.close()
        found.wait(15)
        assert call.is_over
    assert ask(found, location)[0] == 20


def test_an_encoded_slash_stays_what_it_is_for_who_answers(applications, write):
    found, (location,) = applications(app="nine:app", app_path=write("a/nine.py", ECHO))
    assert ask(found, location, "/a%2Fb") == (20, "gemini://h/a%2Fb True ")


def test_what_comes_last_is_done_once_for_all_of_them(applications, write):
    done = []
    none, _ = applications(root="/")
    assert none.run_last(lambda: done.append("nobody's"), 15.0)
    path = write("a/last.py", ECHO)
    both, _ = applications(app="last:app", app_path=path, location=[{"path": "/b", "app": "last:factory()"}])
    assert both.run_last(lambda: done.append(threading.current_thread().name.partition("_")[0]), 15.0)
    assert done == ["last:app"]
