import base64
import datetime

import pytest

from gemd.config.host_settings import Location
from gemd.protocol.peer import ClientCertificate
from gemd.protocol.upload import Upload
from gemd.responders.judged import Unjudged
from gemd.responders.variables import common_variables, server_name
from gemd.system.authorities import Verdict
from tests.responders.asking import peer, request

START = datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
# Whose base64 has what the two alphabets differ in.
GIVEN = ClientCertificate(b"der", "fb" * 32, "", "Ada", serial_number=1 << 150, not_before=START, not_after=START)
OF_CERTIFICATE = {
    "AUTH_TYPE",
    "REMOTE_USER",
    "TLS_CLIENT_AUTHORISED",
    "TLS_CLIENT_HASH",
    "TLS_CLIENT_HASH_B64",
    "TLS_CLIENT_NOT_AFTER",
    "TLS_CLIENT_NOT_BEFORE",
    "TLS_CLIENT_SERIAL_NUMBER",
}
LOCATION = Location(host="h")


class Vouching:
    """Authorities that know one chain."""

    def weigh(self, tls):
        return Verdict(tls.client_chain == (b"known",)) if tls.client_chain != (b"dear",) else print


def test_what_is_of_a_certificate_is_there_with_one_alone():
    without, given = (
        common_variables(request("/a?b", peer(client_certificate=certificate)), LOCATION, None)
        for certificate in (None, GIVEN)
    )
    assert given.keys() - without.keys() == OF_CERTIFICATE
    assert (without["QUERY_STRING"], without["SERVER_PORT"], without["REMOTE_ADDR"]) == ("b", 1965, "192.0.2.1")


def test_a_certificate():
    found = common_variables(request("/", peer(client_certificate=GIVEN)), LOCATION, None)
    assert {name: found[name] for name in OF_CERTIFICATE} == {
        "AUTH_TYPE": "CERTIFICATE",
        "REMOTE_USER": "Ada",
        "TLS_CLIENT_AUTHORISED": 0,
        "TLS_CLIENT_HASH": "SHA256:" + "FB" * 32,
        "TLS_CLIENT_HASH_B64": "-_v7" * 10 + "-_s=",
        "TLS_CLIENT_NOT_AFTER": "2020-01-02T03:04:05Z",
        "TLS_CLIENT_NOT_BEFORE": "2020-01-02T03:04:05Z",
        "TLS_CLIENT_SERIAL_NUMBER": 1 << 150,
    }
    assert base64.urlsafe_b64decode(found["TLS_CLIENT_HASH_B64"]).hex() == GIVEN.fingerprint


def test_a_certificate_of_an_odd_time():
    first = START.replace(year=1)
    odd = ClientCertificate(b"der", "fb" * 32, "", "Ada", serial_number=1, not_before=first, not_after=START)
    found = common_variables(request("/", peer(client_certificate=odd)), LOCATION, None)
    assert found["TLS_CLIENT_NOT_BEFORE"] == "0001-01-02T03:04:05Z"


@pytest.mark.parametrize(("chain", "value"), [((b"known",), 1), ((b"other",), 0)])
def test_who_is_vouched_for(chain, value):
    asker = peer(client_certificate=GIVEN, client_chain=chain)
    assert common_variables(request("/", asker), LOCATION, Vouching())["TLS_CLIENT_AUTHORISED"] == value


def test_who_is_still_to_be_judged():
    asker = peer(client_certificate=GIVEN, client_chain=(b"dear",))
    with pytest.raises(Unjudged) as caught:
        common_variables(request("/", asker), LOCATION, Vouching())
    assert caught.value.judge is print


@pytest.mark.parametrize(("host", "name"), [("h", "h"), ("*.h", "a.h")])
def test_a_wildcards_name_is_that_of_the_url(host, name):
    assert server_name(request("gemini://a.h/"), Location(host=host)) == name


NONE = dict.fromkeys(("CONTENT_LENGTH", "CONTENT_TYPE", "TITAN_TOKEN", "TITAN_EDIT"))
UPLOADS = {
    "none": (None, {"SERVER_PROTOCOL": "GEMINI"}),
    "some bytes": (
        Upload(5, "text/plain;charset=utf-8", "a b"),
        {"CONTENT_LENGTH": 5, "CONTENT_TYPE": "text/plain;charset=utf-8", "TITAN_TOKEN": "a b"},
    ),
    "without a token": (Upload(5), {"CONTENT_LENGTH": 5, "CONTENT_TYPE": "text/gemini"}),
    "an empty token": (Upload(5, token=""), {"CONTENT_LENGTH": 5, "CONTENT_TYPE": "text/gemini", "TITAN_TOKEN": ""}),
    "no bytes, which deletes": (Upload(0), {"CONTENT_LENGTH": 0, "CONTENT_TYPE": "text/gemini"}),
    "a text to be edited": (Upload(is_edit=True), {"TITAN_EDIT": "1"}),
}


@pytest.mark.parametrize(("upload", "expected"), UPLOADS.values(), ids=UPLOADS)
def test_what_is_said_of_an_upload(upload, expected):
    found = common_variables(request("titan://h/a;size=5", upload=upload), LOCATION, None)
    expected = {"SERVER_PROTOCOL": "TITAN", **NONE, **expected}
    assert {name: found.get(name) for name in expected} == expected
