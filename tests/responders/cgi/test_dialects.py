"""What scripts find that were written for another server."""

from typing import get_args

import pytest

from gemd.config.cgi_settings import CGISettings
from gemd.config.types import Dialect
from gemd.protocol.peer import ClientCertificate
from gemd.protocol.upload import Upload
from gemd.responders.cgi.environ import ScriptNames, build_environ
from tests.responders.asking import peer, request

GIVEN = ClientCertificate(
    b"der",
    fingerprint="ab" * 32,
    public_key_fingerprint="cd" * 32,
    common_name="Ada",
    subject="CN=Ada,O=Garden",
    issuer="CN=Root",
    issuer_common_name="Root",
    slashed_subject="/O=Garden/CN=Ada",
    slashed_issuer="/CN=Root",
)
UPPER, LOWER = "SHA256:" + "AB" * 32, "ab" * 32
# By dialect: variables with a certificate, and without one; None for those that are not there.
TABLE = {
    "jetforce": (
        {"AUTH_TYPE": "CERTIFICATE", "TLS_CLIENT_HASH": UPPER, "REMOTE_USER": "Ada", "TLS_CLIENT_SUBJECT_CN": "Ada"},
        {"AUTH_TYPE": None, "REMOTE_USER": None, "REQUEST_METHOD": "", "SCRIPT_PATH": None, "PATH_INFO": "/x"},
    ),
    "gmid": (
        {"AUTH_TYPE": "CERTIFICATE", "TLS_CLIENT_HASH": "SHA256:" + LOWER, "REMOTE_USER": "/O=Garden/CN=Ada"},
        {"AUTH_TYPE": "", "REMOTE_USER": "", "REQUEST_METHOD": "GET", "PATH_INFO": "/x"},
    ),
    "molly-brown": (
        {"AUTH_TYPE": "Certificate", "TLS_CLIENT_HASH": LOWER, "REMOTE_USER": "Ada", "TLS_CLIENT_ISSUER_CN": "Root"},
        {"AUTH_TYPE": None, "REQUEST_METHOD": "", "SCRIPT_PATH": "/srv/cgi-bin/s", "PATH_INFO": "x"},
    ),
    "gemserv": (
        {"AUTH_TYPE": "Certificate", "TLS_CLIENT_HASH": LOWER, "TLS_CLIENT_SUBJECT": "CN=Ada,O=Garden"},
        {"AUTH_TYPE": None, "REQUEST_METHOD": "", "QUERY_STRING": None, "PATH_INFO": "/x"},
    ),
    "gmcapsule": (
        {
            "AUTH_TYPE": "Certificate",
            "TLS_CLIENT_HASH": LOWER,
            "REMOTE_USER": "Ada",
            "REMOTE_IDENT": LOWER + ";" + "cd" * 32,
            "TLS_CLIENT_SUBJECT": "/O=Garden/CN=Ada",
            "TLS_CLIENT_ISSUER": "/CN=Root",
        },
        {"AUTH_TYPE": "", "REMOTE_USER": "", "REMOTE_IDENT": None, "GEMINI_QUERY_STRING": None, "QUERY_STRING": ""},
    ),
    "http": (
        {
            "AUTH_TYPE": "CERTIFICATE",
            "TLS_CLIENT_HASH": UPPER,
            "REMOTE_USER": "Ada",
            "REQUEST_METHOD": "GET",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "h",
            "HTTPS": "on",
            "REDIRECT_STATUS": "200",
        },
        {"AUTH_TYPE": None, "REMOTE_USER": None, "REQUEST_METHOD": "GET", "PATH_INFO": "/x"},
    ),
}


@pytest.fixture
def build(configure):
    def build(dialect, url="/cgi-bin/s/x", asker=None, upload=None):
        names = ScriptNames("/cgi-bin/s", "/x", "/srv/cgi-bin/s", "/home/scripts")
        location = configure().hosts[0].locations[0]
        return build_environ(request(url, asker, upload), location, CGISettings(dialect=dialect), names, None)

    return build


def test_every_dialect_is_here():
    assert set(TABLE) == set(get_args(Dialect))


@pytest.mark.parametrize("dialect", TABLE)
def test_a_dialect_s_variables(build, dialect):
    with_one, without = TABLE[dialect]
    built = build(dialect, asker=peer(client_certificate=GIVEN))
    assert {name: built.get(name) for name in with_one} == with_one
    built = build(dialect)
    assert {name: built.get(name) for name in without} == without


METHODS = {"gmid": "POST", "http": "POST"}


@pytest.mark.parametrize("dialect", TABLE)
def test_an_upload_s_variables(build, dialect):
    built = build(dialect, "titan://h/cgi-bin/s/x", upload=Upload(5, "text/plain", "hunter2"))
    assert (built["CONTENT_LENGTH"], built["CONTENT_TYPE"], built["TITAN_TOKEN"]) == ("5", "text/plain", "hunter2")
    assert built["REQUEST_METHOD"] == METHODS.get(dialect, "")
    assert built["SERVER_PROTOCOL"] == ("HTTP/1.1" if dialect == "http" else "TITAN")
    own = ("titan://h/cgi-bin/s/x", "/cgi-bin/s/x") if dialect == "gmcapsule" else (None, None)
    assert (built.get("TITAN_URL"), built.get("TITAN_URL_PATH")) == own


@pytest.mark.parametrize("dialect", TABLE)
def test_a_text_to_be_edited_is_asked_for_as_any_page_is(build, dialect):
    built = build(dialect, "titan://h/cgi-bin/s/x", upload=Upload(is_edit=True))
    assert built["TITAN_EDIT"] == "1"
    assert built["REQUEST_METHOD"] == build(dialect)["REQUEST_METHOD"]
    assert "CONTENT_LENGTH" not in built


def test_a_query_is_there_if_one_was_sent(build):
    for query in ("", "a%20b"):
        built = build("gmcapsule", f"/cgi-bin/s/x?{query}")
        assert (built["GEMINI_QUERY_STRING"], built["QUERY_STRING"]) == (query, query)
        assert build("gemserv", f"/cgi-bin/s/x?{query}")["QUERY_STRING"] == query


@pytest.mark.parametrize("dialect", TABLE)
def test_no_value_of_a_certificate_holds_a_line(build, dialect):
    evil = ClientCertificate(b"", "ab" * 32, "", "a\nb", "CN=a\nb", "CN=c\nd", "c\nd", "/CN=a\nb", "/CN=c\nd")
    assert not [value for value in build(dialect, asker=peer(client_certificate=evil)).values() if "\n" in value]
