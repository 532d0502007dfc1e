"""All of a start before the first fork."""

import select

import pytest

from gemd.startup.looking import Looking
from gemd.startup.prepare import prepare
from gemd.startup.resources import Inherited
from gemd.system.log_file import LogError
from tests.conftest import IS_ROOT

USER = {"user": "root"} if IS_ROOT else {}


def test_what_is_prepared(configure, tmp_path):
    config = configure(pid_file="gemd.pid", control="control", **USER)
    prepared = prepare(config, Inherited(tmp_path), select.poll())
    assert prepared.generation.number == 1
    assert prepared.generation.listeners == prepared.resources.listeners
    assert prepared.workers_user is None
    assert prepared.control.path == str(tmp_path / "control")
    prepared.pid_file.close()
    prepared.control.close()
    prepared.generation.close_all_but(None)


def test_what_fails_closes_the_listeners(configure, tmp_path, monkeypatch):
    closed = []
    monkeypatch.setattr("gemd.startup.prepare.close_new", lambda listeners, present: closed.append(list(listeners)))
    config = configure(log={"access": str(tmp_path / "none/a"), "error": "off"}, **USER)
    with pytest.raises(LogError):
        prepare(config, Inherited(tmp_path), select.poll())
    (*_, (listener,)) = closed
    listener.close()


def test_nothing_is_bound_or_made_where_it_is_looked_at(configure, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    config = configure(
        pid_file="gemd.pid", control="control", log={"access": str(tmp_path / "a"), "error": "off"}, **USER
    )
    prepared = prepare(config, Inherited(tmp_path), select.poll(), Looking(config))
    assert (list(prepared.resources.listeners), prepared.control) == ([], None)
    assert set(prepared.resources.certificates) == {"localhost"}
    prepared.generation.close_all_but(None)
    assert sorted(tmp_path.rglob("*")) == before
