"""What comes out of two pipes, and when that is all."""

import os
import signal
import time
from types import SimpleNamespace

import pytest

from gemd.system import script_output
from gemd.system.script_output import ScriptError, ScriptOutput


@pytest.fixture
def script():
    """The writing ends of the pipes, the code of the leader once it has one, and what reads them."""
    (output, its_output), (errors, its_errors) = os.pipe(), os.pipe()
    made = SimpleNamespace(output=its_output, errors=its_errors, code=None)
    made.text = ScriptOutput(output, errors, lambda: made.code)
    yield made
    made.text.close()
    for descriptor in (made.output, made.errors):
        if descriptor is not None:
            os.close(descriptor)


def test_nothing_is_waited_for(script):
    assert script.text.read() is None


def test_what_was_written_is_read_before_the_end(script):
    os.write(script.output, b"one")
    assert script.text.read() == b"one"
    os.write(script.output, b"two")
    script.code = 0
    assert [script.text.read() for _ in range(3)] == [b"two", b"", b""]


def test_what_comes_after_the_leader_s_end_is_of_no_interest(script):
    os.write(script.output, b"its")
    script.code = 0
    first = script.text.read()
    os.write(script.output, b"a grandchild's")
    assert (first, script.text.read()) == (b"its", b"")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (3, "exited with code 3"),
        (-signal.SIGSEGV, "was ended by SIGSEGV"),
        (-signal.SIGRTMIN - 1, f"was ended by signal {signal.SIGRTMIN + 1}"),
    ],
)
def test_another_end_than_code_0_is_an_error_after_the_output(script, code, reason):
    os.write(script.output, b"text")
    script.code = code
    assert script.text.read() == b"text"
    with pytest.raises(ScriptError) as caught:
        script.text.read()
    assert str(caught.value) == reason


def test_one_that_has_closed_its_output_has_a_moment_to_end(script, monkeypatch):
    os.close(script.output)
    script.output = None
    assert script.text.read() is None
    assert script.text.deadline == pytest.approx(time.monotonic() + script_output._EXIT_TIMEOUT, abs=0.5)
    monkeypatch.setattr(script_output, "time", SimpleNamespace(monotonic=lambda: script.text.deadline))
    assert script.text.read() == b""


def test_complaints_are_kept_up_to_64_kib(script):
    for _ in range(3):
        os.write(script.errors, b"x" * 30_000)
        script.text.read()
    assert script.text.stderr == b"x" * 65_536
    assert len(script.text.open) == 2
    os.close(script.errors)
    script.errors = None
    script.text.read_errors()
    assert len(script.text.open) == 1
    script.text.read_errors()  # which was its end


def test_what_comes_when_all_is_over_is_dropped(script):
    """But for complaints; whoever writes on and on is left to the next look."""
    script.code = 0
    assert script.text.read() == b""
    os.set_blocking(script.output, False)
    for _ in range(3):
        while True:
            try:
                os.write(script.output, bytes(65536))
            except BlockingIOError:
                break
        os.write(script.errors, b"oops\n")
        script.text.drop()
    assert os.write(script.output, b"room")
    assert script.text.stderr == b"oops\n" * 3
    script.text.drop()
    for name in ("output", "errors"):
        os.close(getattr(script, name))
        setattr(script, name, None)
    script.text.drop()
