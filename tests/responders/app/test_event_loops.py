"""asyncio in a thread of an application's: its loop, whatever has become of the one before."""

import asyncio
import subprocess
import sys
import threading

import pytest

from gemd.responders.app.contract import AppError
from gemd.responders.app.event_loops import prepare_event_loop, wait_in_event_loop


@pytest.fixture
def in_thread():
    """Run something in a thread of its own, and have what it returns."""

    def run(function):
        found = []
        thread = threading.Thread(target=lambda: found.append(function()))
        thread.start()
        thread.join(15)
        return found[0]

    return run


async def answer():
    await asyncio.sleep(0)
    return 42


def ignore(_outcome):
    raise AssertionError("the outcome was returned")


def test_a_thread_has_a_loop(in_thread):
    def run():
        prepare_event_loop()
        return asyncio.get_event_loop().run_until_complete(answer())

    assert in_thread(run) == 42


def test_it_stays_the_same(in_thread):
    def run():
        loops = []
        for _ in range(2):
            prepare_event_loop()
            loops.append(asyncio.get_event_loop())
        return loops

    first, second = in_thread(run)
    assert first is second
    first.close()


@pytest.mark.parametrize("spoil", [lambda: asyncio.run(answer()), lambda: asyncio.get_event_loop().close()])
def test_there_is_one_after_others_have_taken_it_away(in_thread, spoil):
    def run():
        prepare_event_loop()
        spoil()
        prepare_event_loop()
        return asyncio.get_event_loop().run_until_complete(answer())

    assert in_thread(run) == 42


def test_what_is_awaited_comes_back(in_thread):
    assert in_thread(lambda: wait_in_event_loop(answer(), ignore)) == (42, None)


class Awaitable:
    def __await__(self):
        yield
        return "done"


def test_whatever_can_be_awaited_is(in_thread):
    assert in_thread(lambda: wait_in_event_loop(Awaitable(), ignore)) == ("done", None)


def test_what_it_raises_is_raised(in_thread):
    async def fail():
        raise ValueError("no")

    def run():
        with pytest.raises(ValueError, match="no") as caught:
            wait_in_event_loop(fail(), ignore)
        return str(caught.value)

    assert in_thread(run) == "no"


class Deferred:
    """Twisted's."""

    def addCallbacks(self, *_):  # noqa: N802
        """Have something done when it has come."""

    def __await__(self):
        yield


def test_a_deferred_needs_a_reactor():
    with pytest.raises(AppError, match="app-process = true"):
        wait_in_event_loop(Deferred(), ignore)


def test_who_does_not_know_asyncio_does_not_pay_for_it():
    code = (
        "import sys; from gemd.responders.app.event_loops import prepare_event_loop; prepare_event_loop(); "
        "sys.exit('asyncio' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_the_end_of_the_interpreter_is_no_error():
    code = (
        "import asyncio, os, sys; from gemd.responders.app import event_loops; event_loops.prepare_event_loop(); "
        "sys.kept = list(sys.modules.values()); os.kept = event_loops._threads.own"  # which is cleared after asyncio
    )
    result = subprocess.run([sys.executable, "-c", code], check=False, timeout=60, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
