import os
import socket

import pytest

from gemd.config.settings import Address
from gemd.system.listener import BindError, bind_all

FREE = Address("127.0.0.1", 0)


@pytest.fixture
def bind():
    """Bind addresses, and close them afterwards."""
    opened = []

    def bind(*addresses):
        listeners = bind_all(addresses, 10.0)
        opened.extend(listeners)
        return listeners

    yield bind
    for listener in opened:
        listener.close()


def option(listener, level, name):
    return listener.socket.getsockopt(level, name)


def test_a_listener_is_as_the_workers_need_it(bind):
    (listener,) = bind(FREE)
    assert not listener.socket.getblocking()
    assert not listener.socket.get_inheritable()
    assert option(listener, socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert option(listener, socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT)
    assert not option(listener, socket.SOL_SOCKET, socket.SO_REUSEPORT)
    assert option(listener, socket.SOL_SOCKET, socket.SO_ACCEPTCONN)


def test_it_says_where_it_listens(bind):
    (listener,) = bind(FREE)
    assert str(listener) == f"127.0.0.1:{listener.port}"
    assert listener.port > 0


def test_the_addresses_of_a_name_share_a_port(bind, monkeypatch):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 0)) for host in ("127.0.0.1", "127.0.0.2")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    first, second = bind(Address("name", 0))
    assert first.port == second.port


def test_an_address_in_use_is_named(bind):
    (listener,) = bind(FREE)
    address = Address("127.0.0.1", listener.port)
    with pytest.raises(BindError, match=f"can't listen on 127.0.0.1:{listener.port}: Address already in use; another"):
        bind(address)


def test_all_addresses_are_bound_or_none(bind):
    (listener,) = bind(FREE)
    (other,) = bind(FREE)
    port = other.port
    other.close()
    with pytest.raises(BindError):
        bind(Address("127.0.0.1", port), Address("127.0.0.1", listener.port))
    bind(Address("127.0.0.1", port))


@pytest.mark.parametrize(("host", "reason"), [("192.0.2.1", "no such address"), ("nonsense.invalid", "is the address")])
def test_an_address_that_is_not_ours(bind, monkeypatch, host, reason):
    if host.endswith("invalid"):

        def fail(*_, **__):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(BindError, match=reason):
        bind(Address(host, 0))


def test_both_families_of_everything(bind):
    try:
        v6, v4 = bind(Address("::", 0), Address("0.0.0.0", 0))
    except BindError:
        pytest.skip("this machine has no IPv6")
    assert option(v6, socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    assert v4.socket.family == socket.AF_INET
    (alone,) = bind(Address("::", 0))
    assert option(alone, socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == (alone.port == v4.port)


def test_a_unix_socket(bind, tmp_path):
    path = str(tmp_path / "sock")
    (listener,) = bind(Address("unix", 0, path))
    assert (str(listener), listener.port) == (f"unix:{path}", 0)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


def test_a_stale_unix_socket_is_replaced_and_a_living_one_is_not(bind, tmp_path):
    address = Address("unix", 0, str(tmp_path / "sock"))
    (listener,) = bind(address)
    with pytest.raises(BindError, match="Address already in use"):
        bind(address)
    listener.close()
    assert bind(address)


def test_a_file_in_the_place_of_a_unix_socket_stays(bind, tmp_path):
    path = tmp_path / "sock"
    path.write_text("precious")
    with pytest.raises(BindError, match="a file that is no socket has this name"):
        bind(Address("unix", 0, str(path)))
    assert path.read_text() == "precious"


def test_a_path_that_is_too_long_for_a_unix_socket(bind, tmp_path):
    with pytest.raises(BindError, match="too long"):
        bind(Address("unix", 0, str(tmp_path / ("x" * 200))))


def test_no_descriptor_is_left_open_by_failures(bind, tmp_path):
    (listener,) = bind(FREE)
    before = len(os.listdir("/proc/self/fd"))
    for address in (Address("127.0.0.1", listener.port), Address("unix", 0, str(tmp_path)), Address("192.0.2.1", 0)):
        with pytest.raises(BindError):
            bind(FREE, address)
    assert len(os.listdir("/proc/self/fd")) == before
