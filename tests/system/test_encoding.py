import io
import os
import subprocess
import sys

import pytest

from gemd.system import encoding

PROGRAM = """
import sys
from gemd.system.encoding import start_again_in_utf8
reason = start_again_in_utf8()
print(reason or ascii([sys.getfilesystemencoding(), *sys.argv[1:]]))
"""
# A locale that every machine has, with nothing that makes UTF-8 of it.
ASCII = {**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return str(path)


def run(*command, env):
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=30).stdout.strip()


def test_a_program_starts_again_in_utf8_with_its_arguments(program):
    assert run(sys.executable, program, "grüße", env=ASCII) == "['utf-8', 'gr\\xfc\\xdfe']"


def test_one_that_has_utf8_goes_on(program):
    assert run(sys.executable, program, env={**os.environ, "LC_ALL": "C.UTF-8"}) == "['utf-8']"


def test_one_that_may_not_heed_the_environment_says_what_to_do(program):
    path = "-c", f"import sys; sys.path[:0] = {sys.path!r}; exec(open({program!r}).read())"
    coerced = run(sys.executable, "-E", "-X", "utf8=0", *path, env={"LC_ALL": "C", "PATH": os.environ["PATH"]})
    assert coerced.endswith(": set LC_ALL=C.UTF-8") or coerced == "['utf-8']"  # where Python has coerced the locale


def test_what_is_printed_is_in_the_locale_s_encoding(monkeypatch):
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setattr("locale.getencoding", lambda: "iso8859-1")
    encoding.print_in_locale()
    print("grüße 日", flush=True)
    assert out.buffer.getvalue() == b"gr\xfc\xdfe \\u65e5\n"


@pytest.mark.parametrize(("raw", "text"), [(b"gr\xc3\xbc\xc3\x9fe", "grüße"), (b"gr\xfc\xdfe", "grüße"), (b"x", "x")])
def test_what_was_typed_is_in_utf8_or_in_the_locale_s_encoding(monkeypatch, raw, text):
    monkeypatch.setattr("locale.getencoding", lambda: "iso8859-1")
    assert encoding.decode_typed(os.fsdecode(raw)) == text
