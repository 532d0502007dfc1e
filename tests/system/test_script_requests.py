"""The messages between who asks for a script and its script host."""

import os
import socket

import msgspec
import pytest

from gemd.system.running_script import Remains
from gemd.system.script_limits import ScriptLimits
from gemd.system.script_requests import (
    Ended,
    Failed,
    Gone,
    Started,
    ask_to_start,
    is_wanted,
    parse_message,
    receive_request,
    tell,
)
from gemd.system.script_start import ScriptFile
from tests.support.descriptors import open_descriptors

LIMITS = ScriptLimits(cpu_seconds=7)


@pytest.fixture
def host():
    """The ends of the socket by which a host is asked: the worker's and its own."""
    requests, served = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    served.setblocking(False)
    with requests, served:
        yield requests, served


def ask(host, file):
    """The socket by which the answer comes."""
    try:
        return ask_to_start(host[0], file, {"PATH": "/bin", "ODD": "\udcff"}, LIMITS, 1.5)
    finally:
        file.close()


def test_what_is_asked_arrives(host, tmp_path):
    before = open_descriptors()
    with ask(host, ScriptFile(str(tmp_path / "script"), arguments=["-a"])) as control:
        request, file, its = receive_request(host[1])
        with its:
            assert (file.path, file.name, file.arguments) == (str(tmp_path / "script"), "script", ("-a",))
            assert (request.limits, request.after, request.environ) == (
                LIMITS,
                1.5,
                {b"PATH": b"/bin", b"ODD": b"\xff"},
            )
            assert os.path.samestat(os.fstat(file.open()), os.stat(tmp_path))
            assert is_wanted(its)
            tell(its, Ended(3))
            assert parse_message(control.recv(100)) == Ended(3)
        file.close()
    assert open_descriptors() == before


@pytest.mark.parametrize("message", [Started(), Failed("no"), Ended(-9), Gone(Remains())])
def test_what_a_host_says_is_understood(message):
    assert parse_message(msgspec.msgpack.encode(message)) == message


def test_nobody_left_who_could_ask_is_nothing(host):
    host[0].close()
    assert receive_request(host[1]) is None


def test_nothing_asked_is_an_error(host):
    with pytest.raises(BlockingIOError):
        receive_request(host[1])


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_request_that_makes_no_sense_is_an_error_and_leaves_nothing(host, number):
    reader, writer = os.pipe()
    before = open_descriptors()
    socket.send_fds(host[0], [b"nonsense"], [reader] * number)
    with pytest.raises(ValueError, match="can't be understood"):
        receive_request(host[1])
    assert open_descriptors() == before
    os.close(reader)
    os.close(writer)


def test_a_request_without_its_socket_is_an_error(host, tmp_path):
    ask(host, ScriptFile(str(tmp_path / "script"))).close()
    data, descriptors = host[1].recv(100_000), []
    socket.send_fds(host[0], [data], descriptors)
    with pytest.raises(ValueError, match="too few descriptors"):
        receive_request(host[1])
