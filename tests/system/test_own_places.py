"""Where gemd itself listens."""

import socket
from types import SimpleNamespace

import pytest

from gemd.config.types import Address
from gemd.system.own_places import OwnPlaces


def listener_at(server, *, is_any=False):
    host, port = server.getsockname()[:2]
    return SimpleNamespace(address=Address(host, port), local=None if is_any else (host, port), port=port)


@pytest.fixture
def server():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.mark.parametrize("is_any", [True, False])
def test_a_connection_to_an_own_listener(server, is_any):
    places = OwnPlaces([listener_at(server, is_any=is_any)])
    with socket.create_connection(server.getsockname()) as link, socket.create_server(("127.0.0.1", 0)) as other:
        assert places.has(link)
        with socket.create_connection(other.getsockname()) as elsewhere:
            assert not places.has(elsewhere)


def test_any_loopback_address_is_this_machine_s():
    with socket.create_server(("0.0.0.0", 0)) as server:
        places = OwnPlaces([listener_at(server, is_any=True)])
        with socket.create_connection(("127.0.0.3", server.getsockname()[1])) as link:
            assert places.has(link)


def test_unix_sockets_by_whatever_link(tmp_path):
    path = str(tmp_path / "own")
    places = OwnPlaces([SimpleNamespace(address=Address("unix", 0, path), local=("unix", 0), port=0)])
    assert places.paths == {path}
    (tmp_path / "link").symlink_to(path)
    for name, is_own in (("own", True), ("other", False)):
        with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as link:
            server.bind(str(tmp_path / name))
            server.listen()
            link.connect(str(tmp_path / ("link" if is_own else name)))
            assert places.has(link) == is_own


def test_who_has_left_is_nowhere(server):
    places = OwnPlaces([listener_at(server)])
    with socket.socket() as link:
        assert not places.has(link)
