import logging

import pytest

from gemd.config.settings import Log
from gemd.system.level import Level


@pytest.mark.parametrize("level", Level)
def test_it_has_the_name_and_number_that_everybody_knows(level):
    assert logging.getLevelName(level.value) == level.name
    assert Level[level.word.upper()] is level


def test_the_key_knows_the_same_words():
    assert set(Log.__annotations__["level"].__args__) == {level.word for level in Level}
