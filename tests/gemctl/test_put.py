"""Uploads, to a server that does what it is told to, however wrong."""

import argparse
import contextlib
import os
import re
import ssl
import subprocess
import sys
import threading

import pytest

from gemd.gemctl.failure import ExitCode, Failure
from gemd.gemctl.gemini_client import Header
from gemd.gemctl.put import guess_media_type, judge_answer, open_file, read_token, write_parameters
from gemd.gemctl.target import parse_target
from gemd.protocol.titan import parse_upload
from gemd.protocol.upload import Upload
from gemd.protocol.url import parse_url

from .conftest import LONGEST


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "a.gmi"
    path.write_bytes(b"# Mine\n")
    return path


def test_a_page(titan, put, page):
    server = titan()
    code, printed, said = put(page, server.url("/a.gmi"))
    assert (code, printed) == (0, b"")
    assert server.requests == [f"titan://{server.place}/a.gmi;size=7;mime=text/gemini\r\n".encode()]
    assert server.bodies == [b"# Mine\n"]
    assert "\n30 /a.gmi\n" in said
    assert said.endswith(f"gemctl: done; to see it: gemini://{server.place}/a.gmi\n")


def test_an_answer_with_a_body(titan, put, page):
    server = titan(b"20 text/plain\r\nthanks")
    code, printed, said = put(page, f"titan://{server.place}/a.gmi")
    assert (code, printed) == (0, b"thanks")
    assert "6 bytes of body, ended with close_notify" in said


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["TLS 1.2", "TLS 1.3"])
def test_every_byte_of_a_large_body(titan, put, tmp_path, version):
    body = os.urandom(3_000_000)
    (tmp_path / "large.bin").write_bytes(body)
    server = titan(maximum_version=version)
    assert put(tmp_path / "large.bin", server.url("/large.bin"))[0] == 0
    assert server.parameters == "size=3000000;mime=application/octet-stream"
    assert server.bodies == [body]


def test_standard_input(titan, put, tmp_path, monkeypatch):
    reading, writing = os.pipe()
    os.write(writing, b"from a pipe")
    os.close(writing)
    with os.fdopen(reading) as standard_input:
        monkeypatch.setattr(sys, "stdin", standard_input)
        server = titan()
        assert put("-", server.url("/a.txt"))[0] == 0
    assert (server.parameters, server.bodies) == ("size=11;mime=text/plain", [b"from a pipe"])


def test_standard_input_from_where_it_is(titan, put, tmp_path, monkeypatch):
    (tmp_path / "rest").write_bytes(b"head\nbody")
    with (tmp_path / "rest").open() as standard_input:
        standard_input.buffer.read(5)
        monkeypatch.setattr(sys, "stdin", standard_input)
        server = titan()
        assert put("-", server.url("/a.txt"))[0] == 0
    assert server.bodies == [b"body"]


def test_with_a_client_certificate_a_token_and_a_type(titan, put, page, tmp_path):
    server = titan(verify_mode=ssl.CERT_OPTIONAL)
    certificate = server.authority.issue_cert("ada@example.org")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "ada.pem"))
    (tmp_path / "token").write_text("a;b=c d\nmore\n")
    for secret in (["--token", "a;b=c d"], ["--token-file", tmp_path / "token"]):
        arguments = ["--certificate", tmp_path / "ada.pem", *secret, "--type", "text/plain; charset=utf-8"]
        code, _, said = put(*arguments, page, server.url("/a.gmi"))
        assert code == 0
        assert "a;b=c d" not in said
        assert server.parameters == "size=7;mime=text/plain%3B%20charset%3Dutf-8;token=a%3Bb%3Dc%20d"
    assert all(server.clients)


# What the server makes of it


@pytest.mark.parametrize("size", [7, 30_000_000])
def test_a_refusal_before_the_body_was_read(titan, put, tmp_path, size):
    """However much of the body is on its way."""
    with (tmp_path / "a.gmi").open("wb") as file:
        file.truncate(size)
    server = titan(proper=False)
    server.refusal = b"59 At most 5 bytes\r\n"
    code, printed, said = put(tmp_path / "a.gmi", server.url("/a.gmi"))
    assert (code, printed, "\n59 At most 5 bytes\n" in said) == (1, b"", True)


def test_it_stops_sending_when_it_is_refused(serve, put, tmp_path):
    read, is_over = [], threading.Event()

    def refuse(tls):
        tls.sendall(b"61 Not you\r\n")
        with contextlib.suppress(OSError):
            while chunk := tls.recv(65536):
                read.append(len(chunk))
        is_over.set()

    with (tmp_path / "a.gmi").open("wb") as file:
        file.truncate(1 << 30)
    code, _, said = put(tmp_path / "a.gmi", serve(refuse, proper=False).url("/a.gmi"))
    assert is_over.wait(LONGEST)
    assert (code, "\n61 Not you\n" in said) == (1, True)
    assert sum(read) < 1 << 28


