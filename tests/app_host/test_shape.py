"""What a process becomes before it imports an application; in a child, since there is no way back."""

import os
import signal

import pytest

from gemd.app_host.shape import become_host
from gemd.config.host_settings import Location

from .conftest import make_setup


def in_child(work):
    """What `work` says of a child, and how that has ended."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, work().encode())
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        said = file.read().decode()
    return said, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGTTOU])
def test_a_signal_to_the_group_does_nothing_and_is_not_ignored(number):
    def work():
        signal.pthread_sigmask(signal.SIG_BLOCK, [number])
        become_host(make_setup(Location(app="m:app")))
        os.kill(os.getpid(), number)
        return f"{signal.getsignal(number) is signal.SIG_IGN} {signal.pthread_sigmask(signal.SIG_BLOCK, ())}"

    assert in_child(work) == ("False set()", 0)


def test_its_directory_and_its_standard_input(tmp_path):
    def work():
        become_host(make_setup(Location(app="m:app", app_directory=str(tmp_path))))
        return f"{os.getcwd()} {os.readlink('/proc/self/fd/0')}"

    assert in_child(work) == (f"{tmp_path} /dev/null", 0)


def test_a_directory_that_is_not_there_is_an_error(tmp_path):
    def work():
        try:
            become_host(make_setup(Location(app="m:app", app_directory=str(tmp_path / "none"))))
        except FileNotFoundError as error:
            return str(error.filename)
        return ""

    assert in_child(work) == (str(tmp_path / "none"), 0)
