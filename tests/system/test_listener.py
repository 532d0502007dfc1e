import errno
import os
import socket
import threading

import pytest

from gemd.config.types import Address
from gemd.system.client_socket import show_address
from gemd.system.listener import BindError, Listener, bind_all, take_over
from gemd.system.socket_file import SocketFile

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


# Listeners that are there already


@pytest.fixture
def reuse(bind):
    """Bind addresses when some listeners are present; what is new is closed afterwards."""
    opened = []

    def reuse(addresses, present):
        listeners = bind_all(addresses, 10.0, present)
        opened.extend(listener for listener in listeners if listener not in present)
        return listeners

    yield reuse
    for listener in opened:
        listener.close()


def test_an_address_that_stays_keeps_its_listener(bind, reuse, tmp_path):
    unix = Address("unix", 0, str(tmp_path / "sock"))
    present = bind(FREE, unix)
    assert reuse([FREE, unix], present) == present
    assert reuse([unix, FREE], present) == present[::-1]


def test_what_is_new_is_bound_beside_it(bind, reuse, tmp_path):
    unix = Address("unix", 0, str(tmp_path / "sock"))
    present = bind(FREE)
    first, second = reuse([FREE, unix], present)
    assert first is present[0]
    assert second.address == unix


def test_what_goes_is_left_to_who_opened_it(bind, reuse, tmp_path):
    present = bind(FREE, Address("unix", 0, str(tmp_path / "sock")))
    assert reuse([FREE], present) == present[:1]
    assert present[1].socket.fileno() >= 0


def test_all_listeners_of_a_name_stay(bind, reuse, monkeypatch):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 0)) for host in ("127.0.0.1", "127.0.0.2")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    name = Address("name", 0)
    present = bind(name)
    assert reuse([name], present) == present


def test_a_unix_socket_that_can_not_be_given_away_says_who_can(tmp_path, monkeypatch):
    def refuse(*_arguments, **_options):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "chown", refuse)
    path = str(tmp_path / "s")
    with pytest.raises(BindError, match=r"Operation not permitted; only root can give .* takes a restart"):
        bind_all([Address("unix", 0, path)], 10.0, (), {path: SocketFile(uid=os.getuid() + 1)})


def test_addresses_listed_twice_do_not_grow_in_number(bind, reuse):
    present = bind(FREE, FREE)
    assert reuse([FREE, FREE], present) == present


def test_a_failure_closes_what_is_new_and_nothing_else(bind, reuse, tmp_path):
    present = bind(FREE)
    (taken,) = bind(Address("127.0.0.1", 0))
    before = len(os.listdir("/proc/self/fd"))
    wanted = [FREE, Address("unix", 0, str(tmp_path / "sock")), Address("127.0.0.1", taken.port)]
    with pytest.raises(BindError):
        reuse(wanted, present)
    assert len(os.listdir("/proc/self/fd")) == before
    assert present[0].socket.fileno() >= 0


def test_those_of_systemd_are_all_there_are(bind, reuse):
    (ours,) = bind(FREE)
    given = Listener(ours.socket, ours.address, is_given=True)
    (other,) = bind(FREE)
    assert reuse([FREE, Address("127.0.0.1", 1)], [other, given]) == [given]


# Listeners that another process has bound


@pytest.fixture
def handed(request):
    """Descriptors of sockets as another process hands them over: blocking, and inherited."""
    kept = []

    def handed(sock):
        sock.setblocking(True)
        descriptor = os.dup(sock.fileno())
        os.set_inheritable(descriptor, True)
        sock.close()
        kept.append(descriptor)
        return descriptor

    yield handed
    for descriptor in kept:
        if os.path.lexists(f"/proc/self/fd/{descriptor}"):
            os.close(descriptor)


def listening(family=socket.AF_INET, address=("127.0.0.1", 0)):
    sock = socket.socket(family)
    sock.bind(address)
    sock.listen()
    return sock


