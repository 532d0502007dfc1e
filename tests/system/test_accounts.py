"""Who has a directory, in a database of users that the tests make up: the owner of all is whoever runs them."""

import os
from types import SimpleNamespace

import pytest

from gemd.config.people_settings import UserDirectories
from gemd.system import accounts
from gemd.system.accounts import find_account, is_user_name
from tests.conftest import need_user

ME = os.geteuid()
TABLE = UserDirectories(minimum_uid=1)


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home/public_gemini").mkdir(parents=True)
    return tmp_path / "home"


@pytest.fixture
def users(monkeypatch, home):
    """A database of users and groups, in which alice's number is `uid` and all files look like alice's."""
    people = {}

    def add(name, uid=1000, gid=1000, directory=str(home), pw_name=None, groups=()):
        people[name] = SimpleNamespace(pw_name=pw_name or name, pw_uid=uid, pw_gid=gid, pw_dir=directory), groups

    def find(name):
        if name not in people:
            raise KeyError(name)
        return people[name][0]

    def open_as_owner(directory, names, owner, open_home=accounts.open_home):
        seen.append(owner)
        return open_home(directory, names, ME)

    def find_group(name):
        if name != "writers":
            raise KeyError(name)
        return SimpleNamespace(gr_gid=7)

    seen = []
    monkeypatch.setattr(accounts.pwd, "getpwnam", find)
    monkeypatch.setattr(accounts.grp, "getgrnam", find_group)
    monkeypatch.setattr(accounts, "open_home", open_as_owner)
    monkeypatch.setattr(accounts, "_list_groups", lambda name, gid: [gid, *people.get(name, (None, ()))[1]])
    return SimpleNamespace(add=add, owners=seen)


def test_a_user_s_directory_is_found(users, home):
    users.add("alice", uid=1234)
    account = find_account("alice", TABLE)
    assert (account.uid, account.path, account.home) == (1234, str(home.resolve() / "public_gemini"), str(home))
    assert users.owners == [1234]
    above = [*reversed(home.resolve().parents), home]
    assert [status.st_ino for status in account.above] == [path.stat().st_ino for path in above]


def test_a_home_may_be_behind_links(users, home, tmp_path):
    (tmp_path / "link").symlink_to("home")
    users.add("alice", directory=str(tmp_path / "link"))
    assert find_account("alice", TABLE).path == str(home.resolve() / "public_gemini")


@pytest.mark.parametrize("uid", [0, 1, 999, 61184, 65534, 65535])
def test_the_system_s_users_have_none(users, uid):
    users.add("someone", uid=uid)
    assert find_account("someone", UserDirectories()) is None
    assert users.owners == []


@pytest.mark.parametrize("uid", [1000, 60513, 61183, 65536, 2_000_000])
def test_others_may(users, uid):
    users.add("someone", uid=uid)
    assert find_account("someone", UserDirectories()) is not None


def test_the_lowest_number_is_configured(users):
    users.add("someone", uid=500)
    assert find_account("someone", UserDirectories(minimum_uid=500)) is not None


def test_a_name_is_the_user_s_as_it_is_written(users):
    users.add("Alice", pw_name="alice")
    assert find_account("Alice", TABLE) is None
    assert find_account("bob", TABLE) is None


@pytest.mark.parametrize(
    ("group", "options", "has_one"),
    [
        ("writers", {"gid": 7}, True),
        ("writers", {"groups": (5, 7)}, True),
        ("7", {"groups": (7,)}, True),
        ("writers", {"groups": (5,)}, False),
        ("none such", {"groups": (7,)}, False),
    ],
)
def test_a_group_has_all_who_may(users, group, options, has_one):
    users.add("alice", **options)
    assert (find_account("alice", UserDirectories(group=group)) is not None) == has_one


def test_the_group_is_asked_about_whoever_it_is(users, monkeypatch):
    """So that it takes as long for nobody as for somebody."""
    asked = []
    monkeypatch.setattr(accounts, "_list_groups", lambda *who: asked.append(who) or [])
    users.add("alice")
    for name in ("alice", "nobody"):
        assert find_account(name, UserDirectories(group="writers")) is None
    assert [name for name, _ in asked] == ["alice", "nobody"]


@pytest.mark.parametrize("directory", ["", "relative", "/nowhere/at/all"])
def test_who_has_no_home_has_none(users, directory):
    users.add("alice", directory=directory)
    assert find_account("alice", TABLE) is None


@need_user
def test_a_home_that_can_t_be_entered_has_none(users, home):
    users.add("alice")
    home.chmod(0)
    assert find_account("alice", TABLE) is None
    home.chmod(0o700)


def test_the_groups_are_those_of_this_machine():
    """Of whoever is first in its database, as Python has them."""
    import pwd

    for entry in pwd.getpwall()[:5]:
        expected = os.getgrouplist(entry.pw_name, entry.pw_gid)
        assert sorted(accounts._list_groups(entry.pw_name, entry.pw_gid)) == sorted(expected)
    assert accounts._list_groups("no such user", 12345) == [12345]


def test_more_groups_than_there_is_room_for_are_asked_for_again(monkeypatch):
    rooms = []

    def getgrouplist(name, gid, found, number):
        rooms.append(number._obj.value)
        if number._obj.value < 100:
            number._obj.value = 100
            return -1
        number._obj.value = 100
        for i in range(100):
            found[i] = i
        return 100

    monkeypatch.setattr(accounts, "_libc", SimpleNamespace(getgrouplist=getgrouplist))
    assert accounts._list_groups("alice", 1) == list(range(100))
    assert rooms == [64, 128]


@pytest.mark.parametrize("name", ["alice", "Alice", "a", "0day", "_x", "a.b-c_d", "a" * 64])
def test_names(name):
    assert is_user_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".a", "-a", "a/b", "a\0", "a b", "é", "a$", "a\n", "\udcff", "a" * 65, "a@b"]
)
def test_no_names(name):
    assert not is_user_name(name)
