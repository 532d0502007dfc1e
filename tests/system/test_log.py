import locale
import logging
import logging.config
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.system.level import Level
from gemd.system.log import ErrorLog, describe_error, error_log


class Lines(list):
    """A target that keeps its lines."""

    def write(self, line, level=Level.INFO):
        self.append((line, level))

    def hasten(self):
        self.hastened += 1

    hastened = 0

    @property
    def texts(self):
        return [line for line, _ in self]


@pytest.fixture
def clock(monkeypatch):
    """The monotonic clock."""
    times = [1000.0]
    monkeypatch.setattr("gemd.system.log.time.monotonic", lambda: times[0])
    return times


@pytest.fixture
def lines():
    return Lines()


@pytest.fixture
def log(lines, clock):
    """A log whose lines have no date."""
    log = ErrorLog()
    log.use(lines, Level.INFO, is_dated=True, shows_queries=False)
    return log


def test_what_another_process_says_has_its_pid(lines):
    log = ErrorLog()
    log.use(lines, Level.INFO, is_dated=False, shows_queries=False)
    log.pass_on("late\x1b", Level.WARNING, 7, goes_on=False)
    log.pass_on("hidden", Level.DEBUG, 7, goes_on=False)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d gemd\[7\] warning: late\\x1b", lines.texts[0])
    assert len(lines) == 1


def test_what_another_process_says_has_its_pid_where_lines_have_this_ones(log, lines):
    log.pass_on("stopping", Level.WARNING, 7, goes_on=False)
    assert lines.texts == ["warning: (pid 7) stopping"]


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("Traceback (most recent call last):", "Traceback (most recent call last):"),
        ('  File "x"\n', '  File "x"\\x0a'),
        ("2026-01-01 gemd[1] error: forged", "    2026-01-01 gemd[1] error: forged"),
    ],
)
def test_what_goes_on_begins_no_line(log, lines, said, written):
    log.pass_on(said, Level.ERROR, 7, goes_on=True)
    assert lines.texts == [written]


def test_a_message_is_one_line_whatever_it_says(lines):
    log = ErrorLog()
    log.use(lines, Level.INFO, is_dated=False, shows_queries=False)
    log.debug("hidden")
    log.warning("%s", "two\nlines \x1b[2J\u202e")
    ((line, level),) = lines
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d gemd\[\d+\] warning: .*", line)
    assert line.endswith(f"gemd[{os.getpid()}] warning: two\\x0alines \\x1b[2J\\u202e")
    assert level is Level.WARNING


def test_where_there_is_a_date_already_there_is_none(log, lines):
    log.warning("text")
    assert lines == [("warning: text", Level.WARNING)]


@pytest.mark.parametrize("level", Level)
def test_each_level_has_its_word(log, lines, level):
    log.level = Level.DEBUG
    getattr(log, level.word)("%d", 1)
    log.log(level, "100 %")
    assert lines == [(f"{level.word}: 1", level), (f"{level.word}: 100 %", level)]


@pytest.mark.parametrize("level", Level)
def test_what_matters_less_is_left_out(log, lines, level):
    log.level = level
    for each in Level:
        log.log(each, "text")
    assert [said for _, said in lines] == [each for each in Level if each >= level]


def test_before_it_is_known_where_to_it_goes_to_standard_error(capsys):
    log = ErrorLog()
    log.info("hidden")
    log.warning("a\nb")
    assert capsys.readouterr().err == "gemd: warning: a\\x0ab\n"


@pytest.fixture
def used():
    """The log of this process, with nothing left from before, nor afterwards."""
    error_log.__init__()
    yield error_log
    error_log.__init__()


def test_nothing_that_an_application_does_to_logging_silences_it(lines, used):
    used.use(lines, Level.INFO, is_dated=True, shows_queries=False)
    levels = {level: logging.getLevelName(level) for level in Level}
    try:
        logging.config.dictConfig({"version": 1})
        logging.disable()
        logging.getLogger("gemd").disabled = True
        logging.addLevelName(logging.ERROR, "\x1b[31mERROR")
        logging.setLogRecordFactory(None)
        logging.shutdown()
        used.error("text")
    finally:
        logging.disable(logging.NOTSET)
        logging.getLogger("gemd").disabled = False
        logging.setLogRecordFactory(logging.LogRecord)
        for level, name in levels.items():
            logging.addLevelName(level, name)
    assert lines == [("error: text", Level.ERROR)]


