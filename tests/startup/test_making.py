"""What a start makes: each by the function that makes it."""

import inspect

from gemd.startup.looking import Looking
from gemd.startup.making import MAKING, Making


def test_whoever_looks_does_not_make_anything():
    """All that makes has its counterpart."""
    methods = {name for name, _ in inspect.getmembers(Making, inspect.isfunction)}
    assert methods <= set(vars(Looking))


def test_logs_are_opened_as_they_are(configure):
    with MAKING.opening_logs(configure()):
        pass
