import pytest

from gemd.responders.app.contract import AppError, check_result, encode_chunk

RESULTS = {
    "nothing": (None, []),
    "bytes": (b"ab", [b"ab"]),
    "text": ("ab", ["ab"]),
    "pieces": (["a", b"b"], ["a", b"b"]),
}


@pytest.mark.parametrize(("result", "pieces"), RESULTS.values(), ids=RESULTS)
def test_what_an_application_may_return(result, pieces):
    assert list(check_result(result)) == pieces


CHUNKS = {
    "bytes": (b"a", b"a"),
    "text": ("ü", "ü".encode()),
    "nothing": (None, b""),
    "bytearray": (bytearray(b"a"), b"a"),
    "memoryview": (memoryview(b"abc")[1:], b"bc"),
}


@pytest.mark.parametrize(("chunk", "sent"), CHUNKS.values(), ids=CHUNKS)
def test_what_a_piece_may_be(chunk, sent):
    encoded = encode_chunk(chunk)
    assert (encoded, type(encoded)) == (sent, bytes)


class Deferred:
    def addCallback(self, function):  # noqa: N802
        """Twisted's."""


class Stream:
    def __aiter__(self):
        """Asynchronous."""


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        (1, "an object of type int"),
        (Deferred(), "a Deferred (there is no reactor here"),
        (Stream(), "a coroutine (there is no event loop here"),
    ],
)
def test_what_is_refused_says_why(thing, said):
    for check in (check_result, encode_chunk):
        with pytest.raises(AppError) as error:
            check(thing)
        assert said in str(error.value)


def test_a_lone_surrogate_can_not_be_sent():
    with pytest.raises(UnicodeEncodeError):
        encode_chunk("\ud800")
