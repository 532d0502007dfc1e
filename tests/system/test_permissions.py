"""What a user may do by the mode of a file."""

import os
import pwd
from types import SimpleNamespace

import pytest

from gemd.system import permissions
from gemd.system.permissions import has_list, is_allowed, why_not_changed
from gemd.system.privileges import Identity

OWNER = Identity("owner", 1001, 2001, (2001,))
MEMBER = Identity("member", 1002, 2002, (2002, 2000))
OTHER = Identity("other", 1003, 2003, (2003,))
ROOT = Identity("root", 0, 0, (0,))

# Modes, and who may write.
WRITERS = {
    0o700: {"owner"},
    0o770: {"owner", "member"},
    0o777: {"owner", "member", "other"},
    0o077: {"member", "other"},  # the first that fits decides
    0o707: {"owner", "other"},
    0o555: set(),
}


@pytest.mark.parametrize(("mode", "writers"), WRITERS.items())
def test_the_first_that_fits_decides(mode, writers):
    status = SimpleNamespace(st_mode=0o40000 | mode, st_uid=1001, st_gid=2000)
    users = (OWNER, MEMBER, OTHER, ROOT)
    assert {user.name for user in users if is_allowed(status, os.W_OK, user)} == writers | {"root"}


def test_all_that_is_wanted_has_to_be_there():
    status = SimpleNamespace(st_mode=0o600, st_uid=1001, st_gid=0)
    assert is_allowed(status, os.R_OK | os.W_OK, OWNER)
    assert not is_allowed(status, os.W_OK | os.X_OK, OWNER)


def test_without_a_user_it_is_who_runs_this(tmp_path):
    assert is_allowed(os.stat(tmp_path), os.W_OK | os.X_OK, None)


def test_why_nothing_can_be_made_in_a_directory(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    (tmp_path / "shut").mkdir(mode=0o500)
    assert why_not_changed(str(tmp_path), None) is None
    assert why_not_changed(str(tmp_path / "file"), None) == "is no directory"
    assert why_not_changed(str(tmp_path / "none"), None) == "can't be used: No such file or directory"
    stranger = Identity("stranger", os.geteuid() + 12345, os.getegid() + 12345, ())
    owner = pwd.getpwuid(os.geteuid()).pw_name
    text = f"can't be written to by stranger: it belongs to {owner}, and its mode is 0500"
    assert why_not_changed(str(tmp_path / "shut"), stranger) == text
    monkeypatch.setattr(permissions.os, "statvfs", lambda _: SimpleNamespace(f_flag=os.ST_RDONLY))
    assert why_not_changed(str(tmp_path), None) == "is on a file system that is read-only"


def test_an_owner_without_a_name_has_a_number(tmp_path, monkeypatch):
    def find_none(uid):
        raise KeyError(uid)

    monkeypatch.setattr(permissions.pwd, "getpwuid", find_none)
    stranger = Identity("stranger", os.geteuid() + 12345, os.getegid() + 12345, ())
    assert f"it belongs to the user {os.geteuid()}, " in why_not_changed(str(tmp_path), stranger)


def test_an_access_list(tmp_path, monkeypatch):
    assert not has_list(str(tmp_path))
    assert not has_list(str(tmp_path / "none"))
    monkeypatch.setattr(os, "getxattr", lambda path, name: b"\2\0\0\0")
    assert has_list(str(tmp_path))
