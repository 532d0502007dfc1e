"""What all codecs have to be, whatever they speak."""

from contextlib import suppress

import pytest

from gemd.responders.gateway.codec import Codec, CodecError
from gemd.responders.gateway.fastcgi import FastCGICodec
from gemd.responders.gateway.scgi import SCGICodec

CODECS = [FastCGICodec, SCGICodec]


@pytest.mark.parametrize("make", CODECS)
def test_a_new_one_has_something_to_say_and_has_heard_nothing(make):
    codec: Codec = make({b"A": b"b"})
    assert codec.take()
    assert not codec.is_complete
    assert (codec.complaints(), codec.has_more) == (b"", False)


@pytest.mark.parametrize("make", CODECS)
def test_what_ends_is_complete_or_a_fault(make):
    codec: Codec = make({})
    with suppress(CodecError):
        codec.end()
        assert codec.is_complete
        return
    assert not codec.is_complete
