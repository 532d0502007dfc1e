"""Uploads by gemctl, to the real daemon."""

import os
import shlex
import ssl
import sys
from pathlib import Path

import pytest

from gemd.gemctl.gemini_client import build_client_context

CONF = """
[[host]]
name = "localhost"
root = "{root}"

[[host.location]]
path = "/wiki/"
titan = { allow = "any", max-size = 4000000, types = ["text/*", "image/*"], delete = true }

[[host.location]]
path = "/secret/"
titan = { public = true, tokens = ["a;b=c d"], edit = false }
"""


@pytest.fixture
def wiki(capsule):
    """The folder of the pages that may be changed."""
    (capsule / "secret").mkdir()
    (capsule / "wiki").mkdir()
    (capsule / "wiki/page.gmi").write_text("# A page\n")
    return capsule / "wiki"


@pytest.fixture
def daemon(wiki, configure):
    daemon = configure(CONF)
    daemon.expect("public")
    return daemon


def make(folder: Path, size: int) -> Path:
    path = folder / "photo.jpg"
    path.write_bytes(os.urandom(size))
    return path


def test_a_file_is_put(daemon, wiki, gemctl, tmp_path):
    photo = make(tmp_path, 3_000_000)
    stored = gemctl("put", *gemctl.identity, photo, daemon.url("/wiki/photo.jpg"))
    assert (stored.code, stored.status) == (0, 30), stored
    assert stored.said.endswith(f"done; to see it: {daemon.url('/wiki/photo.jpg')}\n")
    assert (wiki / "photo.jpg").read_bytes() == photo.read_bytes() == daemon.ask("/wiki/photo.jpg").body
    deleted = gemctl("put", *gemctl.identity, "--delete", "/dev/null", daemon.url("/wiki/photo.jpg"))
    assert deleted.code == 0, deleted
    assert daemon.ask("/wiki/photo.jpg").status == 51


@pytest.mark.parametrize("size", [4_000_001, 100_000_000])
def test_what_is_too_large_is_refused_before_all_of_it_was_sent(daemon, wiki, gemctl, tmp_path, size):
    photo = tmp_path / "photo.jpg"
    with photo.open("wb") as file:
        file.truncate(size)
    refused = gemctl("put", *gemctl.identity, photo, daemon.url("/wiki/photo.jpg"))
    assert (refused.code, refused.status, "4000000" in refused.said.replace(",", "")) == (1, 59, True), refused
    assert "ended with close_notify" in refused.said
    assert [path.name for path in wiki.iterdir()] == ["page.gmi"]


def test_refusals_say_why(daemon, gemctl, tmp_path):
    page = tmp_path / "page.gmi"
    page.write_text("# Mine\n")
    cases = {
        60: [page, daemon.url("/wiki/page.gmi")],
        53: [*gemctl.identity, page, daemon.url("/page.gmi")],
        50: [page, daemon.url("/secret/page.gmi")],
        59: [*gemctl.identity, "--type", "audio/ogg", page, daemon.url("/wiki/page.gmi")],
    }
    assert {status: gemctl("put", *arguments)[:2] for status, arguments in cases.items()} == {
        status: (1, status) for status in cases
    }


def test_a_token(daemon, capsule, gemctl, tmp_path):
    page = tmp_path / "page.gmi"
    page.write_text("# Mine\n")
    assert gemctl("put", "--token", "a;b=c", page, daemon.url("/secret/page.gmi"))[:2] == (1, 50)
    assert not (capsule / "secret/page.gmi").exists()
    assert gemctl("put", "--token", "a;b=c d", page, daemon.url("/secret/page.gmi")).code == 0
    assert (capsule / "secret/page.gmi").read_text() == "# Mine\n"
    assert not any("a%3Bb" in line or "a;b" in line for line in daemon.access)


def test_a_page_is_edited(daemon, wiki, gemctl, tmp_path, monkeypatch):
    (tmp_path / "editor.py").write_text("import sys; open(sys.argv[1], 'a').write('More\\n')")
    monkeypatch.setenv("VISUAL", shlex.join([sys.executable, str(tmp_path / "editor.py")]))
    assert gemctl("edit", *gemctl.identity, daemon.url("/wiki/page.gmi")).code == 0
    assert daemon.ask("/wiki/page.gmi").text == "# A page\nMore\n"
    made = gemctl("edit", *gemctl.identity, daemon.url("/wiki/new.gmi"))
    assert made.code == 0, made
    assert (wiki / "new.gmi").read_text() == "More\n"
    assert gemctl("edit", daemon.url("/wiki/page.gmi"))[:2] == (1, 60)


def test_tls_1_2(daemon, wiki, gemctl, tmp_path, monkeypatch):
    def build_old(*arguments):
        context = build_client_context(*arguments)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        return context

    monkeypatch.setattr("gemd.gemctl.trust.build_client_context", build_old)
    photo = make(tmp_path, 1_000_000)
    stored = gemctl("put", *gemctl.identity, photo, daemon.url("/wiki/photo.jpg"))
    assert (stored.code, "TLSv1.2" in stored.said) == (0, True), stored
    assert (wiki / "photo.jpg").read_bytes() == photo.read_bytes()


SCRIPT = """#!/bin/sh
if [ "$SERVER_PROTOCOL" != TITAN ]; then
  printf '20 text/gemini\\r\\n'; cat "$DOCUMENT_ROOT/kept.gmi"
elif [ "$TITAN_EDIT" = 1 ]; then
  printf '20 text/gemini\\r\\n'; cat "$DOCUMENT_ROOT/kept.gmi"
elif [ "$TITAN_TOKEN" = 'a;b' ]; then
  cat >"$DOCUMENT_ROOT/kept.gmi"; printf '30 %s\\r\\n' "$SCRIPT_NAME"
else
  printf '50 Wrong word\\r\\n'
fi
"""


def test_a_wiki_that_is_a_script(capsule, configure, gemctl, tmp_path, monkeypatch):
    """It keeps a text, and has a password of its own."""
    script = capsule / "cgi-bin/wiki"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    (capsule / "kept.gmi").write_text("# Kept\n")
    titan = 'titan = { allow = "any", types = ["text/gemini"] }'
    daemon = configure(f'[[host]]\nname = "localhost"\nroot = "{{root}}"\ncgi = "cgi-bin"\n{titan}\n')
    url = daemon.url("/cgi-bin/wiki")
    (tmp_path / "editor.py").write_text("import sys; open(sys.argv[1], 'a').write('More\\n')")
    monkeypatch.setenv("VISUAL", shlex.join([sys.executable, str(tmp_path / "editor.py")]))

    refused = gemctl("edit", *gemctl.identity, url)
    assert refused[:2] == (1, 50), refused
    kept = Path(shlex.split(refused.said.splitlines()[-1])[-2])
    assert kept.read_text() == "# Kept\nMore\n"
    assert gemctl("put", *gemctl.identity, "--token", "a;b", kept, url)[:2] == (0, 30)
    assert daemon.ask("/cgi-bin/wiki").text == "# Kept\nMore\n"
    assert gemctl("edit", *gemctl.identity, "--token", "a;b", url)[:2] == (0, 30)
    assert daemon.ask("/cgi-bin/wiki").text == "# Kept\nMore\nMore\n"
