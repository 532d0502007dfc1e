"""FastCGI, as an application is asked by it: what comes in whatever pieces is an answer, or a fault with a name."""

import pytest

from gemd.protocol.fastcgi import ParamsReader, RecordReader, RecordType, encode_end, encode_record
from gemd.responders.gateway.codec import CodecError
from gemd.responders.gateway.fastcgi import FastCGICodec

PAGE = b"20 text/gemini\r\n# Hi\n"
STDOUT = encode_record(RecordType.STDOUT, PAGE)
END = encode_end()


def make():
    return FastCGICodec({b"PATH_INFO": b"/x"})


def test_a_request_is_sent_once():
    codec, reader = make(), ParamsReader()
    assert reader.feed(codec.take())
    assert reader.params == {b"PATH_INFO": b"/x"}
    assert codec.take() == b""
    assert not codec.has_more


ANSWERS = {
    "plain": STDOUT + END,
    "the end of the output": STDOUT + encode_record(RecordType.STDOUT) + END,
    "in four records": b"".join(
        encode_record(RecordType.STDOUT, piece) for piece in (b"2", b"0 text/gem", b"ini\r", b"\n# Hi\n")
    )
    + END,
    "the most padding": b"\x01\x06\x00\x01\x00\x15\xff\x00" + PAGE + b"x" * 255 + END,
    "records of the connection between": b"\x01\x0b\0\0\0\x08\0\0" + b"x" * 8 + STDOUT + b"\x01\x0a\0\0\0\0\0\0" + END,
    "after the end": STDOUT + END + END + STDOUT,
    "after the end, and no record": STDOUT + END + b"Connection closed\r\n",
    "a status of its own": STDOUT + encode_end(3),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_an_answer_is_the_output_until_its_end(answer, size):
    codec = make()
    pieces = [answer[at : at + size] for at in range(0, len(answer), size)]
    assert b"".join(codec.feed(piece) for piece in pieces) == PAGE
    assert codec.is_complete
    codec.end()


def test_an_answer_of_many_records_is_not_looked_at_in_one_go():
    """So that others have their turn between."""
    codec, record = make(), encode_record(RecordType.STDOUT, b"x")
    sizes = [len(codec.feed(record * 4000 + END))]
    while codec.has_more:
        sizes.append(len(codec.feed(b"")))
    assert sum(sizes) == 4000
    assert max(sizes) <= 256
    assert codec.is_complete


@pytest.mark.parametrize("size", range(len(STDOUT + END)))
def test_an_answer_that_is_cut_off_is_not_complete(size):
    codec = make()
    assert PAGE.startswith(codec.feed((STDOUT + END)[:size]))
    assert not codec.is_complete
    with pytest.raises(CodecError, match="closed before its answer ended"):
        codec.end()


FAULTS = {
    "version 2": (b"\x02" + STDOUT[1:], "a record has version 2"),
    "id 2": (b"\x01\x06\x00\x02" + STDOUT[4:], "the request id 2"),
    "type 11 of the request": (b"\x01\x0b\x00\x01" + STDOUT[4:], "the unknown type 11"),
    "what is not said by an application": (encode_record(RecordType.STDIN, b"x"), "STDIN is no answer"),
    "a short end": (encode_record(RecordType.END_REQUEST, b"xxxx"), "END_REQUEST has 4 octets"),
    "HTTP": (b"HTTP/1.1 400 Bad Request\r\n", "a record has version 72"),
    "nothing": (END, "said nothing$"),
    "nothing, and a status": (encode_end(2), "said nothing and ended with 2"),
    "no multiplexing": (encode_end(0, 1), "takes no other request"),
    "overloaded": (encode_end(0, 2), "is overloaded"),
    "no responder": (encode_end(0, 3), "is no responder"),
    "overloaded after all": (STDOUT + encode_end(0, 2), "is overloaded"),
    "an unknown protocol status": (STDOUT + encode_end(0, 7), "the unknown protocol status 7"),
}


@pytest.mark.parametrize(("answer", "reason"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named(answer, reason):
    with pytest.raises(CodecError, match=reason):
        make().feed(answer)


def test_complaints_are_kept_and_are_no_answer():
    codec = make()
    assert codec.feed(encode_record(RecordType.STDERR, b"oops\n") + STDOUT) == PAGE
    assert codec.complaints() == b"oops\n"
    codec.feed(encode_record(RecordType.STDERR, b"x" * 65528) * 2 + END)
    assert codec.complaints() == (b"oops\n" + b"x" * 65536)[:65536]


def test_a_status_of_its_own_is_complained_of():
    codec = make()
    codec.feed(STDOUT + encode_end(3))
    assert codec.complaints() == b"\nEND_REQUEST with the status 3"


class Uploaded:
    def __init__(self, *pieces):
        self.pieces = list(pieces)
        self.size = sum(map(len, pieces))

    @property
    def is_over(self):
        return not any(self.pieces)

    def take(self):
        return self.pieces.pop(0) if self.pieces else b""


def test_an_upload_is_a_stream_that_ends_once():
    codec = FastCGICodec({b"PATH_INFO": b"/x"}, Uploaded(b"a" * 65529, b"", b"b"))
    records = RecordReader()
    said = [*records.feed(codec.take())]
    while data := codec.take_upload() or codec.take_upload():
        said += records.feed(data)
    assert said[-4:] == [
        (RecordType.STDIN, b"a" * 65528),
        (RecordType.STDIN, b"a"),
        (RecordType.STDIN, b"b"),
        (RecordType.STDIN, b""),
    ]
    assert [kind for kind, _ in said[:-4]] == [RecordType.BEGIN_REQUEST, RecordType.PARAMS, RecordType.PARAMS]
    assert (codec.take(), codec.take_upload()) == (b"", b"")
    assert make().take_upload() == b""
