"""Script hosts as the master keeps them: started, heard, asked for a sign of life, and let go. None is forked."""

import contextlib
import errno
import itertools
import math
import socket

import msgspec
import pytest

from gemd.master.host_processes import HostProcesses
from gemd.shared.host_process import CHANGED, END, FIGURES, LEAVE, READY, SIGN

from .scripted import make_generation


class ScriptedChild:
    """A host, and what it says."""

    def __init__(self, pid):
        self.pid = pid
        self.code = None
        self.channel, self.its = socket.socketpair()
        self.channel.setblocking(False)
        self.its.setblocking(False)
        self.kills = 0

    def hang_up(self):
        self.channel.close()

    def tell(self, text):
        with contextlib.suppress(OSError):
            self.channel.send(text)

    def kill(self):
        self.kills += 1
        self.hang_up()

    def say(self, text):
        self.its.send(text)

    def hear(self):
        try:
            return self.its.recv(100)
        except BlockingIOError:
            return b""

    def end(self, code):
        self.code = code
        self.its.close()


class ScriptedHost:
    title, served, is_needed = "the script host of alice", None, False


class Story:
    """A master with one generation that has a host, and what becomes of that. `step` is a step of the master's."""

    def __init__(self):
        self.now = 100.0
        self.children = []
        self.sweeps = []
        self.error = None
        host = ScriptedHost()
        timeouts = {"worker": 30}
        self.generation = msgspec.structs.replace(make_generation(1, timeouts=timeouts), hosts=(host,))
        self.hosts = HostProcesses(self)
        self.wanted = [self.generation]

    def spawn_host(self, generation, served, program):
        assert generation is self.generation
        if self.error is not None:
            raise self.error
        self.children.append(ScriptedChild(1000 + len(self.children)))
        return self.children[-1]

    def kill_orphans(self, keep):
        self.sweeps.append(list(keep))

    def step(self, seconds=0.0):
        """One step after so many seconds; the host that is there."""
        self.now += seconds
        self.hosts.step(self.wanted, [7, 8], self.now)
        return self.children[-1] if self.children else None


@pytest.fixture
def story():
    story = Story()
    yield story
    for child in story.children:
        child.channel.close()
        child.its.close()


def test_one_is_started_and_kept(story):
    for _ in range(5):
        story.step(1)
    assert len(story.children) == 1


def test_one_that_has_served_a_while_is_replaced_at_once(story, caplog):
    story.step().say(READY + b"\n")
    story.step(1)
    story.children[0].end(-9)
    story.step(1)
    assert len(story.children) == 2
    assert caplog.messages == ["the script host of alice (pid 1000) was killed by SIGKILL"]
    assert story.sweeps == [[7, 8]]  # its scripts are left, and workers are none of them


def test_one_that_dies_young_is_replaced_soon(story):
    for _ in range(20):
        story.step().say(READY + b"\n")
        story.step(0.1)
        story.children[-1].end(-9)
        number = len(story.children)
        story.step()
        assert len(story.children) == number
        story.step(0.5)
        assert len(story.children) == number + 1


def test_one_that_never_serves_is_tried_ever_more_seldom(story):
    starts = []
    for _ in range(4000):
        number = len(story.children)
        child = story.step(0.1)
        if len(story.children) > number:
            starts.append(story.now)
            child.end(5)
    waits = [after - before for before, after in itertools.pairwise(starts)]
    assert waits[:4] == pytest.approx([0.5, 1, 2, 4], abs=0.21)
    assert waits[-1] == pytest.approx(30, abs=0.21)


def test_when_the_next_one_is_started_is_known(story):
    story.step().say(READY + b"\n")
    assert story.hosts.start_at == math.inf
    story.step(0.1)
    story.children[0].end(-9)
    story.step(0.1)
    assert story.hosts.start_at == pytest.approx(story.now + 0.5)
    story.step(0.5)
    assert (len(story.children), story.hosts.start_at) == (2, math.inf)