ANSWERS = {
    "success": (Header(20, "text/plain"), ExitCode.OK, []),
    "the page": (Header(30, "/a"), ExitCode.OK, ["done; to see it: gemini://h/a"]),
    "elsewhere for good": (Header(31, "gemini://g/\x1b"), ExitCode.OK, ["done; to see it: gemini://g/\\x1b"]),
    "not stored": (
        Header(30, "TITAN://g/"),
        ExitCode.FAILED,
        ["it wants the upload elsewhere, so nothing is stored: TITAN://g/"],
    ),
    "input": (
        Header(10, "Why?"),
        ExitCode.FAILED,
        ["it asks for input, which an upload has no place for: nothing is stored"],
    ),
    "certificate": (Header(60, "Who?"), ExitCode.FAILED, ["it wants a client certificate: --cert FILE --key FILE"]),
    "failure": (Header(59, "At most 5 bytes"), ExitCode.FAILED, []),
}


@pytest.mark.parametrize(("header", "outcome", "lines"), ANSWERS.values(), ids=ANSWERS)
def test_what_an_answer_means(header, outcome, lines):
    assert judge_answer(header, parse_target("h/b")) == (lines, outcome)


# What is found wrong before the server is asked


def test_an_empty_file_has_to_be_meant(titan, put, tmp_path, page):
    server = titan()
    (tmp_path / "empty").touch()
    code, _, said = put(tmp_path / "empty", server.url("/a.gmi"))
    assert (code, "an empty upload deletes what is there: --delete says that this is meant" in said) == (2, True)
    code, _, said = put("--delete", page, server.url("/a.gmi"))
    assert (code, "a.gmi is not empty" in said) == (2, True)
    assert server.requests == []
    assert put("--delete", "/dev/null", server.url("/a.gmi"))[0] == 0
    assert server.parameters == "size=0;mime=text/gemini"


def test_a_file_that_can_not_be_read(put, tmp_path):
    code, _, said = put(tmp_path / "missing", "h/a")
    assert (code, said) == (1, f"gemctl: {tmp_path}/missing: can't be read: No such file or directory\n")
    assert put(tmp_path, "h/a")[2] == f"gemctl: {tmp_path}: can't be read: Is a directory\n"


def test_a_token_that_can_not_be_read(put, page, tmp_path):
    code, _, said = put("--token-file", tmp_path / "missing", page, "h/a")
    assert (code, said) == (1, f"gemctl: {tmp_path}/missing: can't be read: No such file or directory\n")


def test_a_token_without_a_line_end(tmp_path):
    (tmp_path / "token").write_bytes(b"secret")
    options = argparse.Namespace(token=None, token_file=tmp_path / "token")
    assert read_token(options) == "secret"


@pytest.mark.parametrize("token", [None, "a;b=c d", "ü/?#%", "%3B"])
@pytest.mark.parametrize("media_type", ["text/gemini", "image/svg+xml", 'text/plain; charset="iso-8859-1"'])
def test_parameters_as_a_server_reads_them(token, media_type):
    url = parse_url(parse_target("h/a").titan_url(write_parameters(5, media_type, token)).encode())
    assert parse_upload(url.parameters) == Upload(5, media_type, token)


def test_parameters():
    assert write_parameters(5, "image/svg+xml", None) == "size=5;mime=image/svg+xml"
    assert write_parameters(0, "text/gemini", "") == "size=0;mime=text/gemini;token="
    assert write_parameters(1, "text/plain", "ü/?#%") == "size=1;mime=text/plain;token=%C3%BC%2F%3F%23%25"


TYPES = {
    ("a.gmi", "b.txt"): "text/gemini",
    ("", "b.txt"): "text/plain",
    ("a.unknown", "b.PNG"): "image/png",
    ("a", "-"): "text/gemini",
    ("a.unknown", "b"): "application/octet-stream",
    ("a", "b.BIN"): "application/octet-stream",
    ("", "/etc/a.d/b"): "text/gemini",
    (".bashrc", "x"): "text/gemini",
}


@pytest.mark.parametrize("names", TYPES)
def test_the_type_by_the_name_there_and_here(names):
    assert guess_media_type(*names) == TYPES[names]


def test_what_goes_wrong_while_it_is_open_is_not_the_files_fault(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(BrokenPipeError), open_file(str(tmp_path / "a")):
        raise BrokenPipeError


def test_no_descriptor_stays_open(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"abc")
    before = os.listdir("/proc/self/fd")
    with open_file(str(tmp_path / "a")) as (file, size):
        assert (file.read(), size) == (b"abc", 3)
    with pytest.raises(Failure, match="can't be read"), open_file(str(tmp_path)):
        pass
    assert os.listdir("/proc/self/fd") == before


def test_a_bar_on_a_terminal(titan, tmp_path):
    with (tmp_path / "large.gmi").open("wb") as file:
        file.truncate(3_000_000)
    leader, follower = os.openpty()
    command = [sys.executable, "-m", "gemd.gemctl", "put", tmp_path / "large.gmi", titan().url("/large.gmi")]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=follower, check=True, timeout=LONGEST)
    os.close(follower)
    shown = b""
    with contextlib.suppress(OSError):  # EIO is the end
        while chunk := os.read(leader, 4096):
            shown += chunk
    os.close(leader)
    assert re.search(rb"\r\x1b\[K\[#*-*\] \d+ %, [0-9.]+ [KM]iB of 2\.9 MiB", shown)
    assert b"\r\x1b[K30 /a.gmi\r\n" in shown
