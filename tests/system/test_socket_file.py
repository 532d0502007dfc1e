import grp
import os
import pwd
import socket
import stat

import pytest

from gemd.system.privileges import PrivilegeError
from gemd.system.socket_file import SocketFile, find_socket_file, remove_stale

ME = pwd.getpwuid(os.getuid())
MY_GROUP = grp.getgrgid(os.getgid())


@pytest.fixture
def path(tmp_path):
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
        yield path


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


FOUND = {
    "nothing": (None, None, SocketFile()),
    "a mode": ("0660", None, SocketFile(0o660)),
    "a user has its group": (None, ME.pw_name, SocketFile(None, ME.pw_uid, ME.pw_gid)),
    "a number": ("660", str(ME.pw_uid), SocketFile(0o660, ME.pw_uid, ME.pw_gid)),
    "a group alone": (None, f":{MY_GROUP.gr_name}", SocketFile(None, None, MY_GROUP.gr_gid)),
    "both": (None, f"{ME.pw_uid}:{MY_GROUP.gr_gid}", SocketFile(None, ME.pw_uid, MY_GROUP.gr_gid)),
}


@pytest.mark.parametrize(("mode", "owner", "expected"), FOUND.values(), ids=FOUND)
def test_what_is_meant(mode, owner, expected):
    assert find_socket_file(mode, owner) == expected


@pytest.mark.parametrize("owner", ["nobody-of-this-name", "9" * 30, "\u0660"])
def test_who_is_not_there(owner):
    with pytest.raises(PrivilegeError, match="there is no user"):
        find_socket_file(None, owner)
    with pytest.raises(PrivilegeError, match="there is no group"):
        find_socket_file(None, f"{ME.pw_uid}:{owner}")


def test_the_mode_is_set(path):
    SocketFile(0o602).apply(path)
    assert mode_of(path) == 0o602


def test_what_is_right_already_is_left_alone(path, monkeypatch):
    SocketFile(0o602, os.getuid(), os.getgid()).apply(path)

    def refuse(*_arguments, **_options):
        raise PermissionError

    monkeypatch.setattr(os, "chmod", refuse)
    monkeypatch.setattr(os, "chown", refuse)
    SocketFile(0o602, os.stat(path).st_uid, os.stat(path).st_gid).apply(path)
    SocketFile().apply(path)
    with pytest.raises(PermissionError):
        SocketFile(0o600).apply(path)


def test_nothing_but_a_socket_has_its_mode_changed(tmp_path):
    plain = tmp_path / "f"
    plain.touch(0o644)
    os.symlink(plain, tmp_path / "l")
    for name in ("f", "l"):
        with pytest.raises(OSError, match="non-socket"):
            SocketFile(0o600).apply(str(tmp_path / name))
    assert mode_of(plain) == 0o644


@pytest.mark.parametrize("wanted", [SocketFile(0o606), SocketFile(0o606, 65534, 65534)], ids=["mode", "owner"])
def test_what_takes_its_place_meanwhile_is_left_alone(path, tmp_path, monkeypatch, wanted):
    if wanted.uid is not None and os.getuid() != 0:
        pytest.skip("only root can give a file away")
    victim = tmp_path / "victim"
    victim.touch(0o600)
    is_socket = stat.S_ISSOCK

    def swap(mode):
        os.rename(path, path + ".moved")
        os.symlink(victim, path)
        return is_socket(mode)

    monkeypatch.setattr(stat, "S_ISSOCK", swap)
    wanted.apply(path)
    assert mode_of(path + ".moved") == 0o606
    assert (mode_of(victim), victim.stat().st_uid) == (0o600, os.getuid())


def test_a_file_that_is_gone_matters_only_where_something_is_wanted(tmp_path):
    SocketFile().apply(str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError):
        SocketFile(0o600).apply(str(tmp_path / "none"))


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_the_owner_is_set(path):
    SocketFile(None, 65534, 65534).apply(path)
    assert (os.stat(path).st_uid, os.stat(path).st_gid) == (65534, 65534)


def test_a_new_one_that_can_not_be_as_wanted_does_not_stay(path, monkeypatch):
    def refuse(*_arguments, **_options):
        raise PermissionError

    monkeypatch.setattr(os, "chmod", refuse)
    with pytest.raises(PermissionError):
        SocketFile(0o602).apply_to_new(path)
    assert not os.path.lexists(path)


def test_what_nobody_listens_on_is_removed_and_nothing_else(path, tmp_path):
    with socket.socket(socket.AF_UNIX) as alive:
        alive.bind(str(tmp_path / "alive"))
        alive.listen()
        for name in ("alive", "f"):
            (tmp_path / "f").touch()
            with pytest.raises(OSError, match=r"in use|exists"):
                remove_stale(str(tmp_path / name))
            assert os.path.lexists(tmp_path / name)
    remove_stale(path)
    remove_stale(path)
    assert not os.path.lexists(path)
