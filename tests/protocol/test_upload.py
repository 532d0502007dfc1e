from gemd.protocol.upload import Upload


def test_what_a_request_does_not_say():
    upload = Upload(5)
    assert (upload.size, upload.media_type, upload.token) == (5, "text/gemini", None)
    assert not upload.is_edit
    assert upload.body is None
