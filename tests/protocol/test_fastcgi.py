"""FastCGI's records: vectors that other implementations have taken, and whatever can be wrong with one."""

import pytest

from gemd.protocol.fastcgi import (
    AnswerReader,
    End,
    FastCGIError,
    ParamsReader,
    ProtocolStatus,
    RecordReader,
    RecordType,
    decode_params,
    encode_end,
    encode_params,
    encode_record,
    encode_request,
    encode_stream,
)

REQUEST = bytes.fromhex(
    "01010001000800000001000000000000"
    "01040001004305000b045343524950545f4e414d452f6170700902504154485f494e464f2f78"
    "0f065345525645525f50524f544f434f4c47454d494e490c0051554552595f535452494e470000000000"
    "0104000100000000"
    "0105000100000000"
)
PARAMS = {b"SCRIPT_NAME": b"/app", b"PATH_INFO": b"/x", b"SERVER_PROTOCOL": b"GEMINI", b"QUERY_STRING": b""}
END = bytes.fromhex("01030001000800000000000000000000")
STDOUT = bytes.fromhex("0106000100150300323020746578742f67656d696e690d0a232048690a000000")
IN_FOUR = bytes.fromhex(
    "01060001000107003200000000000000"
    "01060001000a06003020746578742f67656d000000000000"
    "0106000100040400696e690d00000000"
    "0106000100060200"
    "0a232048690a0000"
)
FCGIWRAP = bytes.fromhex(
    "01070001000602006f6f70730d0a0000"
    "0107000100000000"
    "0106000100150300323020746578742f67656d696e690d0a232048690a000000"
    "0106000100000000"
    "01030001000800000000000000000000"
)
VALUES = bytes.fromhex(
    "010a0000002305000e01464347495f4d41585f434f4e4e53310f01464347495f4d5058535f434f4e4e53300022dacc6e"
)
PAGE = b"20 text/gemini\r\n# Hi\n"


def test_a_request_is_what_others_understand():
    assert encode_request(PARAMS) == REQUEST


@pytest.mark.parametrize("step", [1, 3, 7, 8, 64, 200])
def test_a_request_is_read_in_any_pieces(step):
    reader = ParamsReader()
    pieces = [REQUEST[i : i + step] for i in range(0, len(REQUEST), step)]
    assert [reader.feed(piece) for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert reader.params == PARAMS


@pytest.mark.parametrize("size", [0, 1, 127, 128, 300, 70_000])
def test_lengths_of_names_and_values(size):
    params = {b"N" * max(1, size): b"v" * size, b"A": b""}
    assert decode_params(encode_params(params)) == params
    reader = ParamsReader()
    assert reader.feed(encode_request(params))
    assert reader.params == params


def test_a_long_value_has_a_length_of_four_octets():
    assert encode_params({b"GEMINI_URL": b"g" * 130})[:15] == bytes.fromhex("0a8000008247454d494e495f55524c")
    assert encode_params({b"A": b"g" * 127})[:2] == bytes.fromhex("017f")


@pytest.mark.parametrize("data", [b"\x01", b"\x05\x05abc", b"\x80\x00", b"\x01\x80\x00\x00\x05ab", b"\x03"])
def test_a_pair_that_is_cut_off(data):
    with pytest.raises(FastCGIError, match="cut off"):
        decode_params(data)


@pytest.mark.parametrize("answer", [STDOUT + END, IN_FOUR + END, FCGIWRAP, VALUES + STDOUT + VALUES + END])
@pytest.mark.parametrize("step", [1, 5, 8, 1000])
def test_an_answer_is_read_in_any_pieces(answer, step):
    reader = AnswerReader()
    out = b"".join(reader.feed(answer[i : i + step]) for i in range(0, len(answer), step))
    assert out == PAGE
    assert reader.end == End(0, ProtocolStatus.REQUEST_COMPLETE)


def test_what_is_said_on_standard_error_is_apart_and_bounded():
    reader = AnswerReader()
    reader.feed(FCGIWRAP)
    assert reader.errors == b"oops\r\n"
    reader = AnswerReader()
    reader.feed(encode_stream(RecordType.STDERR, b"e" * 200_000))
    assert len(reader.errors) == 65536


def test_an_answer_without_its_last_record_is_not_complete():
    reader = AnswerReader()
    assert reader.feed(STDOUT + END[:-1]) == PAGE
    assert reader.end is None
    assert reader.feed(END[-1:]) == b""
    assert reader.end is not None


def test_what_comes_after_the_end_is_left():
    reader = AnswerReader()
    assert reader.feed(STDOUT + END + STDOUT + encode_end(7)) == PAGE
    assert reader.end == End(0, 0)


@pytest.mark.parametrize("step", [1, 5, 8, 1000])
def test_even_if_it_is_no_record(step):
    """Whether it comes with the end or later is chance."""
    reader, answer = AnswerReader(), STDOUT + END + b"bye\r\n" * 10
    out = b"".join(reader.feed(answer[i : i + step]) for i in range(0, len(answer), step))
    assert (out, reader.end) == (PAGE, End(0, 0))


def test_so_many_records_are_read_at_once():
    """One that has an octet costs as much as one that has thousands."""
    reader = AnswerReader()
    records = b"".join(encode_record(RecordType.STDOUT, b"%d" % number) for number in range(10)) + VALUES * 3 + END
    pieces = [reader.feed(records, max_records=4)]
    while reader.has_more:
        pieces.append(reader.feed(b"", max_records=4))
    assert pieces == [b"0123", b"4567", b"89", b""]
    assert reader.end == End(0, 0)


def test_how_it_ended():
    reader = AnswerReader()
    reader.feed(encode_end(1, ProtocolStatus.OVERLOADED))
    assert reader.end == End(1, 2)
    assert encode_end(1) == bytes.fromhex("01030001000800000000000100000000")


@pytest.mark.parametrize("size", [0, 1, 65528, 65529, 200_000])
def test_a_stream_is_as_many_records_as_it_needs(size):
    data = bytes(range(256)) * (size // 256 + 1)
    records = list(RecordReader().feed(encode_stream(RecordType.STDOUT, data[:size])))
    assert b"".join(record.content for record in records) == data[:size]
    assert len(records) == -(-size // 65528)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x02" + END[1:], "version 2"),
        (b"HTTP/1.1 200 OK\r\n", "version 72"),
        (END[:3] + b"\x02" + END[4:], "request id 2"),
        (b"\x01\x63" + END[2:], "unknown type 99"),
        (encode_record(RecordType.END_REQUEST, b"\0" * 7), "7 octets"),
        (encode_record(RecordType.PARAMS, b""), "PARAMS is no answer"),
    ],
)
def test_what_is_no_answer(data, text):
    with pytest.raises(FastCGIError, match=text):
        AnswerReader().feed(data)


def test_a_record_that_has_begun_is_waited_for():
    reader = RecordReader()
    assert list(reader.feed(END[:3])) == []
    assert len(list(reader.feed(END[3:]))) == 1
