import os

import pytest

from gemd.app.script import run_script


@pytest.fixture
def script(tmp_path):
    def script(text, mode=0o755):
        path = tmp_path / "script"
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(mode)
        return str(path)

    return script


def run(path, **environ):
    """Status, meta and body; everything that was opened is closed."""
    before = len(os.listdir("/proc/self/fd"))
    response = run_script(path, environ)
    body = b"" if response.body is None else b"".join(response.body)
    if response.body is not None:
        response.body.close()
    assert len(os.listdir("/proc/self/fd")) == before
    return response.status, response.meta, body


def test_an_answer_with_a_body(script):
    path = script('printf "20 text/plain\\r\\n"; echo "$A|$PATH|$LANG|$GATEWAY_INTERFACE|$lower|$HOME"')
    assert run(path, A="b\nc", lower="no") == (
        20,
        "text/plain",
        b"b%0Ac|/usr/local/bin:/usr/bin:/bin|C.UTF-8|CGI/1.1||\n",
    )


@pytest.mark.parametrize(
    ("text", "status", "meta"),
    [("echo 51 None here", 51, "None here"), ("echo garbage", 42, "The script failed"), ("", 42, "The script failed")],
)
def test_an_answer_without_one(script, text, status, meta):
    assert run(script(text)) == (status, meta, b"")


def test_one_that_can_not_be_started_is_told_to_the_operator_alone(script, caplog):
    path = script("", mode=0o644)
    assert run(path) == (42, "The script failed", b"")
    assert f"script {path} can't be started: Permission denied" in caplog.text
