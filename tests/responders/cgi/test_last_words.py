import pytest

from gemd.config.cgi_settings import CGISettings
from gemd.config.script_settings import ScriptSettings
from gemd.responders.cgi.last_words import log_complaints, log_strays, log_what_went_on
from gemd.system.running_script import Remains

SETTINGS = ScriptSettings(CGISettings(after=2.5), 1.0, 1.0, after_key="cgi-after")


def test_what_went_on_is_told(caplog):
    log_what_went_on("script /x", SETTINGS, Remains(2, 0))
    text = "script /x went on after its answer and was ended (cgi-after = 2.5): 2 of its processes, or more"
    assert caplog.messages == [text]


def test_strays_are_told_of(caplog):
    log_strays("script /x", Remains(0, 3))
    assert caplog.messages == ["with script /x 3 processes were ended that had left a script's session"]


def test_where_nothing_was_left_nothing_is_told(caplog):
    log_what_went_on("script /x", SETTINGS, Remains(0, 1))
    log_strays("script /x", Remains(1, 0))
    log_complaints("script /x", b"")
    assert caplog.messages == []


@pytest.mark.parametrize(("number", "more"), [(20, []), (25, ["script /x says 5 lines more"])])
def test_complaints_are_quoted_in_part(caplog, number, more):
    log_complaints("script /x", b"oops \xff\n" * number)
    assert caplog.messages == ["script /x says: oops \ufffd"] * 20 + more


def test_a_long_line_is_cut(caplog):
    log_complaints("script /x", b"x" * 1000)
    assert caplog.messages == ["script /x says: " + "x" * 500]
