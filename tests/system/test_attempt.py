"""What a process is trying, told to whoever wants to know."""

import pytest

from gemd.system.attempt import attempt, attempt_under_way, report_attempts


@pytest.fixture
def heard():
    heard = []
    report_attempts(heard.append)
    yield heard
    report_attempts(None)


def test_the_innermost_attempt_is_the_one_under_way():
    assert attempt_under_way() == ""
    with attempt("a could not be read"):
        with attempt("b could not be read"):
            assert attempt_under_way() == "b could not be read"
        assert attempt_under_way() == "a could not be read"
    assert attempt_under_way() == ""


def test_each_change_is_told(heard):
    with attempt("a"), attempt("b"):
        pass
    assert heard == ["", "a", "b", "a", ""]


def test_who_begins_to_listen_hears_what_is_under_way():
    heard = []
    with attempt("a"):
        report_attempts(heard.append)
        report_attempts(None)
    assert heard == ["a"]


def test_one_that_fails_is_over(heard):
    with pytest.raises(KeyError), attempt("a"):
        raise KeyError
    assert heard == ["", "a", ""]
