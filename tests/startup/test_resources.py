"""What a start gets hold of: sockets, certificates, the pid file, the control socket; and what it was handed."""

import os
import select
import socket
import stat
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from gemd.config import Address
from gemd.master.handover import Handover
from gemd.startup import making, resources
from gemd.startup.resources import (
    Inherited,
    acquire_resources,
    apply_socket_files,
    close_new,
    find_settings,
    load_certificate,
    take_control,
    take_pid_file,
)
from gemd.system.certificates import CertificateError
from gemd.system.listener import BindError, Listener, bind_all
from gemd.system.pid_file import AlreadyRunning


@pytest.fixture
def closing():
    """Closes in the end what it is given."""
    with ExitStack() as stack:
        yield stack


def is_open(listener):
    return listener.socket.fileno() >= 0


# Sockets and certificates


def test_addresses_are_bound_and_certificates_made(configure, tmp_path, closing):
    got = acquire_resources(configure(), [], None)
    closing.callback(close_new, got.listeners, [])
    assert [listener.port > 0 for listener in got.listeners] == [True]
    assert set(got.certificates) == {"localhost"}
    assert (tmp_path / "certificates/localhost.crt").exists()


def test_what_is_bound_already_is_kept(configure, closing):
    config = configure()
    first = acquire_resources(config, [], None)
    closing.callback(close_new, first.listeners, [])
    assert acquire_resources(config, first.listeners, None).listeners == first.listeners


def test_without_a_certificate_nothing_new_stays_bound(configure, root, closing, monkeypatch):
    bound = []
    bind_all = making.bind_all
    monkeypatch.setattr(making, "bind_all", lambda *what: bound.extend(bind_all(*what)) or list(bound))
    present = acquire_resources(configure(), [], None).listeners
    closing.callback(close_new, present, [])
    bound.clear()
    broken = {"name": "localhost", "root": str(root), "certificate": "/no.crt", "key": "/no.key"}
    config = configure(listen=["127.0.0.1:0", "127.0.0.2:0"], host=[broken])
    with pytest.raises(CertificateError):
        acquire_resources(config, present, None)
    assert len(bound) == 2
    assert [is_open(listener) for listener in bound] == [listener in present for listener in bound]
    assert all(map(is_open, present))


def test_a_certificate_that_is_configured_is_loaded_from_there(configure, tmp_path, root):
    made = load_certificate(configure().hosts[0], configure(), None)
    own = {"name": "localhost", "root": str(root), "certificate": str(made.path)}
    config = configure(host=[{**own, "key": str(made.path.with_suffix(".key"))}], tls={"certificates": "/nowhere"})
    assert load_certificate(config.hosts[0], config, None).fingerprint == made.fingerprint


# The pid file


def test_there_need_not_be_a_pid_file(configure):
    assert take_pid_file(configure(), None, None) is None


def test_the_pid_file_is_locked_once(configure, tmp_path, closing):
    config = configure(pid_file=str(tmp_path / "gemd.pid"))
    pid_file = take_pid_file(config, None, None)
    closing.callback(pid_file.close)
    with pytest.raises(AlreadyRunning):
        take_pid_file(config, None, None)


def handover(**changes):
    values = {"predecessor": 1, "directory": "/", "channel": 0, "listeners": (), "lock": None, "control": None}
    return Handover(**{**values, **changes})


def test_a_successor_has_the_lock_of_its_predecessor(configure, tmp_path, closing):
    config = configure(pid_file=str(tmp_path / "gemd.pid"))
    pid_file = take_pid_file(config, None, None)
    closing.callback(pid_file.close)
    assert take_pid_file(config, handover(lock=pid_file.lock), None).lock == pid_file.lock


# The control socket


def test_there_need_not_be_a_control_socket(configure):
    assert take_control(configure(), None, select.poll()) is None


def test_the_control_socket_is_bound(configure, tmp_path, closing):
    control = take_control(configure(control=str(tmp_path / "control")), None, select.poll())
    closing.callback(control.close)
    assert control.path == str(tmp_path / "control")
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(control.path)


@pytest.mark.parametrize("is_moved", [False, True])
def test_a_successor_has_its_predecessors_unless_it_has_moved(configure, tmp_path, closing, is_moved):
    path = str(tmp_path / "control")
    first = take_control(configure(control=path), None, select.poll())
    closing.callback(first.close)
    wanted = path + ".new" if is_moved else path
    given = os.dup(first.listener.socket.fileno())
    taken = take_control(configure(control=wanted), handover(control=(given, path)), select.poll())
    closing.callback(taken.close)
    assert taken.path == wanted
    assert (taken.listener.socket.fileno() == given) != is_moved
    if is_moved:
        os.close(given)


# What was handed over


@pytest.fixture
def environ(monkeypatch):
    """The environment, without what the tests were started with."""
    for name in ("LISTEN_FDS", "LISTEN_PID", "NOTIFY_SOCKET", "GEMD_HANDOVER"):
        monkeypatch.delenv(name, raising=False)
    return os.environ


def test_nothing_is_inherited_from_a_shell(environ, tmp_path):
    inherited = Inherited(tmp_path)
    assert (inherited.handover, inherited.directory, inherited.take_listeners(10.0)) == (None, tmp_path, [])


