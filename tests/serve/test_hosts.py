"""Several hosts on one address."""

import ssl
import subprocess

import pytest

from tests.support.tls_client import make_context

from .sharing import shared_daemon

CONFIG = """
[[host]]
name = "one.example"
aliases = ["uno.example"]
root = "{tmp}/one"
[[host]]
name = "two.example"
root = "{tmp}/two"
lang = "de"
[[host]]
name = "*.example"
root = "{tmp}/wild"
listing = false
  [[host.location]]
  path = "/docs/"
  root = "{tmp}/one"
  [[host.location]]
  path = "/old/"
  redirect = { to = "/new/" }
  [[host.location]]
  path = "/gone"
  gone = true
[[host]]
name = "localhost"
root = "{root}"
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hosts")
    for name in ("one", "two", "wild"):
        (folder / name / "sub").mkdir(parents=True)
        (folder / name / "index.gmi").write_text(name)
    with shared_daemon(folder, CONFIG) as daemon:
        yield daemon


HOSTS = [
    ("one.example", "one"),
    ("uno.example", "one"),
    ("two.example", "two"),
    ("three.example", "wild"),
    ("ONE.example", "one"),
]


@pytest.mark.parametrize(("host", "text"), HOSTS)
def test_each_name_has_its_root(daemon, host, text):
    assert daemon.ask("/", host=host, name=host.lower()).text == text
    assert daemon.ask("/", host=host, name=None).text == text


def common_name(daemon, name):
    with daemon.tls(name) as tls:
        der = tls.getpeercert(binary_form=True)
        daemon_request = f"gemini://{name or 'localhost'}:{daemon.port}/\r\n"
        tls.sendall(daemon_request.encode())
        tls.recv(10)
    return subprocess.run(
        ["openssl", "x509", "-inform", "der", "-noout", "-subject", "-nameopt", "RFC2253"],
        input=der, capture_output=True, check=True,
    ).stdout.decode().strip()  # fmt: skip


def test_the_server_name_chooses_the_certificate(daemon, need_program):
    need_program("openssl")
    assert common_name(daemon, "two.example") == "subject=CN=two.example"
    assert common_name(daemon, "uno.example") == "subject=CN=one.example"
    assert common_name(daemon, "three.example") == "subject=CN=*.example"
    assert common_name(daemon, "unknown.test") == "subject=CN=one.example"
    assert common_name(daemon, None) == "subject=CN=one.example"


def test_a_url_for_another_host_than_the_server_name_is_refused(daemon):
    for url_host, name in (
        ("one.example", "two.example"),
        ("two.example", "one.example"),
        ("other.test", "one.example"),
    ):
        assert daemon.ask("/", host=url_host, name=name).status == 53


def test_a_url_may_name_another_alias_than_the_server_name(daemon):
    assert daemon.ask("/", host="one.example", name="uno.example").text == "one"
    assert daemon.ask("/", host="three.example", name="four.example").text == "wild"


def test_a_deeper_name_is_not_the_wildcards(daemon):
    assert daemon.ask("/", host="a.b.example", name=None).status == 53


REST = """
[[host]]
name = "localhost"
root = "{root}"
[[host]]
name = "*"
gone = true
"""


def test_a_host_may_have_the_rest_with_the_first_ones_certificate(configure, need_program):
    need_program("openssl")
    daemon = configure(REST)
    assert daemon.ask("/", host="anybody.example", name="anybody.example").status == 52
    assert daemon.ask("/", host="anybody.example", name=None).status == 52
    assert daemon.ask("/", host="anybody.example", name="localhost").status == 53
    assert daemon.ask("/", host="localhost", name="localhost").status == 20
    assert common_name(daemon, "anybody.example") == "subject=CN=localhost"


def test_an_address_in_the_handshake_is_no_name(daemon, need_program):
    done = subprocess.run(
        [need_program("openssl"), "s_client", "-quiet", "-connect", f"127.0.0.1:{daemon.port}",
         "-servername", "192.0.2.111"],
        input=daemon.url("/", "two.example").encode() + b"\r\n", capture_output=True, timeout=20,
    )  # fmt: skip
    assert done.stdout == b"20 text/gemini; lang=de\r\ntwo"


def test_an_address_is_the_first_hosts(daemon):
    assert daemon.ask("/", host="127.0.0.1", name=None).text == "one"


def test_settings_are_each_hosts_own(daemon):
    assert daemon.ask("/", host="two.example", name="two.example").header == "20 text/gemini; lang=de"
    assert daemon.ask("/sub/", host="one.example", name=None).status == 20
    assert daemon.ask("/sub/", host="three.example", name=None).status == 51


LOCATIONS = {
    "/docs/": "20 text/gemini",
    "/docs": "31 /docs/",
    "/old/a%20b/?q": "31 /new/a%20b/?q",
    "/old": "31 /new/",
    "/older": "51 Not found",
    "/gone": "52 Gone for good",
    "/gone/x": "52 Gone for good",
    "/gonebut": "51 Not found",
    "//old/x": "31 /new/x",
    "/old//evil.example": "31 /new/evil.example",
    "/%6fld/x": "31 /new/x",
}


@pytest.mark.parametrize(("path", "header"), LOCATIONS.items())
def test_locations(daemon, path, header):
    assert daemon.ask(path, host="three.example", name=None).header == header


def test_no_session_is_resumed_into_another_host(daemon):
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = make_context()
        context.maximum_version = version
        session = None
        for name in ("one.example", "two.example"):
            with context.wrap_socket(daemon.connect(), server_hostname=name, session=session) as tls:
                tls.sendall(f"gemini://{name}:{daemon.port}/\r\n".encode())
                while tls.recv(1000):
                    pass
                assert not tls.session_reused
                assert not (tls.session and tls.session.has_ticket)
                session = tls.session