def test_a_socket_of_systemd_is_tuned_like_our_own(handed):
    sock = listening()
    host, port = sock.getsockname()
    listener = take_over(handed(sock), 10.0)
    assert (listener.address, listener.port, str(listener)) == (Address(host, port), port, f"{host}:{port}")
    assert listener.is_given
    assert not listener.socket.getblocking()
    assert not listener.socket.get_inheritable()
    assert option(listener, socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert option(listener, socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT)
    listener.close()


def test_who_called_before_is_not_lost(handed):
    sock = listening()
    place = sock.getsockname()
    with socket.create_connection(place) as client:
        client.sendall(b"early")
        listener = take_over(handed(sock), 10.0)
        listener.socket.settimeout(15)
        connection, _ = listener.socket.accept()
        with connection:
            assert connection.recv(10) == b"early"
    listener.close()


def test_one_of_a_former_master_keeps_the_address_it_was_configured_for(handed):
    listener = take_over(handed(listening()), 10.0, Address("localhost", 0))
    assert listener.address == Address("localhost", 0)
    assert not listener.is_given
    assert listener.port > 0
    listener.close()


def test_unix_sockets_by_path_and_by_abstract_name(handed, tmp_path):
    path = str(tmp_path / "sock")
    listener = take_over(handed(listening(socket.AF_UNIX, path)), 10.0)
    assert (str(listener), listener.port) == (f"unix:{path}", 0)
    listener.close()
    name = f"\0gemd-test-{os.getpid()}"
    listener = take_over(handed(listening(socket.AF_UNIX, name)), 10.0)
    assert (listener.address.path, listener.port) == (name, 0)
    listener.close()


def test_an_ipv6_socket(handed):
    try:
        sock = listening(socket.AF_INET6, ("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    listener = take_over(handed(sock), 10.0)
    assert str(listener) == f"[::1]:{listener.port}"
    listener.close()


def pipe():
    reader, writer = os.pipe()
    os.close(writer)
    return reader


def unbound():
    return socket.socket()


def connected():
    ours, its = socket.socketpair()
    its.close()
    return ours


def datagram():
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def packets():
    name = f"\0gemd-packets-{os.getpid()}-{threading.get_ident()}"
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sock.bind(name)
    sock.listen()
    return sock


NOT_LISTENING = {
    "not connected": (unbound, "is no listening socket"),
    "connected": (connected, "is no listening socket"),
    "for datagrams": (datagram, "is no listening socket"),
    "for packets": (packets, "is no stream socket"),
}


@pytest.mark.parametrize(("make", "reason"), NOT_LISTENING.values(), ids=NOT_LISTENING)
def test_a_socket_that_can_not_be_served_is_refused(handed, make, reason):
    descriptor = handed(make())
    with pytest.raises(BindError, match=f"descriptor {descriptor} {reason}"):
        take_over(descriptor, 10.0)


def test_what_is_no_socket_is_refused():
    descriptor = pipe()
    with pytest.raises(
        BindError, match=f"descriptor {descriptor} can't be listened on: .*ocket operation on non-socket"
    ):
        take_over(descriptor, 10.0)
    os.close(descriptor)


def test_a_descriptor_that_is_closed_is_refused():
    with pytest.raises(BindError, match="descriptor 100000 can't be listened on: Bad file descriptor"):
        take_over(100_000, 10.0)


def test_a_socket_of_a_kind_that_has_no_addresses_of_ours_is_refused(handed):
    with pytest.raises(BindError, match=r"can't be listened on|is no listening socket"):
        take_over(handed(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)), 10.0)


# Both families of everything, from one configuration to the next


def families(listeners):
    """Which families are answered on these."""
    found = set()
    for listener in listeners:
        found.add(listener.socket.family)
        if listener.socket.family == socket.AF_INET6 and not option(listener, socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
            found.add(socket.AF_INET)
    return found


@pytest.fixture
def port(bind):
    """A port that is free in both families."""
    try:
        (listener,) = bind(Address("::", 0))
    except BindError:
        pytest.skip("this machine has no IPv6")
    port = listener.port
    listener.close()
    return port


def test_ipv4_stays_when_one_address_for_both_takes_the_place_of_two(bind, reuse, port):
    six, four = Address("::", port), Address("0.0.0.0", port)
    present = bind(six, four)
    assert families(present) == {socket.AF_INET, socket.AF_INET6}
    assert families(reuse([six], present)) == {socket.AF_INET, socket.AF_INET6}


def test_two_addresses_take_the_place_of_one_for_both(bind, reuse, port):
    six, four = Address("::", port), Address("0.0.0.0", port)
    present = bind(six)
    assert families(reuse([six, four], present)) == {socket.AF_INET, socket.AF_INET6}


def test_one_address_for_both_takes_the_place_of_one_for_ipv4(bind, reuse, port):
    six, four = Address("::", port), Address("0.0.0.0", port)
    present = bind(four)
    listeners = reuse([six], present)
    assert families(listeners) == {socket.AF_INET, socket.AF_INET6}
    assert present[0] in listeners
    assert reuse([six], listeners) == listeners  # and again
    assert reuse([four], listeners) == present


# Accepting


@pytest.mark.parametrize(
    ("family", "host", "local"),
    [
        (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
        (socket.AF_INET, "0.0.0.0", None),
        (socket.AF_INET6, "::1", "::1"),
        (socket.AF_INET6, "::", None),
        (socket.AF_INET6, "::ffff:127.0.0.1", "127.0.0.1"),
        (socket.AF_INET6, "::ffff:0.0.0.0", None),
    ],
)
def test_what_is_accepted_is_a_socket_of_the_kernel_s_own(family, host, local):
    sock = socket.socket(family)
    sock.bind((host, 0))
    sock.listen()
    sock.setblocking(False)
    listener = Listener(sock, Address(host, 0))
    port = sock.getsockname()[1]
    assert listener.local == (None if local is None else (local, port))
    with pytest.raises(BlockingIOError):
        listener.accept()
    target = "127.0.0.1" if "." in host else "::1"
    with sock, socket.create_connection((target, port), 10) as client:
        accepted, address = listener.accept()
        assert (show_address(address[0]), address[1]) == client.getsockname()[:2]
        assert not os.get_inheritable(accepted.fileno())
        accepted.send(b"x")
        assert client.recv(1) == b"x"
        accepted.close()
        assert client.recv(1) == b""


def test_a_connection_that_no_socket_can_be_made_of_is_closed(monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOMEM, "no memory")

    with socket.create_server(("127.0.0.1", 0)) as sock, socket.create_connection(sock.getsockname(), 10) as client:
        listener = Listener(sock, Address("127.0.0.1", 0))
        monkeypatch.setattr(socket, "SocketType", fail)
        with pytest.raises(OSError, match="no memory"):
            listener.accept()
        assert client.recv(1) == b""