def test_variables_that_set_keys_are_taken_once(environ, tmp_path, monkeypatch):
    monkeypatch.setenv("GEMD_WORKERS", "3")
    inherited = Inherited(tmp_path)
    assert inherited.settings == {}
    assert inherited.take_settings() == inherited.settings == {"GEMD_WORKERS": "3"}
    assert "GEMD_WORKERS" not in environ


def test_sockets_of_a_service_manager_are_taken_as_given(environ, tmp_path, monkeypatch, closing):
    listening = closing.enter_context(socket.create_server(("127.0.0.1", 0)))
    monkeypatch.setattr(resources, "take_listen_descriptors", lambda _: [os.dup(listening.fileno())])
    monkeypatch.setenv("NOTIFY_SOCKET", "@there")
    inherited = Inherited(tmp_path)
    (listener,) = inherited.take_listeners(10.0)
    closing.callback(listener.close)
    assert listener.is_given
    assert listener.port == listening.getsockname()[1]
    assert "NOTIFY_SOCKET" not in environ  # no worker and no script is to see it
    assert inherited.notifier.variables == {"NOTIFY_SOCKET": "@there"}


def test_listeners_of_a_predecessor_are_taken_with_their_addresses(environ, monkeypatch, closing):
    listening = closing.enter_context(socket.create_server(("127.0.0.1", 0)))
    ours, its = socket.socketpair()
    closing.enter_context(ours)
    closing.enter_context(its)
    descriptors = [os.dup(listening.fileno()) for _ in range(2)]
    listeners = ((descriptors[0], "localhost:0", False), (descriptors[1], "127.0.0.1:0", True))
    left = handover(directory="/etc", channel=its.fileno(), listeners=listeners)
    monkeypatch.setenv("GEMD_HANDOVER", msgspec.json.encode(left).decode())
    inherited = Inherited(Path("/"))
    taken = inherited.take_listeners(10.0)
    for listener in taken:
        closing.callback(listener.close)
    assert inherited.handover == left
    assert inherited.directory == Path("/etc")
    assert [(listener.is_given, listener.address.host) for listener in taken] == [
        (False, "localhost"),
        (True, "127.0.0.1"),
    ]
    assert "GEMD_HANDOVER" not in environ


def test_without_tls_no_certificate_is_made(configure, tmp_path):
    config = configure(listen=[{"address": "127.0.0.1:0", "tls": False}])
    got = acquire_resources(config, [], None)
    close_new(got.listeners, ())
    assert got.certificates == {}
    assert not (tmp_path / "certificates").exists()


def test_who_has_the_rest_needs_no_certificate(configure, root):
    hosts = [{"name": "localhost", "root": str(root)}, {"name": "*", "root": str(root)}]
    got = acquire_resources(configure(host=hosts), [], None)
    close_new(got.listeners, ())
    assert list(got.certificates) == ["localhost"]


@pytest.fixture
def unix(configure, tmp_path):
    """A configuration with a unix socket of this mode, and another listener."""

    def unix(mode):
        return configure(listen=["127.0.0.1:0", {"address": f"unix:{tmp_path}/s", "mode": mode}])

    return unix


def test_a_unix_socket_has_its_mode_from_the_start_and_a_new_one_later(unix, tmp_path):
    config = unix("0600")
    got = acquire_resources(config, [], None)
    try:
        assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600
        assert [entry.mode for entry in find_settings(got.listeners, config)] == [None, "0600"]
        apply_socket_files(unix("0620"), got.listeners)
        assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o620
        (tmp_path / "s").unlink()
        with pytest.raises(BindError, match="that takes a restart"):
            apply_socket_files(config, got.listeners)
    finally:
        close_new(got.listeners, ())


def test_a_socket_that_could_be_any_is_refused(configure, tmp_path):
    several = configure(listen=["127.0.0.1:0", {"address": f"unix:{tmp_path}/s", "tls": False}])
    given = bind_all([Address("127.0.0.1", 0)], 10.0)
    place = Address(*given[0].socket.getsockname())
    handed = [Listener(given[0].socket, place, is_given=True)]
    try:
        with pytest.raises(BindError, match="was handed over, and `listen` has several kinds"):
            find_settings(handed, several)
        assert find_settings(handed, configure())[0].address == place
    finally:
        close_new(given, ())


@pytest.mark.parametrize(
    ("host", "entry", "is_right"),
    [
        ("0.0.0.0", {"address": "127.0.0.1:{}", "tls": False}, False),
        ("0.0.0.0", {"address": "0.0.0.0:{}", "tls": False, "force": True}, True),
        ("127.0.0.2", {"address": "127.0.0.1:{}", "tls": False}, True),
        ("0.0.0.0", "127.0.0.1:{}", True),
    ],
)
def test_a_socket_for_all_is_without_tls_only_by_force(configure, host, entry, is_right):
    with socket.create_server((host, 0)) as server:
        port = server.getsockname()[1]
        handed = [Listener(server, Address(host, port), is_given=True)]
        address = {"address": entry} if isinstance(entry, str) else entry
        config = configure(listen=[{**address, "address": address["address"].format(port)}])
        if is_right:
            assert find_settings(handed, config)[0].tls == config.listen[0].tls
        else:
            with pytest.raises(BindError, match=r"would be without TLS .* with force = true"):
                find_settings(handed, config)