def test_dates_do_not_follow_the_locale(lines, monkeypatch):
    def refuse(*_):
        raise AssertionError("strftime follows the locale")

    monkeypatch.setattr("gemd.system.log.time.strftime", refuse)
    before = locale.setlocale(locale.LC_ALL)
    try:
        locale.setlocale(locale.LC_ALL, "")
        log = ErrorLog()
        log.use(lines, Level.INFO, is_dated=False, shows_queries=False)
        log.warning("text")
    finally:
        locale.setlocale(locale.LC_ALL, before)
    assert re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2} ", lines.texts[0])


def test_a_traceback_is_written(log, lines):
    try:
        raise RuntimeError("the cause")
    except RuntimeError:
        log.exception("a fault")
    assert lines.texts[:2] == ["error: a fault", "Traceback (most recent call last):"]
    assert lines.texts[-1] == "RuntimeError: the cause"
    assert {level for _, level in lines} == {Level.ERROR}


def test_of_a_long_traceback_the_beginning_and_the_end_are_written(log, lines):
    """All that two functions have to say which call each other would push other lines out of the log."""

    def one(depth):
        return two(depth + 1)

    def two(depth):
        return one(depth + 1)

    try:
        one(0)
    except RecursionError as error:
        whole = list(describe_error(error))
        log.exception("a fault")
    assert len(whole) > 1000
    assert lines.texts[1:] == [*whole[:100], f"    ({len(whole) - 200} lines are left out)", *whole[-100:]]


def test_an_error_may_be_told_of_later(log, lines):
    log.warning("text", exc_info=KeyError("k"))
    log.warning("text", exc_info=None)
    assert lines.texts == ["warning: text", "KeyError: 'k'", "warning: text"]


def test_what_waits_to_be_written_is_bounded(log, lines):
    log.warning("x" * 1_000_000)
    assert len(lines.texts[0]) == 4096


@pytest.mark.parametrize("level", Level)
def test_what_an_operator_should_know_is_waited_for(log, lines, level):
    """Once, when all of it is there."""
    log.level = Level.DEBUG
    log.log(level, "text", exc_info=KeyError("k"))
    assert lines.hastened == (level >= Level.WARNING)


# Lines that are equal


def test_of_equal_lines_a_few_are_written_and_then_their_number(log, lines, clock):
    for _ in range(153):
        log.warning("not accepting for %.1f s: %s", 0.1, "Too many open files")
    text = "warning: not accepting for 0.1 s: Too many open files"
    assert lines.texts == [text] * 5
    clock[0] += 9.9
    log.settle()
    assert len(lines) == 5
    clock[0] += 0.1
    log.settle()
    assert lines.texts[5:] == [f"{text} (148 times more)"]
    log.settle()
    assert len(lines) == 6


def test_after_a_while_they_are_written_again(log, lines, clock):
    for _ in range(6):
        log.warning("text")
    clock[0] += 10
    log.warning("text")
    assert lines.texts[5:] == ["warning: text (once more)", "warning: text"]


def test_different_lines_are_all_written(log, lines):
    for nr in range(100):
        log.warning("line %d", nr)
    assert len(set(lines.texts)) == 100


def test_different_errors_are_all_written(log, lines):
    """Though what is said of them is the same."""

    def fail(kind):
        try:
            raise kind("text")
        except kind as error:
            return error

    for _ in range(10):
        log.error("the application failed", exc_info=fail(KeyError))
        log.error("the application failed", exc_info=fail(OSError))
    assert lines.texts.count("KeyError: 'text'") == lines.texts.count("OSError: text") == 5


def test_what_was_left_out_is_said_at_the_end(log, lines):
    for _ in range(7):
        log.error("text", exc_info=KeyError("k"))
    log.finish()
    assert lines[-1] == ("error: text (2 times more)", Level.ERROR)


