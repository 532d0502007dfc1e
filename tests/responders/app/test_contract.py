import pytest

from gemd.responders.app.contract import AppError, check_result, close_result, encode_chunk, is_awaitable

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


class Stream:
    def __aiter__(self):
        """Asynchronous: for who knows how to wait."""


@pytest.mark.parametrize(("thing", "said"), [(1, "an object of type int"), (Stream(), "an object of type Stream")])
def test_what_is_refused_says_why(thing, said):
    for check in (check_result, encode_chunk):
        with pytest.raises(AppError) as error:
            check(thing)
        assert said in str(error.value)


async def coroutine():
    """Never awaited."""


def test_what_has_to_be_awaited():
    made = coroutine()
    assert is_awaitable(made)
    made.close()
    assert not any(map(is_awaitable, (b"", "", [], None, iter("a"), coroutine)))


class Closing:
    def __init__(self):
        self.closed = 0

    def close(self):
        self.closed += 1


def test_what_can_be_closed_is():
    thing = Closing()
    assert close_result(thing) is None
    assert thing.closed == 1
    assert close_result([]) is None


def test_what_is_closed_asynchronously_has_to_be_awaited():
    async def stream():
        yield b""

    closing = close_result(stream())
    assert is_awaitable(closing)
    with pytest.raises(StopIteration):
        closing.send(None)


def test_a_lone_surrogate_can_not_be_sent():
    with pytest.raises(UnicodeEncodeError):
        encode_chunk("\ud800")
