"""SCGI, as an application is asked by it: its answer is whatever comes until it closes."""

from types import SimpleNamespace

from gemd.responders.gateway.scgi import SCGICodec


def test_a_request_is_sent_once():
    codec = SCGICodec({b"PATH_INFO": b"/x"})
    assert codec.take() == b"37:CONTENT_LENGTH\x000\x00SCGI\x001\x00PATH_INFO\x00/x\x00,"
    assert codec.take() == b""


def test_an_answer_is_complete_when_the_application_closes():
    codec = SCGICodec({})
    assert codec.feed(b"20 text/gemini\r\n") == b"20 text/gemini\r\n"
    assert codec.feed(b"# Hi\n") == b"# Hi\n"
    assert not codec.is_complete
    assert not codec.has_more
    codec.end()
    assert codec.is_complete
    assert codec.complaints() == b""


def test_an_upload_follows_and_its_length_comes_first():
    pieces = [b"hel", b"", b"lo"]
    codec = SCGICodec({b"CONTENT_LENGTH": b"5"}, SimpleNamespace(size=5, take=lambda: pieces.pop(0)))
    assert codec.take() == b"24:CONTENT_LENGTH\x005\x00SCGI\x001\x00,"
    assert codec.take() == b""
    assert [codec.take_upload() for _ in range(3)] == [b"hel", b"", b"lo"]
    assert SCGICodec({}).take_upload() == b""
