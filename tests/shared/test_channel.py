"""Log files on their way to a worker, and its last words on theirs back."""

import os
import resource
import socket

import pytest

from gemd.shared.channel import hear_last_words, receive_files, say_last_words, send_files


@pytest.fixture
def channel():
    """The master's end and the worker's."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    yield ours, its
    ours.close()
    its.close()


@pytest.fixture
def files(tmp_path):
    """A file for each of these names, open to write."""
    opened = []

    def files(names):
        opened.extend(os.open(tmp_path / name, os.O_WRONLY | os.O_CREAT, 0o600) for name in names)
        return opened

    yield files
    for descriptor in opened:
        os.close(descriptor)


def receive_all(channel, number):
    """So many messages: paths, and the files that came with them."""
    paths, names = [], []
    for _ in range(number):
        some, descriptors = receive_files(channel[1])
        paths += some
        for descriptor in descriptors:
            names.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))
            os.close(descriptor)
    return paths, names


@pytest.mark.parametrize(("number", "messages"), [(1, 1), (16, 1), (17, 2), (50, 4)])
def test_each_file_comes_with_its_path(channel, files, number, messages):
    names = [str(nr) for nr in range(number)]
    paths = [f"/var/log/gemd/a b {name} \u00e9\udcff" for name in names]
    send_files(channel[0], paths, files(names))
    assert receive_all(channel, messages) == (paths, names)


def test_paths_may_be_as_long_as_they_can_be(channel, files):
    paths = [f"/{nr:04095}" for nr in range(16)]
    send_files(channel[0], paths, files(map(str, range(16))))
    assert receive_all(channel, 1)[0] == paths


def test_what_comes_does_not_survive_exec(channel, files):
    send_files(channel[0], ["/a"], files(["a"]))
    _, (descriptor,) = receive_files(channel[1])
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)


def test_where_no_descriptor_is_free_there_are_fewer(channel, files):
    send_files(channel[0], ["/a", "/b"], files(["a", "b"]))
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir("/proc/self/fd")))
    fillers = [os.dup(0) for _ in range(highest)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(fillers) + 1, before[1]))
    try:
        assert receive_files(channel[1]) == (["/a", "/b"], [])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for filler in fillers:
            os.close(filler)


def test_the_end(channel):
    channel[0].close()
    assert receive_files(channel[1]) == ([], [])


def test_last_words_are_heard_though_the_worker_has_gone_and_not_read_ours(channel):
    ours, its = channel
    send_files(ours, ["/a"], [its.fileno()])
    say_last_words(its, "why\nnot \udc80")
    its.close()
    assert hear_last_words(ours) == "why not \\udc80"
    assert hear_last_words(ours) == ""


def test_one_that_says_nothing_or_something_else_is_not_waited_for(channel):
    ours, its = channel
    assert hear_last_words(ours) == ""
    its.send(b"nonsense")
    assert hear_last_words(ours) == ""
    ours.close()
    say_last_words(its, "to nobody")
