"""Questions, and who answers them."""

import builtins

import pytest

from gemd.gemctl.failure import Failure
from gemd.gemctl.questions import ask_for, can_ask


@pytest.fixture
def answer(monkeypatch):
    """Give these answers; the questions that were asked."""

    def give(*answers):
        asked, left = [], list(answers)

        def take(prompt):
            asked.append(prompt)
            if isinstance(left[0], BaseException):
                raise left.pop(0)
            return left.pop(0)

        monkeypatch.setattr(builtins, "input", take)
        return asked

    return give


def test_an_answer_is_taken_and_an_empty_one_is_the_default(answer):
    asked = answer(" 7 ", "")
    assert [ask_for("How many?", "3", int), ask_for("How many?", "3", int)] == [7, 3]
    assert asked == ["How many? [3]: "] * 2


def test_what_can_not_be_used_is_asked_again(answer, capsys):
    asked = answer("x", UnicodeDecodeError("utf-8", b"\xff", 0, 1, ""), "4")
    assert ask_for("How many?", "3", int) == 4
    assert len(asked) == 3
    assert capsys.readouterr().err.count("gemctl: ") == 2


def test_the_end_of_the_terminal_is_the_end(answer):
    answer(EOFError())
    with pytest.raises(Failure, match="nothing was written"):
        ask_for("How many?", "3", int)


def test_control_c_ends_the_line_and_is_left_to_the_command(answer, capsys):
    answer(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        ask_for("How many?", "3", int)
    assert capsys.readouterr().out == "\n"


def test_nobody_is_asked_without_a_terminal():
    assert not can_ask()
