"""What -t says of sockets that others should listen on."""

import os
import socket
import stat
from types import SimpleNamespace

import msgspec
import pytest

from gemd.startup import gateway_checks
from gemd.startup.gateway_checks import find_idle_sockets
from gemd.startup.warnings import find_all_warnings
from gemd.system.privileges import Identity


@pytest.fixture
def listener(tmp_path):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(os.fspath(tmp_path / "s"))
        sock.listen()
        yield tmp_path / "s"


@pytest.fixture
def idle(configure):
    """What is said of these locations, by key."""

    def idle(*locations, **service):
        config = configure(host=[{"name": "localhost", "location": list(locations)}])
        config = msgspec.structs.replace(config, service=msgspec.structs.replace(config.service, **service))
        return {problem.path: problem.text for problem in find_idle_sockets(config)}

    return idle


def test_what_is_there_is_in_order(idle, listener):
    locations = [
        {"path": "/a", "fastcgi": {"to": f"unix:{listener}"}},
        {"path": "/b", "scgi": {"to": ["127.0.0.1:9000", f"unix:{listener}"]}},
        {"path": "/c", "proxy": {"to": f"http+unix:{listener}"}},
    ]
    assert idle(*locations) == {}


@pytest.mark.parametrize(
    ("key", "scheme"), [("fastcgi", "unix:"), ("scgi", "unix:"), ("proxy", "http+unix:"), ("proxy", "gemini+unix:")]
)
def test_what_is_not_there_is_named_once(idle, tmp_path, key, scheme):
    locations = [{"path": path, key: {"to": f"{scheme}{tmp_path}/none"}} for path in ("/a", "/b")]
    assert idle(*locations) == {
        f"host[1].location[1].{key}.to": f"{tmp_path}/none can't be connected to: No such file or directory. "
        "Does the program run that listens there?"
    }


def test_a_file_is_no_socket(idle, tmp_path):
    (tmp_path / "file").touch()
    said = idle({"path": "/a", "scgi": {"to": f"unix:{tmp_path}/file"}})
    assert said == {"host[1].location[1].scgi.to": f"{tmp_path}/file is no socket"}


OTHERS = [  # mode, the user's groups besides the socket's own, whether it may
    (0o660, False, False),
    (0o660, True, True),
    (0o606, False, True),
    (0o606, True, False),
    (0o600, True, False),
]


@pytest.mark.parametrize(("mode", "is_member", "may"), OTHERS)
def test_who_may_not_connect_is_named(idle, listener, monkeypatch, mode, is_member, may):
    listener.chmod(mode)
    groups = (os.stat(listener).st_gid,) if is_member else ()
    user = Identity("gemd", os.getuid() + 54321, os.getgid() + 54321, groups)
    monkeypatch.setattr(gateway_checks, "find_identity", lambda name, group: user)
    said = idle({"path": "/a", "fastcgi": {"to": f"unix:{listener}"}}, user="gemd")
    text = f"{listener} can't be connected to by gemd, who may not write to it: it is "
    if may:
        assert said == {}
    else:
        said = said["host[1].location[1].fastcgi.to"]
        assert said.startswith(text)
        assert said.endswith(f"'s, with the mode {mode:04o}")


def test_whose_a_socket_is_that_nobody_here_has(idle, monkeypatch):
    found = SimpleNamespace(st_mode=stat.S_IFSOCK | 0o660, st_uid=987654321, st_gid=0)
    monkeypatch.setattr(gateway_checks.os, "stat", lambda path, **_: found)
    monkeypatch.setattr(gateway_checks, "find_identity", lambda name, group: Identity("gemd", 54321, 54321, ()))
    said = idle({"path": "/a", "fastcgi": {"to": "unix:/s"}}, user="gemd")
    assert said["host[1].location[1].fastcgi.to"].endswith(": it is 987654321:root's, with the mode 0660")


def test_it_is_a_warning(configure, tmp_path):
    (warning,) = find_all_warnings(configure(host=[{"name": "localhost", "scgi": {"to": f"unix:{tmp_path}/none"}}]))
    assert warning.path == "host[1].scgi.to"
