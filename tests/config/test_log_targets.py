"""Where a log goes."""

import pytest

from gemd.config.log_targets import judge_target
from gemd.config.types import LOG_WORDS


@pytest.mark.parametrize("target", [*LOG_WORDS, "/var/log/a.log", "access.log", "access", "logs/journal", "./journal"])
def test_words_and_files(target):
    assert judge_target(target) is None


@pytest.mark.parametrize("target", ["STDOUT", "std-err", "stderror", "sylog", "none", "null", "Off"])
def test_a_word_that_is_meant_for_another(target):
    expected = 'expected "stdout", "stderr", "syslog", "off" or the path of a file'
    assert judge_target(target) == f'{expected}, not "{target}"; a file of this name is "./{target}"'


def test_the_journal_has_what_it_has():
    assert "; the journal has what a service writes to stdout and stderr; a file" in judge_target("journal")
