import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.protocol.response import encode_header
from gemd.responders.cgi.scripts import MAX_HEADER, parse_header, split_script_path
from gemd.system.script import ScriptError
from tests.responders.asking import peer

PATHS = {
    "script": (("cgi-bin", "s"), 2, "/cgi-bin/s", ""),
    "slash after it": (("cgi-bin", "s", ""), 2, "/cgi-bin/s", "/"),
    "more": (("cgi-bin", "s", "a", "b"), 2, "/cgi-bin/s", "/a/b"),
    "empty segments after it": (("cgi-bin", "s", "", "", "a", ""), 2, "/cgi-bin/s", "///a/"),
    "empty segments before it": (("", "cgi-bin", "", "s", "a"), 2, "/cgi-bin/s", "/a"),
    "deeper": (("cgi-bin", "d", "s", "a"), 3, "/cgi-bin/d/s", "/a"),
    "encoded slash after it": (("cgi-bin", "s", "a/b"), 2, "/cgi-bin/s", "/a/b"),
}


@pytest.mark.parametrize(("segments", "depth", "script_name", "path_info"), PATHS.values(), ids=PATHS)
def test_splits_the_path(segments, depth, script_name, path_info):
    assert split_script_path(segments, depth) == (script_name, path_info)


HEADERS = {
    "CRLF": (b"20 text/gemini\r\nbody", (20, "text/gemini", b"body")),
    "LF": (b"20 text/gemini\nbody\n", (20, "text/gemini", b"body\n")),
    "body with further lines": (b"20 text/plain\r\n\r\n20 x\r\n", (20, "text/plain", b"\r\n20 x\r\n")),
    "no body": (b"31 /a\r\n", (31, "/a", b"")),
    "no text": (b"51\r\n", (51, "", b"")),
    "blank and no text": (b"51 \r\n", (51, "", b"")),
    "UTF-8": ("10 Wér?\r\n".encode(), (10, "Wér?", b"")),
    "longest": (b"50 " + b"x" * 1024 + b"\r\n", (50, "x" * 1024, b"")),
}


@pytest.mark.parametrize(("output", "parsed"), HEADERS.values(), ids=HEADERS)
def test_reads_a_header(output, parsed):
    assert parse_header(output) == parsed


NO_HEADERS = {
    "nothing": b"",
    "no line end": b"20 text/gemini",
    "CR alone": b"20 text/gemini\rbody\n",
    "TAB": b"20\ttext/gemini\r\n",
    "no blank": b"20text/gemini\r\n",
    "leading blank": b" 20 text/gemini\r\n",
    "byte order mark": b"\xef\xbb\xbf20 text/gemini\r\n",
    "three digits": b"200 OK\r\n",
    "undefined": b"21 text/gemini\r\n",
    "no media type": b"20\r\n",
    "no prompt": b"10 \r\n",
    "not UTF-8": b"40 \xff\r\n",
    "control": b"40 a\x1bb\r\n",
    "too long": b"50 " + b"x" * 1025 + b"\r\n",
    "Arabic digits": "٢٠ text/gemini\r\n".encode(),
    "text": b"Content-Type: text/html\r\n\r\n<html>",
    "traceback": b'Traceback (most recent call last):\n  File "x"\n',
}


@pytest.mark.parametrize("output", NO_HEADERS.values(), ids=NO_HEADERS)
def test_refuses_what_is_no_header(output):
    with pytest.raises(ScriptError) as caught:
        parse_header(output)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


@given(st.binary(max_size=60) | st.binary(max_size=30).map(lambda text: b"20 " + text + b"\r\nbody"))
def test_any_output_is_a_header_that_can_be_sent_or_an_error(output):
    try:
        status, meta, rest = parse_header(output)
    except ScriptError:
        return
    assert encode_header(status, meta)
    assert output.endswith(rest)


def test_the_longest_header_is_the_protocols():
    assert len(encode_header(50, "x" * 1024)) == MAX_HEADER


# What is answered before anything runs


@pytest.fixture
def scripts(capsule):
    """A directory of scripts: one that could run, one that could not."""
    directory = capsule / "cgi-bin"
    (directory / "sub").mkdir(parents=True)
    for name, mode in {"run": 0o755, "sub/run": 0o755, "data": 0o644, ".hidden": 0o755}.items():
        (directory / name).write_text("#!/bin/sh\necho SECRET")
        (directory / name).chmod(mode)
    os.mkfifo(directory / "fifo")
    (directory / "out").symlink_to("/bin/true")
    return directory


REFUSED = {
    "missing": ("/cgi-bin/nothing", 51),
    "the directory": ("/cgi-bin", 51),
    "the directory with a slash": ("/cgi-bin/", 51),
    "a directory in it": ("/cgi-bin/sub/", 51),
    "not executable": ("/cgi-bin/data", 42),
    "below what is not executable": ("/cgi-bin/data/a", 42),
    "hidden": ("/cgi-bin/.hidden", 51),
    "hidden path": ("/cgi-bin/run/.git", 51),
    "FIFO": ("/cgi-bin/fifo", 51),
    "link out": ("/cgi-bin/out", 51),
    "climbs": ("/cgi-bin/../../bin/true", 59),
    "encoded slash": ("/cgi-bin/sub%2frun", 51),
    "encoded climb": ("/cgi-bin/..%2fcgi-bin/run", 51),
    "line end": ("/cgi-bin/run/%0d%0a", 51),
    "line separator": ("/cgi-bin/run/%e2%80%a8", 51),
    "escape": ("/cgi-bin/run/%1b", 51),
    "other case": ("/CGI-BIN/run", 51),
}


@pytest.mark.timeout(10)
@pytest.mark.parametrize(("url", "status"), REFUSED.values(), ids=REFUSED)
def test_refuses(ask, scripts, url, status):
    answer = ask(url, cgi="cgi-bin")
    assert (answer.status, b"SECRET" in answer.body) == (status, False)


def test_no_script_is_served_as_a_file_however_its_path_is_spelled(ask, scripts):
    for url in (
        "/cgi-bin/data",
        "//cgi-bin/data",
        "/cgi-bin//data",
        "/%63gi-bin/data",
        "/x/../cgi-bin/./data",
        "/cgi-bin/data/",
    ):
        assert ask(url, cgi="cgi-bin").status == 42, url


def test_a_file_that_is_not_executable_is_told_to_the_operator(ask, scripts, caplog):
    ask("/cgi-bin/data", cgi="cgi-bin")
    assert f"script /cgi-bin/data is not executable: chmod +x {scripts}/data" in caplog.text


def test_access_goes_before_scripts(ask, scripts):
    assert ask("/cgi-bin/nothing", peer(), cgi="cgi-bin", client_certificate="any").status == 60
