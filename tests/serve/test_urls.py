"""URLs as clients write them, good and bad, and where programs send them."""

import re
from functools import partial

import pytest

from gemd.protocol.fastcgi import RecordType, encode_end, encode_record
from tests.support.hostile import Application, read_fastcgi, send

from .conftest import wait_for
from .scripts import write_into
from .sharing import shared_daemon

CONF = """
[tls]
certificates = "{tmp}/certificates"
[[host]]
name = "localhost"
aliases = ["example.org", "bücher.example"]
root = "{root}"
cgi = "cgi-bin"
index = ["index.gmi", "index.cgi"]
[[host.location]]
path = "/app"
app = "leads:app"
app-path = "{tmp}/apps"
app-process = false
[[host.location]]
path = "/apart"
app = "leads:apart"
app-path = "{tmp}/apps"
app-process = true
[[host.location]]
path = "/outside"
fastcgi = { to = "unix:{tmp}/outside", timeout = 20 }
[[host.location]]
path = "/members"
client-certificate = "any"
[[host.location]]
path = "/few"
rate = "2/h"
[[host.location]]
path = "/uploads"
root = "{tmp}/uploads"
titan = { public = true, types = ["*/*"] }
[[host]]
name = "proxy.example"
app = "leads:told"
app-path = "{tmp}/apps"
app-process = false
schemes = ["gemini", "https"]
hosts = "*"
"""
APP = """
from urllib.parse import unquote

def app(environ, send_status):
    send_status(30, unquote(environ["QUERY_STRING"]))

def apart(environ, send_status):
    return app(environ, send_status)

def told(environ, send_status):
    send_status(20, "text/plain")
    return environ["GEMINI_URL"] + " " + environ["HOSTNAME"]
"""
SCRIPT = """
from os import environ
from sys import stdout
from urllib.parse import unquote_to_bytes
stdout.buffer.write(b"30 " + unquote_to_bytes(environ["QUERY_STRING"]) + b"\\r\\n")
"""
BLANK = b"30 /x y\r\n"
LONG = b"31 /" + b"x" * 1024 + b"\r\n"


def over(data):
    return send(encode_record(RecordType.STDOUT, data) + encode_end())


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    folder = tmp_path_factory.mktemp("urls")
    for name in ("apps", "uploads", "capsule/guides", "capsule/a b", "capsule/members"):
        (folder / name).mkdir(parents=True)
    (folder / "apps/leads.py").write_text(APP)
    (folder / "capsule/page.gmi").write_text("page\n")
    (folder / "capsule/guides/first.gmi").write_text("first\n")
    (folder / "capsule/cgi-bin/wiki").mkdir(parents=True)
    write = write_into(folder / "capsule/cgi-bin")
    write("lead", f"#!/usr/bin/env python3\n{SCRIPT}")
    write("wiki/index.cgi", "#!/bin/sh\necho 20 text/plain\n")
    outside = Application(folder / "outside", read_fastcgi, ANSWERS)
    try:
        with shared_daemon(folder, CONF) as daemon:
            yield daemon
    finally:
        outside.close()


ANSWERS = {
    "fine": over(b"30 /x\r\n"),
    "iri": over("31 /wiki/Über\r\n".encode()),
    "blank": over(BLANK),
    "nohost": over(b"31 //\r\n"),
    "long": over(LONG),
    "control": over(b"30 /a\x1b[2J\r\n"),
}

