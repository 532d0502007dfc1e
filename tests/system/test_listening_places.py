"""Whether something could listen, found out without listening."""

import os
import socket

import pytest

from gemd.config.listen import parse_listen
from gemd.system.listener import BindError, bind_unix
from gemd.system.listening_places import check_all, check_unix
from gemd.system.socket_file import SocketFile
from tests.conftest import need_user


def both(path, file=SocketFile()):  # noqa: B008, it is frozen
    """What a check says, which is what binding says."""
    said = set()
    for attempt in (check_unix, bind_unix):
        with pytest.raises(BindError) as caught:
            attempt(parse_listen(f"unix:{path}"), file)
        said.add(str(caught.value))
    (text,) = said
    return text


def test_nothing_is_made(tmp_path):
    check_all([parse_listen(f"unix:{tmp_path}/s"), parse_listen("localhost:0")], {})
    assert list(tmp_path.iterdir()) == []


def test_one_that_listens_is_in_order_and_notices_nothing(tmp_path):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "s"))
        sock.listen()
        sock.setblocking(False)
        check_unix(parse_listen(f"unix:{tmp_path}/s"))
        with pytest.raises(BlockingIOError):
            sock.accept()
    check_unix(parse_listen(f"unix:{tmp_path}/s"))  # nobody listens any more
    assert (tmp_path / "s").is_socket()


def test_what_is_in_the_way_is_told_as_binding_tells_it(tmp_path):
    (tmp_path / "file").touch()
    assert both(tmp_path / "none/s").endswith("No such file or directory")
    assert both(tmp_path / "file").endswith("File exists; a file that is no socket has this name")
    assert both(tmp_path / "file/s").endswith("Not a directory")


@need_user
def test_who_may_not(tmp_path):
    os.chmod(tmp_path, 0o555)
    assert "Permission denied; ports below 1024 need root, and a unix socket a directory" in both(tmp_path / "s")
    os.chmod(tmp_path, 0o755)
    assert "only root can give a unix socket to another owner" in both(tmp_path / "s", SocketFile(uid=0))


def test_a_name_that_is_none():
    with pytest.raises(BindError, match=r"can't listen on no-such-name\.invalid:1965: .*; is the address in `listen`"):
        check_all([parse_listen("no-such-name.invalid:1965")], {})
