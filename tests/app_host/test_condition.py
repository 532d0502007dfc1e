"""How the process of an application is, second by second."""

import time
from types import SimpleNamespace

import pytest

from gemd.app_host.condition import Condition
from gemd.config.host_settings import Location

from .conftest import make_setup

WELL = SimpleNamespace(is_stuck=False)
STUCK = SimpleNamespace(is_stuck=True)


def make_condition(location=None, **keys):
    return Condition(make_setup(location or Location(app="m:app"), **keys), time.time_ns())


def test_its_figures_are_told_when_they_change(monkeypatch):
    condition = make_condition()
    monkeypatch.setattr(condition._descriptors, "read", lambda: 7)
    condition.answered = 3
    assert condition.look(WELL, 2)
    found = condition.figures
    assert (found["requests"], found["active"], found["descriptors"]) == (3, 2, 7)
    assert found["memory"] >= found["private"] > 0
    assert not condition.look(WELL, 2)
    assert condition.look(WELL, 1)


@pytest.mark.parametrize(
    ("keys", "answered", "threads", "reason"),
    [
        ({}, 10**9, WELL, None),
        ({"max_requests": 5}, 4, WELL, None),
        ({"max_requests": 5}, 5, WELL, "has answered 5 requests"),
        ({"max_memory": 1 << 60}, 0, WELL, None),
        ({"max_memory": 1}, 0, WELL, "bytes of memory"),
        ({}, 0, STUCK, "has a thread that does not come back"),
    ],
)
def test_why_another_is_to_take_its_place_is_told_once(keys, answered, threads, reason):
    condition = make_condition(**keys)
    condition.answered = answered
    condition.look(threads, 0)
    found = condition.take_reason_to_leave()
    assert found is reason is None or reason in found
    condition.look(threads, 0)
    assert condition.take_reason_to_leave() is None


def test_a_change_of_its_files_is_told_where_it_is_to_be(tmp_path):
    location = Location(app="m:app", app_path=str(tmp_path))
    blind, watching = make_condition(location), make_condition(location, watches=True)
    assert (blind.take_change(), watching.take_change()) == (None, None)
    path = tmp_path / "m.py"
    path.write_text("")
    assert (blind.take_change(), watching.take_change()) == (None, str(path))
    assert watching.take_change() is None
