"""Records of TLS, in any pieces."""

import pytest

from gemd.protocol.tls_record import RecordStream

RECORDS = [b"\x16\x03\x01\x00\x03abc", b"\x17\x03\x03\x00\x00", b"\x17\x03\x03\x40\x00" + b"x" * 16384]


def take_all(stream):
    taken = []
    while stream.has_record:
        taken.append(stream.take())
    return taken


@pytest.mark.parametrize("size", [1, 4, 1000, 100_000])
def test_records_come_one_by_one(size):
    octets, stream, taken = b"".join(RECORDS), RecordStream(), []
    for at in range(0, len(octets), size):
        stream.feed(octets[at : at + size])
        taken += take_all(stream)
    assert taken == RECORDS
    assert stream.take() == b""


def test_half_a_record_is_none():
    stream = RecordStream()
    stream.feed(RECORDS[0] + RECORDS[2][:-1])
    assert take_all(stream) == RECORDS[:1]
    assert stream.take() == b""
    stream.feed(b"x")
    assert take_all(stream) == RECORDS[2:]


@pytest.mark.parametrize("octets", [b"HTTP/1.1 400", b"\x17\x02\x00\x00\x00", b"\x17\x03\x03\x48\x01x", b"20 a/b"])
def test_what_is_no_record_is_told_at_once(octets):
    stream = RecordStream()
    stream.feed(RECORDS[0] + octets)
    assert take_all(stream) == [RECORDS[0], octets]
