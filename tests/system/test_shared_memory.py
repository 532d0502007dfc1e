import faulthandler
import os
import signal

import pytest

from gemd.system.shared_memory import PAGE, SharedMemory


@pytest.fixture
def in_child():
    """Call a function in a forked child; minus the signal that ended it, or 0."""

    def in_child(function):
        pid = os.fork()
        if pid == 0:
            faulthandler.disable()
            try:
                function()
                os._exit(0)
            finally:
                os._exit(1)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    return in_child


def test_it_is_empty_and_as_large_as_asked_for():
    assert bytes(SharedMemory(2 * PAGE).octets) == bytes(2 * PAGE)


def test_what_a_child_writes_is_seen(in_child):
    memory = SharedMemory(PAGE)

    def write():
        memory.octets[:5] = b"hello"

    assert in_child(write) == 0
    assert bytes(memory.octets[:6]) == b"hello\0"


@pytest.mark.parametrize("page", range(4))
@pytest.mark.parametrize("where", [0, PAGE - 1])
def test_a_child_that_is_kept_to_a_part_writes_there_and_reads_everywhere(in_child, page, where):
    memory = SharedMemory(4 * PAGE)
    memory.octets[:] = b"\1" * 4 * PAGE

    def write():
        memory.write_only(2 * PAGE, PAGE)
        assert bytes(memory.octets) == b"\1" * 4 * PAGE
        memory.octets[page * PAGE + where] = 2

    assert in_child(write) == (0 if page == 2 else -signal.SIGSEGV)
    assert memory.octets[page * PAGE + where] == (2 if page == 2 else 1)
    memory.octets[:] = bytes(4 * PAGE)  # who has it all keeps it


@pytest.mark.parametrize("start", [0, 1])
def test_a_part_at_the_edge(in_child, start):
    memory = SharedMemory(2 * PAGE)

    def write():
        memory.write_only(start * PAGE, PAGE)
        memory.octets[start * PAGE] = 1

    assert in_child(write) == 0


def test_what_the_kernel_refuses_is_an_error():
    with pytest.raises(OSError, match="Invalid argument"):
        SharedMemory(2 * PAGE).write_only(1, PAGE)
