"""Users' directories beside this machine, with users that the tests make up."""

import os
from types import SimpleNamespace

import pytest

from gemd.config import ConfigError
from gemd.startup import people
from gemd.startup.checks import check_machine
from gemd.startup.files import find_hidden
from gemd.startup.people import (
    find_hidden_homes,
    find_homes,
    find_people_problems,
    find_people_warnings,
    settle_people,
)
from gemd.startup.warnings import find_all_warnings
from gemd.system.privileges import Identity
from tests.conftest import need_root


@pytest.fixture
def host(configure, root):
    """A configuration with users' directories and these locations."""

    def host(table=None, locations=(), top=None, **keys):
        own = {"name": "localhost", "root": str(root), "user-directories": table or {}, **keys}
        return configure(host=[{**own, "location": list(locations)}], **(top or {}))

    return host


@pytest.fixture
def users(monkeypatch):
    """Alice has a directory, and nobody else."""

    def find(name, table):
        return SimpleNamespace(path=f"/home/{name}/{table.directory}") if name == "alice" else None

    monkeypatch.setattr(people, "find_account", find)


LOCATIONS = (
    {"path": "/~alice/private/", "client-certificate": "any"},
    {"path": "/~alice"},
    {"path": "/~bob/", "listing": False},
    {"path": "/~-/", "listing": False},
    {"path": "/other"},
    {"path": "/~ali*", "match": "glob", "listing": False},
)


def test_the_directories_of_users_who_are_named_are_roots(host, users, root):
    config = host(locations=LOCATIONS)
    homes = find_homes(config)
    assert homes == dict.fromkeys(("host[1].location[1]", "host[1].location[2]"), "/home/alice/public_gemini")
    settled = {each.path: (each.root, each.mount) for each in settle_people(config, homes).hosts[0].locations}
    assert settled == {
        "/": (str(root), ()),
        "/~alice/private/": ("/home/alice/public_gemini", ("~alice",)),
        "/~alice": ("/home/alice/public_gemini", ("~alice",)),
        "/~bob/": (str(root), ()),
        "/~-/": (str(root), ()),
        "/other": (str(root), ()),
        "/~ali*": (str(root), ()),
    }


def test_without_them_nobody_is_looked_up(configure, monkeypatch):
    monkeypatch.setattr(people, "find_account", lambda *_: pytest.fail("somebody was"))
    assert find_homes(configure()) == {}


def test_a_group_has_to_be_there(host):
    (problem,) = find_people_problems(host({"group": "nosuch"}))
    assert problem.path == "host[1].user-directories.group"
    assert problem.text == "there is no group 'nosuch'; `groupadd --system nosuch` makes one"
    assert not [*find_people_problems(host({"group": "root"}))]
    with pytest.raises(ConfigError):
        check_machine(host({"group": "nosuch"}))


@need_root
def test_scripts_of_users_never_run_as_the_workers(host):
    top = {"user": "nobody", "master-user": "root", "cgi": {"user": "nobody"}}
    problems = [*find_people_problems(host({"cgi": "cgi-bin"}, top=top))]
    assert "as the workers do" in problems[0].text
    for user in ("daemon", "no such user"):
        top["cgi"] = {"user": user}
        assert [*find_people_problems(host({"cgi": "cgi-bin"}, top=top))] == []


def warnings_of(config):
    return {problem.path: problem.text for problem in find_people_warnings(config)}


def test_what_is_in_order_is_not_mentioned(host, users, monkeypatch, tmp_path):
    monkeypatch.setattr(people, "_HOMES", str(tmp_path))
    assert warnings_of(host(locations=({"path": "/~alice/"}, LOCATIONS[-1]))) == {}


def test_who_has_nothing_is_told(host, users):
    config = host(locations=LOCATIONS[:3])
    assert "bob has no public_gemini" in warnings_of(config)["host[1].location[3]"]
    assert (
        "bob has no public_gemini"
        in {each.path: each.text for each in find_all_warnings(config)}["host[1].location[3]"]
    )


def test_homes_that_can_t_be_entered_are_told(host, users, monkeypatch, tmp_path):
    homes = tmp_path / "homes"
    homes.mkdir(mode=0o700)
    monkeypatch.setattr(people, "_HOMES", str(homes))
    stranger = Identity("stranger", os.geteuid() + 4000, os.getegid() + 4000, ())
    monkeypatch.setattr(people, "find_identity", lambda *_: stranger)
    config = host(top={"user": "stranger"})
    assert "ProtectHome=read-only" in warnings_of(config)["host[1].user-directories"]
    homes.chmod(0o711)
    assert warnings_of(config) == {}
    homes.rmdir()
    assert warnings_of(config) == {}


def test_scripts_that_may_read_a_list_need_the_homes_on_it(host, users, monkeypatch, tmp_path):
    monkeypatch.setattr(people, "_HOMES", str(tmp_path))
    me = Identity("gemd", os.geteuid(), os.getegid(), ())
    monkeypatch.setattr(people, "find_identity", lambda *_: me)
    top = {"user": "gemd", "master-user": "root", "cgi": {"user": "scripts", "read": [str(tmp_path)]}}
    said = warnings_of(host({"cgi": "cgi-bin"}, top=top))
    assert "cgi.read has to name the homes" in said["host[1].user-directories.cgi"]


def test_converters_that_run_as_the_workers_are_told(host, users, monkeypatch, tmp_path):
    monkeypatch.setattr(people, "_HOMES", str(tmp_path))
    said = warnings_of(host(convert={".md": ["cat"]}))
    assert "converters read what users have written" in said["host[1].user-directories"]


def test_homes_that_are_hidden_are_told_at_a_start(host, monkeypatch, tmp_path):
    homes = tmp_path / "homes"
    monkeypatch.setattr(people, "_HOMES", str(homes))
    assert find_hidden_homes(host()) == []
    homes.mkdir(mode=0)  # as the service manager makes it, for root as well
    (said,) = find_hidden(host())
    assert said.path == "host[1].user-directories"
    assert "ProtectHome=read-only" in said.text
    homes.chmod(0o755)
    assert find_hidden(host()) == []


def test_without_them_no_home_is_looked_at(configure, monkeypatch):
    monkeypatch.setattr(people, "find_hidden_homes", lambda _config: pytest.fail("some are"))
    assert find_hidden(configure()) == []
