import os

import pytest

from gemd.system.standard_streams import StandardStreams


@pytest.fixture
def streams():
    """Copies, and all is as it was afterwards."""
    before = {number: os.dup(number) for number in (1, 2)}
    streams = StandardStreams()
    yield streams
    streams.close()
    for number, copy in before.items():
        os.dup2(copy, number)
        os.close(copy)


def identity(descriptor):
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def test_the_copies_lead_where_the_streams_led(streams, tmp_path):
    before = {number: identity(number) for number in (1, 2)}
    with (tmp_path / "other").open("wb") as other:
        os.dup2(other.fileno(), 1)
    os.close(2)
    assert {number: identity(copy) for number, copy in streams.copies.items()} == before
    assert all(copy > 2 and not os.get_inheritable(copy) for copy in streams.copies.values())


def test_what_is_closed_has_no_copy(streams, tmp_path):
    with (tmp_path / "other").open("wb") as other:
        os.dup2(other.fileno(), 1)
        os.close(2)
        streams.copy()
        assert {number: identity(copy) for number, copy in streams.copies.items()} == {1: identity(other.fileno())}


def test_they_are_closed_once(streams):
    before = len(os.listdir("/proc/self/fd"))
    streams.close()
    streams.close()
    assert len(os.listdir("/proc/self/fd")) == before - 2
    assert streams.copies == {}