def test_one_that_can_t_be_forked_is_tried_again(story, caplog):
    story.error = OSError(errno.EAGAIN, "Resource temporarily unavailable")
    story.step()
    story.error = None
    assert story.step(0.1) is None
    assert story.step(0.5) is not None
    assert caplog.messages == ["can't fork the script host of alice: Resource temporarily unavailable"]


def test_what_goes_wrong_is_logged(story, caplog):
    story.step().say(b"can't become ali")
    story.step(0.1)
    story.children[0].say(b"ce\nand more\x1b[1m\n")
    story.children[0].end(5)
    story.step(0.1)
    assert caplog.messages[:2] == [
        "the script host of alice: can't become alice",
        "the script host of alice: and more\x1b[1m",  # which the log escapes
    ]


def test_one_that_says_much_fills_no_memory(story):
    story.step()
    for _ in range(20):
        story.children[0].say(b"x" * 4000)
        story.step(0.1)
    ((_, _, run),) = story.hosts.all()
    assert len(run._received) <= 20_000


def test_one_that_never_stops_talking_holds_up_nobody(story):
    class Talker:
        pieces = 0

        def fileno(self):
            return 7

        def recv(self, size):
            self.pieces += 1
            assert self.pieces < 1000
            return b"x" * size

        def send(self, *_):
            pass

        def close(self):
            pass

    child = story.step()
    child.channel.close()
    child.channel = Talker()
    story.step()
    assert child.channel.pieces


def test_one_that_gives_a_sign_of_life_is_left_alone(story):
    story.step().say(READY + b"\n")
    asked = 0
    for _ in range(200):
        child = story.step(1)
        if child.hear():
            asked += 1
            child.say(SIGN)
    assert (len(story.children), story.children[0].kills) == (1, 0)
    assert 15 <= asked <= 21


def test_one_that_gives_none_is_killed_and_replaced(story, caplog):
    story.step().say(READY + b"\n")
    for _ in range(60):
        story.step(1)
    assert story.children[0].kills == 1
    assert caplog.messages == ["killing the script host of alice (pid 1000): no sign of life for 30 s"]
    story.children[0].end(-9)
    story.step(1)
    assert len(story.children) == 2


def test_a_master_that_was_stopped_kills_nobody(story):
    story.step().say(READY + b"\n")
    story.step(11)
    assert story.children[0].hear() == SIGN
    story.children[0].say(SIGN)
    story.step(1000)
    assert story.children[0].kills == 0


def test_that_of_a_former_generation_is_replaced_by_nobody(story):
    child = story.step()
    story.wanted = []
    story.step(1)
    assert child.channel.fileno() >= 0  # and looked after while it has workers
    child.end(0)
    story.step(1)
    assert (len(story.children), story.hosts._keepers) == (1, {})


# Processes that nobody serves without


class AppHost:
    title, served, is_needed = "the application m:app", None, True


@pytest.fixture
def app(story):
    """A story of a process that has to be ready before anybody serves."""
    timeouts = {"worker": 30, "start": 20, "app": 60, "stop": 10}
    story.generation = msgspec.structs.replace(make_generation(1, timeouts=timeouts), hosts=(AppHost(),))
    story.wanted = [story.generation]
    return story


def test_one_that_is_needed_is_awaited(app):
    assert app.hosts.find_unready(app.generation) == "the application m:app"
    child = app.step()
    assert app.hosts.find_unready(app.generation) == "the application m:app"
    child.say(READY + b"\n")
    app.step()
    assert (app.hosts.find_unready(app.generation), app.hosts.find_failure(app.generation)) == (None, None)
    child.end(-9)  # workers serve, and the next one is on its way
    app.step()
    assert app.hosts.find_unready(app.generation) is None


def test_one_that_ends_before_it_is_ready_is_a_failure(app):
    app.step().end(8)
    app.step()
    assert app.hosts.find_failure(app.generation) == "the application m:app ended with exit code 8"
    app.step(1).say(READY + b"\n")
    app.step()
    assert app.hosts.find_failure(app.generation) is None