def test_a_worker_does_not_say_what_its_master_left_out(log, lines):
    for _ in range(7):
        log.warning("text")
    log.forget()
    log.finish()
    log.warning("text")
    assert lines.texts == ["warning: text"] * 6


# URLs


@pytest.mark.parametrize(("shows_queries", "shown"), [(False, "'gemini://h/a?...'"), (True, "'gemini://h/a?hunter2'")])
def test_a_url_has_no_query_unless_that_is_wanted(lines, shows_queries, shown):
    log = ErrorLog()
    log.use(lines, Level.INFO, is_dated=True, shows_queries=shows_queries)
    assert log.show_url("gemini://h/a?hunter2") == shown


def test_a_token_is_never_shown(lines):
    log = ErrorLog()
    log.use(lines, Level.INFO, is_dated=True, shows_queries=True)
    assert log.show_url("titan://h/a;token=hunter2;size=1?q") == "'titan://h/a;token=...;size=1?q'"


def test_a_url_pushes_nothing_out_of_the_line(log, lines):
    log.warning("the response to %s broke off: %s", log.show_url("\\xff" * 1024), "why")
    assert lines.texts[0].endswith(" broke off: why")


# What an exception says


def lines_of(error):
    try:
        raise error
    except type(error) as raised:
        return list(describe_error(raised))


FAKE = "2026-01-31 12:00:00 gemd[1] error: fake"


def caused():
    error = KeyError("k")
    error.__cause__ = ValueError(f"a\n{FAKE}")
    return error


def noted():
    error = ValueError("a")
    error.add_note(f"\n\nTraceback (most recent call last):\n{FAKE}\n  {FAKE}\x1b[2J")
    return error


FORGING = {
    "lines": ValueError(f"a\n{FAKE}"),
    "other ends of lines": ValueError(f"a\r{FAKE}\x0b{FAKE}\x85{FAKE}\u2028{FAKE}"),
    "a terminal": ValueError("\x1b[2J\x9b31m\u202e\u2066"),
    "a stray octet": ValueError("\udcff"),
    "a cause": caused(),
    "notes": noted(),
    "a syntax error": SyntaxError(f"a\n{FAKE}", ("f", 1, 1, f"b\n{FAKE}\r{FAKE}")),
    "a group": ExceptionGroup(f"g\n{FAKE}", [noted(), caused()]),
    "a group in a cause": ExceptionGroup("g", [ExceptionGroup(f"h\n{FAKE}", [ValueError(f"a\r\n{FAKE}")])]),
}


@pytest.mark.parametrize("error", FORGING.values(), ids=FORGING)
def test_what_an_exception_says_forges_no_line(error):
    lines = lines_of(error)
    assert all(line.isprintable() for line in lines)
    assert not [line for line in lines if line.startswith("2026")]
    assert [line for line in lines if "Traceback (most recent call last):" in line]
    assert any(__file__ in line for line in lines)


def test_what_an_exception_says_is_one_line():
    assert lines_of(ValueError(f"a\n{FAKE}\x1b[2J"))[-1] == f"ValueError: a\\x0a{FAKE}\\x1b[2J"


def test_notes_are_indented():
    assert lines_of(noted())[-4:] == [
        "ValueError: a",
        "    Traceback (most recent call last):",
        f"    {FAKE}",
        f"  {FAKE}\\x1b[2J",
    ]


def test_a_traceback_keeps_its_lines():
    lines = lines_of(caused())
    heads = [i for i, line in enumerate(lines) if line == "Traceback (most recent call last):"]
    between = lines.index("The above exception was the direct cause of the following exception:")
    assert lines[between - 1] == lines[between + 1] == ""
    assert heads == [between + 2]  # the cause was never raised, and has no traceback of its own
    assert lines[-1] == "KeyError: 'k'"


@given(st.text(), st.text())
def test_no_text_forges_a_line(text, note):
    error = ValueError(text)
    error.add_note(note)
    lines = lines_of(error)
    start = next(i for i, line in enumerate(lines) if line.startswith("ValueError"))
    assert [line for line in lines[start + 1 :] if not line.startswith(" ")] == []
    assert all(len(line.splitlines()) <= 1 for line in lines)
