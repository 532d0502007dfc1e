import signal
import threading

import pytest

from gemd.responders.app.faults import explain_fault, leave_own_frames, note_hint


def catch(function, *arguments):
    with pytest.raises(BaseException) as caught:
        function(*arguments)
    return caught.value


class Mute(Exception):
    def __str__(self):
        raise ValueError


EXPLAINED = {
    "by its text": (ValueError("it is wrong"), "ValueError: it is wrong"),
    "without a text": (LookupError(), "LookupError"),
    "a key": (KeyError("x"), "KeyError: 'x'"),
    "an exit": (SystemExit("I leave"), "it ends the process (SystemExit: I leave)"),
    "an exit without a word": (SystemExit(), "it ends the process (SystemExit)"),
    "a text that steers a terminal": (ValueError("no\x1b[2J\nso"), r"ValueError: no\x1b[2J\x0aso"),
    "no text at all": (Mute(), f"{__name__}.Mute: <exception str() failed>"),
}


@pytest.mark.parametrize(("error", "text"), EXPLAINED.values(), ids=EXPLAINED)
def test_one_line_says_what_it_is(error, text):
    assert explain_fault(error) == text


def test_a_syntax_error_has_its_place():
    error = catch(compile, "\n1 +\n", "/srv/app.py", "exec")
    assert explain_fault(error) == "SyntaxError: invalid syntax, in /srv/app.py, line 2"


def test_notes_follow():
    error = ValueError("wrong")
    error.add_note("this is why")
    assert explain_fault(error) == "ValueError: wrong; this is why"


def in_a_thread(function, *arguments):
    raised = []
    thread = threading.Thread(target=lambda: raised.append(catch(function, *arguments)))
    thread.start()
    thread.join(10)
    return raised[0]


@pytest.mark.parametrize(
    ("function", "arguments"),
    [(signal.signal, (signal.SIGUSR1, signal.SIG_DFL)), (signal.set_wakeup_fd, (-1,))],
    ids=["signal", "set_wakeup_fd"],
)
def test_what_needs_the_main_thread_says_where_there_is_one(function, arguments):
    error = in_a_thread(function, *arguments)
    assert note_hint(error) is error
    assert "app-process = true" in explain_fault(error)
    assert len(error.__notes__) == 1
    note_hint(error)
    assert len(error.__notes__) == 1


class Tricky(ValueError):
    __notes__ = 5

    def __str__(self):
        raise LookupError

    def add_note(self, _note):
        raise LookupError


@pytest.mark.parametrize("error", [Tricky("only works in main thread"), ValueError(Mute())])
def test_no_code_of_an_error_runs_for_a_hint(error):
    assert note_hint(error) is error


@pytest.mark.parametrize("error", [None, ValueError("another"), KeyError("only works in main thread")])
def test_other_errors_are_left_alone(error):
    assert note_hint(error) is error
    assert not hasattr(error, "__notes__")


def test_nothing_is_left_of_a_traceback_without_code_of_an_applications():
    import importlib

    error = catch(importlib.import_module, "no_such_module_at_all")
    error.__traceback__ = error.__traceback__.tb_next.tb_next  # without this test's own frames
    leave_own_frames(error)
    assert error.__traceback__ is None
    mine = catch(lambda: 1 / 0)
    trace = mine.__traceback__
    leave_own_frames(mine)
    assert mine.__traceback__ is trace