def test_one_that_is_not_ready_in_time_is_killed(app, caplog):
    child = app.step()
    for _ in range(25):
        app.step(1)
        if not child.kills:
            child.say(SIGN)
    assert child.kills == 1
    reason = "it was not loaded within 20 s (timeouts.start)"
    assert caplog.messages == [f"killing the application m:app (pid 1000): {reason}"]


def test_one_that_wants_to_leave_goes_when_another_is_ready(app, caplog):
    caplog.set_level("INFO", "gemd")
    first = app.step()
    first.say(READY + b"\n" + LEAVE + b"has answered 9 requests\n")
    second = app.step()
    assert second is not first
    assert caplog.messages == ["the application m:app (pid 1000) has answered 9 requests; another follows"]
    for _ in range(3):
        app.step(0.1)
    assert (len(app.children), first.hear()) == (2, b"")
    second.say(READY + b"\n")
    app.step()
    assert first.hear() == END
    assert [run.state for _, _, run in app.hosts.all()] == ["draining", "serving"]
    app.step(1)
    assert first.hear() == b""
    first.end(0)
    app.step()
    assert [run.pid for _, _, run in app.hosts.all()] == [second.pid]
    assert len(app.children) == 2


def test_one_that_does_not_go_is_killed(app, caplog):
    first = app.step()
    first.say(READY + b"\n" + LEAVE + b"is stuck\n")
    second = app.step()
    second.say(READY + b"\n")
    for _ in range(100):
        app.step(1)
        for child in (first, second):
            child.hear()
            if child.channel.fileno() >= 0:
                child.say(SIGN)
    assert (first.kills, second.kills) == (1, 0)
    assert "killing the application m:app (pid 1000): it has not ended" in caplog.messages


def test_one_that_is_killed_while_it_is_to_leave_is_no_loss(app):
    first = app.step()
    first.say(READY + b"\n" + LEAVE + b"is stuck\n")
    second = app.step()
    first.end(-9)
    app.step()
    second.say(READY + b"\n")
    app.step()
    assert [run.pid for _, _, run in app.hosts.all()] == [second.pid]
    assert len(app.children) == 2


def test_that_a_file_has_changed_is_told_once(app):
    service = msgspec.structs.replace(app.generation.config.service, auto_reload=True)
    config = msgspec.structs.replace(app.generation.config, service=service)
    app.generation = msgspec.structs.replace(app.generation, config=config)
    app.wanted = [app.generation]
    app.step().say(READY + b"\n" + CHANGED + b"\n" + CHANGED + b"\n")
    app.step()
    assert app.hosts.take_change()
    assert not app.hosts.take_change()


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        (b'{"requests": 7, "memory": 1}', {"requests": 7, "memory": 1}),
        (b'{"requests": 7, "x": "y", "z": true, "f": 1.5}', {"requests": 7}),
        (b"[1, 2]", {}),
        (b"{", {}),
        (b"[" * 15_000, {}),
    ],
)
def test_figures_are_numbers_or_nothing(app, text, figures):
    child = app.step()
    child.its.settimeout(5)
    child.say(FIGURES + text + b"\n")
    app.step()
    ((_, generation, run),) = app.hosts.all()
    assert run.figures == figures
    assert (generation, run.state) == (app.generation, "starting")


def test_one_that_ends_though_nobody_told_it_to_is_told_of(app, caplog):
    app.step().say(READY + b"\n")
    app.step()
    app.children[0].end(0)
    app.step()
    assert caplog.messages == ["the application m:app (pid 1000) has ended, though nobody told it to"]


def test_one_that_nobody_wants_any_more_may_end(app, caplog):
    app.step().say(READY + b"\n")
    app.step()
    app.wanted = []
    app.children[0].end(0)
    app.step()
    assert caplog.messages == []


def test_changes_that_nobody_has_asked_for_are_none(app):
    app.step().say(READY + b"\n" + CHANGED + b"\n")
    app.step()
    assert not app.hosts.take_change()


def test_one_that_wants_to_leave_is_heard_once(app, caplog):
    caplog.set_level("INFO", "gemd")
    app.step().say(READY + b"\n" + (LEAVE + b"is stuck\n") * 9)
    app.step()
    assert len(caplog.messages) == 1
