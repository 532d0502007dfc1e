import datetime
import errno
import os

import msgspec
import pytest
from cryptography import x509

from gemd.config.host_settings import Location
from gemd.protocol.errors import Overloaded
from gemd.protocol.fastcgi import decode_params, encode_params
from gemd.protocol.request import Request
from gemd.protocol.upload import Upload, UploadBody
from gemd.protocol.url import parse_url
from gemd.responders.app.environ import build_app_environ, build_app_params, read_app_params
from gemd.system.client_certificates import make_client_certificate, parse_client_certificate
from tests.responders.asking import peer, request


@pytest.fixture
def environ_of(configure):
    def environ_of(url, asker=None, **keys):
        return build_app_environ(request(url, asker), configure(**keys).hosts[0].locations[0], None)

    return environ_of


def test_the_environ_without_a_certificate(environ_of):
    environ = environ_of("gemini://h:1965/a%20b?c%20d", app="a:b")
    software = environ.pop("SERVER_SOFTWARE")
    assert software.startswith("gemd/")
    assert environ == {
        "GEMINI_URL": "gemini://h:1965/a%20b?c%20d",
        "HOSTNAME": "h",
        "QUERY_STRING": "c%20d",
        "REMOTE_ADDR": "192.0.2.1",
        "REMOTE_HOST": "192.0.2.1",
        "SERVER_NAME": "h",
        "SERVER_PORT": 1965,
        "SERVER_PROTOCOL": "GEMINI",
        "TLS_CIPHER": "TLS_AES_128_GCM_SHA256",
        "TLS_VERSION": "TLSv1.3",
        "client_certificate": None,
        "gemd.location": "/",
        "gemd.client": "192.0.2.1",
    }


def test_an_ipv6_client_is_a_network(environ_of):
    asker = msgspec.structs.replace(peer(address="2001:db8:1:2::3"), v6_prefix=48)
    assert environ_of("/", asker)["gemd.client"] == "2001:db8:1::/48"


def test_the_environ_with_a_certificate(environ_of):
    start = datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    certificate = make_client_certificate("Ada Ä", start, start + datetime.timedelta(days=1))
    environ = environ_of("/", peer(client_certificate=certificate))
    found = environ["client_certificate"]
    assert isinstance(found, x509.Certificate)
    assert environ["REMOTE_USER"] == "Ada Ä"
    assert environ["AUTH_TYPE"] == "CERTIFICATE"
    assert environ["TLS_CLIENT_HASH"] == "SHA256:" + certificate.fingerprint.upper()
    assert len(environ["TLS_CLIENT_HASH_B64"]) == 44
    assert environ["TLS_CLIENT_NOT_BEFORE"] == "2020-01-02T03:04:05Z"
    assert environ["TLS_CLIENT_NOT_AFTER"] == "2020-01-03T03:04:05Z"
    assert environ["TLS_CLIENT_SERIAL_NUMBER"] == found.serial_number
    assert environ["TLS_CLIENT_AUTHORISED"] == 0
    assert type(environ["TLS_CLIENT_AUTHORISED"]) is int


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("gemini://h", "gemini://h"),
        ("gemini://h?/../x", "gemini://h?/../x"),
        ("gemini://h/a/../b", "gemini://h/b"),
        ("gemini://h/a/%2e%2E/b?%2e%2e/", "gemini://h/b?%2e%2e/"),
        ("https://[::1]:70/./a", "https://[::1]:70/a"),
        ("gemini://h:1965/a/./b/..?c/../d", "gemini://h:1965/a/?c/../d"),
        ("gemini://h/.well-known/x", "gemini://h/.well-known/x"),
        ("gemini://h/a//b/", "gemini://h/a//b/"),
        ("titan://h/a/../b;mime=text/.x;size=1?c", "titan://h/b;mime=text/.x;size=1?c"),
        ("titan://h/b;mime=text/x;size=1", "titan://h/b;mime=text/x;size=1"),
    ],
)
def test_the_url_has_no_dot_segments(environ_of, sent, seen):
    assert environ_of(sent)["GEMINI_URL"] == seen


def test_the_url_of_an_upload_has_no_parameters(environ_of):
    """Whoever takes it finds them in variables of their own."""
    url = parse_url(b"titan://h/a/../b;size=1;token=hunter2?c")
    sent = Request(msgspec.structs.replace(url, text="titan://h/a/../b?c"), peer())
    assert build_app_environ(sent, Location(host="h"), None)["GEMINI_URL"] == "titan://h/b?c"


