"""What is uploaded, as a route sees it."""

import io

from gemd.app import Request, UploadedFile
from gemd.app.upload import find_upload

BODY = io.BytesIO(b"hello")
ENVIRON = {"CONTENT_LENGTH": 5, "CONTENT_TYPE": "text/plain", "TITAN_TOKEN": "t", "titan.body": BODY}


def test_an_upload():
    assert find_upload(ENVIRON) == UploadedFile(BODY, 5, "text/plain", "t")
    assert find_upload({**ENVIRON, "TITAN_TOKEN": ""}).token == ""
    del (environ := dict(ENVIRON))["TITAN_TOKEN"]
    assert find_upload(environ).token is None


def test_what_is_shown_has_no_token():
    shown = repr(find_upload({**ENVIRON, "TITAN_TOKEN": "sesame"}))
    assert "sesame" not in shown
    assert shown.endswith(", 5, 'text/plain', token=...)")
    assert repr(UploadedFile(BODY, 5, "text/plain", None)).endswith(", 5, 'text/plain', token=None)")


def test_nothing_is_uploaded():
    assert find_upload({}) is None
    assert find_upload({"TITAN_EDIT": "1"}) is None


def test_a_request_has_it():
    request = Request({**ENVIRON, "GEMINI_URL": "titan://h/a"})
    assert request.upload.body.read() == b"hello"
    assert request.upload is request.upload
    assert not request.is_edit
    assert Request({"TITAN_EDIT": "1", "GEMINI_URL": "titan://h/a"}).is_edit
    assert Request({"GEMINI_URL": "gemini://h/a"}).upload is None


def test_a_request_of_an_application_s_own_may_have_something_else_there():
    class Own(Request):
        def __init__(self, environ):
            super().__init__(environ)
            self.upload = 7

    assert Own({"GEMINI_URL": "gemini://h/a"}).upload == 7
