"""Keys in the wrong table."""

import pytest

from gemd.config.misplaced import tell_place
from gemd.config.tables import Problem

from .reading import HOST, problems_of

LOCATION = "[[host.location]]\npath = '/a'\ngone = true\n"
MISTAKES = {
    "below a host": (HOST + "workers = 2\n", "host[1].workers", "before the first heading"),
    "what includes": (HOST + "include = ['a.conf']\n", "host[1].include", "before the first heading"),
    "below a table": ("[limits]\nuser = 'gemd'\n" + HOST, "limits.user", "before the first heading"),
    "below a location": (HOST + LOCATION + "aliases = ['b']\n", "host[1].location[1].aliases", "below [[host]]"),
    "of hosts alone": (HOST + LOCATION + "user-directories = {}\n", "host[1].location[1].user-directories", "host"),
    "at the top": ("aliases = ['b']\n" + HOST, "aliases", "below [[host]]"),
    "of a location's alone": (HOST + "match = 'exact'\n", "host[1].match", "below [[host.location]]"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "path", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_key_in_the_wrong_table_is_told_its_place(text, path, said):
    (found, problem), *others = problems_of(text).items()
    assert (found, others) == (path, [])
    assert problem.startswith("there is no such key here; ")
    assert said in problem


def test_what_is_nobody_s_has_no_place():
    for problem in (Problem("colour", "x", unknown="colour"), Problem("workers", "x")):
        assert tell_place(problem) is problem