@pytest.fixture
def body(tmp_path):
    """Five bytes in a file."""
    (tmp_path / "body").write_bytes(b"hello")
    descriptor = os.open(tmp_path / "body", os.O_RDONLY)
    yield UploadBody(descriptor, 5)
    os.close(descriptor)


UPLOADED = Upload(5, "text/plain", "hunter2")


def test_an_upload_is_a_file_of_the_call_s_own(body):
    asked = request("titan://h/a", upload=msgspec.structs.replace(UPLOADED, body=body))
    environ = build_app_environ(asked, Location(host="h"), None)
    said = {name: environ[name] for name in ("SERVER_PROTOCOL", "CONTENT_LENGTH", "CONTENT_TYPE", "TITAN_TOKEN")}
    assert list(said.values()) == ["TITAN", 5, "text/plain", "hunter2"]
    with environ["titan.body"] as file:
        assert file.fileno() != body.descriptor
        assert file.read() == b"hello"


@pytest.mark.parametrize(("upload", "content"), [(UPLOADED, None), (Upload(is_edit=True), None), (Upload(0), b"")])
def test_what_has_not_come_is_no_file(upload, content):
    environ = build_app_environ(request("titan://h/a", upload=upload), Location(host="h"), None)
    assert ("titan.body" in environ) is (content is not None)
    assert content is None or environ["titan.body"].read() == content


def test_without_a_descriptor_that_is_free_too_much_goes_on(body, monkeypatch):
    def refuse(_descriptor):
        raise OSError(errno.EMFILE, "too many")

    monkeypatch.setattr(os, "dup", refuse)
    asked = request("titan://h/a", upload=msgspec.structs.replace(UPLOADED, body=body))
    with pytest.raises(Overloaded):
        build_app_environ(asked, Location(host="h"), None)


@pytest.mark.parametrize("upload", [UPLOADED, Upload(0), Upload(is_edit=True)], ids=["some", "none", "edit"])
def test_another_process_is_told_the_same_of_an_upload(body, upload):
    given = body if upload.size else None
    asked = request("titan://h/a", upload=msgspec.structs.replace(upload, body=given))
    environ = build_app_environ(asked, Location(host="h"), None)
    params = decode_params(encode_params(build_app_params(asked, Location(host="h"), None)))
    found = read_app_params(params, os.dup(given.descriptor) if given is not None else None)
    assert list(found) == list(environ)
    files = [each.pop("titan.body") for each in (found, environ) if not upload.is_edit]
    assert found == environ
    for file in files:
        with file:
            assert file.read() == (b"hello" if upload.size else b"")


def test_a_body_that_did_not_come_along_is_no_empty_one():
    params = build_app_params(request("titan://h/a", upload=UPLOADED), Location(host="h"), None)
    with pytest.raises(ValueError, match="did not come along"):
        read_app_params(params)


START = datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
ASKERS = {
    "nobody": lambda: None,
    "a certificate": lambda: make_client_certificate("Ada Ä", START, START + datetime.timedelta(days=1)),
    "one that can't be read": lambda: parse_client_certificate(b"0\x03\x02\x01\x01"),
}


@pytest.mark.parametrize("make", ASKERS.values(), ids=ASKERS)
@pytest.mark.parametrize("url", ["gemini://h:1965/a%20b?c%20d", "/%ff", "/a/../b"])
def test_another_process_is_told_the_same(configure, make, url):
    certificate = make()
    asked = request(url, peer(client_certificate=certificate) if certificate is not None else None)
    location = configure(app="a:b").hosts[0].locations[0]
    environ = build_app_environ(asked, location, None)
    found = read_app_params(decode_params(encode_params(build_app_params(asked, location, None))))
    assert found == environ
    assert list(found) == list(environ)
    assert list(map(type, found.values())) == list(map(type, environ.values()))


@pytest.mark.parametrize("params", [{b"SERVER_PORT": b"x"}, {b"client_certificate": b"x"}, {b"\xff": b""}])
def test_what_is_no_environ(params):
    with pytest.raises(ValueError, match=r"."):
        read_app_params(params)


def test_where_a_location_has_wildcards_it_says_what_they_stand_for():
    location = Location(host="h", path="/*/wiki/", match="glob")
    asked = request("/ann%2Fwiki//page")
    assert build_app_environ(asked, location, None)["gemd.location"] == "/ann/wiki"
    assert build_app_params(asked, location, None)[b"gemd.location"] == b"/ann/wiki"
    assert build_app_environ(asked, Location(host="h", path="/ann/"), None)["gemd.location"] == "/ann/"
