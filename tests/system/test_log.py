import logging
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.config.settings import Log
from gemd.system.log import LogError, Logs, describe_error, error_log, use_error_sink
from gemd.system.sinks import open_sink


class Lines(list):
    """A sink that keeps its lines."""

    def write(self, line, level=logging.INFO):
        self.append((line, level))

    def close(self):
        pass


@pytest.fixture
def log():
    """The error log, as it was afterwards."""
    handlers, level, propagate = error_log.handlers[:], error_log.level, error_log.propagate
    yield error_log
    for handler in error_log.handlers[:]:
        error_log.removeHandler(handler)
        if handler not in handlers:
            handler.close()
    error_log.handlers[:] = handlers
    error_log.setLevel(level)
    error_log.propagate = propagate


def test_a_message_is_one_line_whatever_it_says(tmp_path, log):
    use_error_sink(open_sink(str(tmp_path / "log")), "info")
    log.debug("hidden")
    log.warning("%s", "two\nlines \x1b[2J\u202e")
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert line.endswith(f"gemd[{os.getpid()}] warning: two\\x0alines \\x1b[2J\\u202e")


def test_syslog_adds_its_own_date_and_name(log):
    lines = Lines()
    use_error_sink(lines, "info", is_syslog=True)
    log.warning("text")
    assert lines == [("warning: text", logging.WARNING)]


def test_a_traceback_is_written_in_full(tmp_path, log):
    use_error_sink(open_sink(str(tmp_path / "log")), "info")
    try:
        raise RuntimeError("the cause")
    except RuntimeError:
        log.exception("a fault")
    text = (tmp_path / "log").read_text()
    assert "error: a fault\nTraceback" in text
    assert text.endswith("RuntimeError: the cause\n")


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


def test_a_log_that_can_not_be_opened_leaves_the_old_ones(tmp_path):
    former = Logs(Log(access=str(tmp_path / "access"), error=str(tmp_path / "error")))
    with pytest.raises(LogError):
        Logs(Log(access=str(tmp_path / "new"), error=str(tmp_path / "missing" / "log")), former)
    former.access.write("line")
    assert (tmp_path / "access").read_text() == "line\n"
    former.close_all_but(None)


def test_a_log_that_stays_is_shared(tmp_path, log):
    former = Logs(Log(access=str(tmp_path / "access"), error=str(tmp_path / "old")))
    logs = Logs(Log(access=str(tmp_path / "access"), error=str(tmp_path / "new")), former)
    assert logs.access is former.access
    former.close_all_but(logs)
    logs.use()
    log.info("line")
    logs.access.write("request")
    assert (tmp_path / "old").read_text() == ""
    assert (tmp_path / "new").read_text().endswith("info: line\n")
    assert (tmp_path / "access").read_text() == "request\n"
    logs.close_all_but(None)


def test_files_are_reopened_by_their_names(tmp_path):
    logs = Logs(Log(access=str(tmp_path / "access"), error="stderr"))
    assert list(logs.files()) == ["access"]
    before = logs.files()["access"].fileno()
    (tmp_path / "access").rename(tmp_path / "access.1")
    logs.access.write("old")
    logs.reopen()
    logs.access.write("new")
    assert (tmp_path / "access.1").read_text() == "old\n"
    assert (tmp_path / "access").read_text() == "new\n"
    assert logs.files()["access"].fileno() == before
    logs.close_all_but(None)


def test_files_that_can_not_be_reopened_stay_open(tmp_path):
    logs = Logs(Log(access=str(tmp_path / "access"), error=str(tmp_path / "error")))
    (tmp_path / "access").rename(tmp_path / "access.1")
    (tmp_path / "error").rename(tmp_path / "error.1")
    (tmp_path / "error").symlink_to("/etc/passwd")
    with pytest.raises(LogError):
        logs.reopen()
    logs.access.write("line")
    assert (tmp_path / "access.1").read_text() == "line\n"
    logs.close_all_but(None)
