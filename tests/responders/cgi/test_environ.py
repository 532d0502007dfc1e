import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemd.config.cgi_settings import CGISettings
from gemd.protocol.characters import is_misleading
from gemd.protocol.errors import BadRequest
from gemd.protocol.peer import ClientCertificate
from gemd.responders.cgi.environ import ScriptNames, build_environ
from tests.responders.asking import peer, request

GIVEN = ClientCertificate(
    b"der",
    fingerprint="ab" * 32,
    common_name="Jane\r\nDoe",
    subject="CN=Jane\x00",
    issuer="CN=\x1bIssuer",
    serial_number=7,
    not_before=datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
    not_after=datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC),
)

ALWAYS = {
    "DOCUMENT_ROOT",
    "GATEWAY_INTERFACE",
    "GEMINI_URL",
    "GEMINI_URL_PATH",
    "HOME",
    "HOSTNAME",
    "LANG",
    "PATH",
    "PATH_INFO",
    "QUERY_STRING",
    "REMOTE_ADDR",
    "REMOTE_HOST",
    "REMOTE_PORT",
    "REQUEST_METHOD",
    "REQUEST_URI",
    "SCRIPT_FILENAME",
    "SCRIPT_NAME",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "SERVER_SOFTWARE",
    "TLS_CIPHER",
    "TLS_VERSION",
}
WITH_CERTIFICATE = {
    "AUTH_TYPE",
    "REMOTE_USER",
    "TLS_CLIENT_AUTHORISED",
    "TLS_CLIENT_HASH",
    "TLS_CLIENT_HASH_B64",
    "TLS_CLIENT_ISSUER",
    "TLS_CLIENT_ISSUER_CN",
    "TLS_CLIENT_NOT_AFTER",
    "TLS_CLIENT_NOT_BEFORE",
    "TLS_CLIENT_SERIAL_NUMBER",
    "TLS_CLIENT_SUBJECT",
    "TLS_CLIENT_SUBJECT_CN",
    "TLS_CLIENT_VALID",
}


@pytest.fixture
def environ(configure):
    def build(url, asker=None, script_name="/cgi-bin/s", path_info="", **keys):
        config = configure(**keys)
        names = ScriptNames(script_name, path_info, "/srv/cgi-bin/s", "/home/scripts")
        return build_environ(request(url, asker), config.hosts[0].locations[0], config.cgi, names, None)

    return build


def test_the_variables_are_these_and_no_others(environ, monkeypatch):
    for name in ("LD_PRELOAD", "PYTHONPATH", "BASH_ENV", "HTTP_PROXY", "NOTIFY_SOCKET", "LISTEN_FDS", "GEMD_X", "HOME"):
        monkeypatch.setenv(name, "hostile")
    assert set(environ("/cgi-bin/s")) == ALWAYS
    assert set(environ("/cgi-bin/s", peer(client_certificate=GIVEN))) == ALWAYS | WITH_CERTIFICATE
    assert "hostile" not in environ("/cgi-bin/s").values()


def test_a_request(environ, capsule):
    built = environ("gemini://H:1965/cgi-bin/s/a%20b?c=%20d", path_info="/a b")
    expected = {
        "DOCUMENT_ROOT": str(capsule),
        "GEMINI_URL": "gemini://H:1965/cgi-bin/s/a%20b?c=%20d",
        "GEMINI_URL_PATH": "/cgi-bin/s/a b",
        "HOME": "/home/scripts",
        "HOSTNAME": "h",
        "PATH_INFO": "/a b",
        "PATH_TRANSLATED": f"{capsule}/a b",
        "QUERY_STRING": "c=%20d",
        "REMOTE_ADDR": "192.0.2.1",
        "REMOTE_PORT": "50000",
        "REQUEST_METHOD": "",
        "REQUEST_URI": "/cgi-bin/s/a%20b?c=%20d",
        "SCRIPT_FILENAME": "/srv/cgi-bin/s",
        "SCRIPT_NAME": "/cgi-bin/s",
        "SERVER_PORT": "1965",
        "TLS_VERSION": "TLSv1.3",
    }
    assert {name: built[name] for name in expected} == expected


def test_a_search_is_decoded_and_a_form_is_not(environ):
    assert environ("/s?a%20b%0Ac")["GEMINI_SEARCH_STRING"] == "a b%0Ac"
    assert "GEMINI_SEARCH_STRING" not in environ("/s?a=b")
    assert "GEMINI_SEARCH_STRING" not in environ("/s?")


def test_a_certificate(environ):
    built = environ("/s", peer(client_certificate=GIVEN))
    assert built["TLS_CLIENT_HASH"] == "SHA256:" + "AB" * 32
    assert built["REMOTE_USER"] == "Jane%0D%0ADoe"
    assert built["TLS_CLIENT_SUBJECT"] == "CN=Jane%00"
    assert (built["TLS_CLIENT_SUBJECT_CN"], built["TLS_CLIENT_VALID"]) == ("Jane%0D%0ADoe", "true")
    assert built["TLS_CLIENT_NOT_BEFORE"] == "2020-01-02T03:04:05Z"
    assert built["TLS_CLIENT_NOT_AFTER"] == "9999-12-31T23:59:59Z"
    assert built["TLS_CLIENT_AUTHORISED"] == "0"
    assert built["TLS_CLIENT_SERIAL_NUMBER"] == "7"


@pytest.mark.parametrize(
    ("form", "text"),
    [("SHA256:UPPER", "SHA256:" + "AB" * 32), ("SHA256:lower", "SHA256:" + "ab" * 32), ("lower", "ab" * 32)],
)
def test_a_fingerprint_has_the_form_that_is_configured(configure, form, text):
    config = configure()
    asked, names = request("/s", peer(client_certificate=GIVEN)), ScriptNames("/s", "", "/s", "/")
    for cgi in (CGISettings(client_hash=form), CGISettings(client_hash=form, dialect="gmid")):
        built = build_environ(asked, config.hosts[0].locations[0], cgi, names, None)
        assert built["TLS_CLIENT_HASH"] == text


@pytest.mark.parametrize("url", ["/s?\u2028", "/s/\u2029", "/s?\u202e", "/s?%0a", "/s?%e2%80%a8", "/s?%1b"])
def test_no_value_of_a_hostile_url_holds_a_line(environ, url):
    try:
        built = environ(url)
    except BadRequest:
        return
    del built["GEMINI_URL_PATH"]  # the responder looks at the path before
    assert not [key for key, value in built.items() if is_misleading(value)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(
    st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("%0aA/?=\u2028\x1b"), max_size=20),
    st.text(max_size=10),
)
def test_no_value_can_hold_a_line_or_an_end(environ, text, name):
    asker = peer(client_certificate=ClientCertificate(b"", "ab" * 32, common_name=name, subject=name, issuer=name))
    try:
        built = environ("/cgi-bin/s/" + text, asker)
    except BadRequest:
        return
    del built["GEMINI_URL_PATH"]
    assert not [key for key, value in built.items() if is_misleading(value)]
