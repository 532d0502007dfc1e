"""What a start gets hold of: sockets, certificates, the pid file, the control socket; and what it was handed."""

import os
import select
import socket
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from gemd.master.handover import Handover
from gemd.startup import resources
from gemd.startup.resources import (
    Inherited,
    acquire_resources,
    close_new,
    load_certificate,
    take_control,
    take_pid_file,
)
from gemd.system.certificates import CertificateError
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
    bind_all = resources.bind_all
    monkeypatch.setattr(resources, "bind_all", lambda *what: bound.extend(bind_all(*what)) or list(bound))
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