# What is asked for, {port} filled in, and the beginning of what is answered. Nothing of it may be worse than that.
HOSTILE = {
    # Dot segments
    "gemini://localhost:{port}/guides/..": "31 /",
    "gemini://localhost:{port}/guides/../guides/./first.gmi": "31 /guides/first.gmi",
    "gemini://localhost:{port}/guides/%2e%2e/page.gmi": "31 /page.gmi",
    "gemini://localhost:{port}/guides/.%2E/page.gmi?a=b%20c": "31 /page.gmi?a=b%20c",
    "gemini://localhost:{port}/none/../none": "31 /none",
    "gemini://localhost:{port}/x/..//evil.example/": "31 gemini://localhost:{port}//evil.example/",
    "gemini://example.org/.//evil.example": "31 gemini://example.org//evil.example",
    "gemini://localhost:{port}/x/../\\evil.example": "31 /%5Cevil.example",
    "gemini://localhost:{port}/x/../cgi-bin/lead?/x": "31 /cgi-bin/lead?/x",
    "gemini://localhost:{port}/app/./x?/y": "31 /app/x?/y",
    "gemini://localhost:{port}/apart/%2e?/y": "31 /apart/?/y",
    "gemini://localhost:{port}/outside/../outside/fine": "31 /outside/fine",
    "gemini://localhost:{port}/members/../page.gmi": "31 /page.gmi",
    "gemini://localhost:{port}/guides/../members/": "60 ",
    "gemini://localhost:{port}/members/./x": "60 ",
    "gemini://localhost:{port}/..": "59 ",
    "gemini://localhost:{port}/%2e%2e/page.gmi": "59 ",
    "gemini://localhost:{port}/guides/../../page.gmi": "59 ",
    "gemini://localhost:{port}/guides%2f..%2fpage.gmi": "59 ",
    "gemini://localhost:{port}/guides/..%2fpage.gmi": "59 ",
    "gemini://localhost:{port}/guides/../page%00.gmi": "59 ",
    "gemini://localhost:{port}/guides/../page%zz.gmi": "59 ",
    "gemini://localhost:{port}/guides/%252e%252e/page.gmi": "51 ",
    "gemini://localhost:{port}/guides/...": "51 ",
    "gemini://foreign.example/a/../b": "20 text/plain",
    # A slash
    "gemini://localhost:{port}/guides": "31 /guides/",
    "gemini://localhost:{port}/guides?page=2": "31 /guides/?page=2",
    "gemini://localhost:{port}/a%20b?": "31 /a%20b/?",
    "gemini://localhost:{port}/guides?ä": "31 /guides/?%C3%A4",
    "gemini://localhost:{port}//guides?q": "31 /guides/?q",
    "gemini://localhost:{port}/cgi-bin/wiki?q": "31 /cgi-bin/wiki/?q",
    # Schemes
    "file:///etc/passwd": "53 ",
    "file:/etc/passwd": "53 ",
    "misfin://ann@localhost": "53 ",
    "misfin:ann@localhost": "53 ",
    "gopher://localhost:70707070/": "53 ",
    "javascript:alert(1)": "53 ",
    "ftp://localhost/../../etc/passwd": "53 ",
    "spartan://[::1/": "53 ",
    "https://localhost:443443/": "59 No such port",
    "https://ann:secret@wiki.example/": "59 ",
    "https://wiki.example/a/../b": "20 text/plain",
    "1gemini://localhost/": "59 ",
    "gem ini://localhost/": "59 ",
    "://localhost/": "59 ",
    "//localhost/": "59 ",
    "localhost/": "59 ",
    # Ports
    "gemini://localhost:196500/": "59 No such port",
    "gemini://localhost:00000000001965/": "59 No such port",
    "gemini://localhost:0/": "59 No such port",
    "gemini://localhost:65536/": "59 No such port",
    "gemini://localhost:-1/": "59 ",
    "gemini://localhost:/": "20 ",
    # Hosts
    "gemini://ex%61mple.org/page.gmi": "20 ",
    "gemini://b%C3%BCcher.example/page.gmi": "20 ",
    "gemini://EXAMPLE%2eORG./page.gmi": "20 ",
    "gemini://localhost%2f.evil.example/": "59 Not a host name",
    "gemini://localhost%00/": "59 Not a host name",
    "gemini://localhost%0d%0a/": "59 Not a host name",
    "gemini://%5b::1%5d/": "59 The URL needs a host name",
    "gemini://b%fccher.example/": "59 Not a host name",
    "gemini://me%40localhost/": "59 Not a host name",
    "gemini://local%host/": "59 Not a host name",
}


