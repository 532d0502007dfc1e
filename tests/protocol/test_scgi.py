import pytest

from gemd.protocol.scgi import encode_scgi_request

PARAMS = {b"SERVER_PROTOCOL": b"GEMINI", b"SCRIPT_NAME": b"/app", b"PATH_INFO": b"/x", b"QUERY_STRING": b""}


def test_a_request():
    expected = (
        "39313a434f4e54454e545f4c454e475448003000534347490031005345525645525f50524f544f434f4c0047454d494e49005343524950545f"
        "4e414d45002f61707000504154485f494e464f002f780051554552595f535452494e4700002c"
    )
    assert encode_scgi_request(PARAMS).hex() == expected


def test_a_request_that_a_body_follows():
    params = {b"SERVER_PROTOCOL": b"TITAN", b"CONTENT_TYPE": b"text/gemini"}
    expected = (
        "37313a434f4e54454e545f4c454e475448003500534347490031005345525645525f50524f544f434f4c00544954414e00434f4e54454e54"
        "5f5459504500746578742f67656d696e69002c"
    )
    assert encode_scgi_request(params, 5).hex() == expected


def test_nobody_has_another_length():
    assert b"CONTENT_LENGTH\x000\0" in encode_scgi_request({b"CONTENT_LENGTH": b"7"})
    assert encode_scgi_request({b"CONTENT_LENGTH": b"7"}).count(b"CONTENT_LENGTH") == 1


@pytest.mark.parametrize("params", [{b"": b"x"}, {b"A\0": b"x"}, {b"A": b"\0"}])
def test_what_can_not_be_said(params):
    with pytest.raises(ValueError):
        encode_scgi_request(params)