@pytest.mark.parametrize("url", HOSTILE)
def test_a_hostile_url(daemon, url):
    answer = daemon.send(url.replace("{port}", str(daemon.port)).encode() + b"\r\n", name=None)
    expected = HOSTILE[url].replace("{port}", str(daemon.port))
    assert answer.complete
    if expected.startswith("31"):
        assert answer.header == expected
    else:
        assert answer.header.startswith(expected)


def test_relative_links_hold_where_a_url_had_dot_segments(daemon):
    """As a client sees it that takes a URL as it was written."""
    answer = daemon.ask("/guides/../guides/")
    assert answer.status == 31
    assert "=> first.gmi" in daemon.ask(answer.meta).text


def test_what_is_passed_on_has_no_dot_segments(daemon):
    assert daemon.send(b"gemini://foreign.example/a/%2e%2e/b?q\r\n", name=None).text == (
        "gemini://foreign.example/b?q foreign.example"
    )


def test_a_rate_counts_what_is_led_elsewhere(daemon):
    assert [daemon.ask("/x/../few/a").status for _ in range(3)] == [31, 31, 44]


def test_an_upload_is_not_led_elsewhere(daemon):
    for number, path in enumerate(("/x/../uploads/./a0.gmi", "/uploads/%2e%2E/uploads/a1.gmi")):
        answer = daemon.send(f"titan://localhost:{daemon.port}{path};size=5\r\nhello".encode())
        assert (answer.status, answer.meta) == (30, f"gemini://localhost:{daemon.port}/uploads/a{number}.gmi")
        assert daemon.ask(f"/uploads/a{number}.gmi").text == "hello"


# Where programs lead

SENT = {
    "/x": "/x",
    "": "",  # the same page
    "x?a=b%2520c": "x?a=b%20c",
    "gemini://[::1]:1965/": "gemini://[::1]:1965/",
    "/wiki/%C3%9Cber": "/wiki/%C3%9Cber",
    "/a%7Cb%5Cc": "/a%7Cb%5Cc",
    "gemini://b%C3%BCcher.example/": "gemini://xn--bcher-kva.example/",
}
REFUSED = {
    "/x%20y": "a URL has no blank: it would be %20",
    "gemini:///x": "the URL needs a host name",
    "gemini://localhost:196500/": "none with a port",
    "/x%1b[2J": "a control character",
    "/" + "ä" * 190: "bytes as a URL is encoded",
}
PROGRAMS = {
    "/cgi-bin/lead": "script /cgi-bin/lead has a bad header",
    "/app/": "the application leads:app failed with a redirect to",
    "/apart/": "the application leads:apart failed with a redirect to",
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_programs_redirect_is_sent_encoded(daemon, program):
    for target, sent in SENT.items():
        assert daemon.ask(f"{program}?{target}").header == f"30 {sent}"


def has_said(daemon, line):
    return re.search(line, daemon.errors) is not None


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_programs_redirect_to_what_is_no_url(daemon, program):
    daemon.expect("script /cgi-bin/lead has a bad header", "the application leads:.* failed with a redirect to")
    for target, said in REFUSED.items():
        line = f"{PROGRAMS[program]}.*{re.escape(said)}"
        assert daemon.ask(f"{program}?{target}").status == 42, target
        wait_for(partial(has_said, daemon, line), line)
    assert "\x1b" not in daemon.errors


def test_an_application_in_a_process_outside(daemon):
    daemon.expect("the application at localhost/outside: .* has a bad header")
    assert daemon.ask("/outside/fine").header == "30 /x"
    assert daemon.ask("/outside/iri").header == "31 /wiki/%C3%9Cber"
    for name in ("blank", "nohost", "long", "control"):
        assert daemon.ask(f"/outside/{name}").status == 43, name
    assert "30 /x y" in daemon.errors
    assert "\x1b" not in daemon.errors
