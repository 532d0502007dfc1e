"""Files that `.meta` files describe, over the wire."""

import os

import pytest

from .sharing import shared_daemon

# Agate's own example, as its README has it.
AGATE = """
# This line will be ignored.
**/*.de.gmi: ;lang=de
nl/**/*.gmi: ;lang=nl
index.gmi: ;lang=en-GB
LICENSE: text/plain;charset=UTF-8
gone.gmi: 52 This file is no longer here, sorry.
"""

CONFIG = """
[[host]]
name = "localhost"
root = "{root}"
lang = "en,fr"
meta-files = true
dot-files = true
  [[host.location]]
  path = "/plain/"
  meta-files = false
  [[host.location]]
  path = "/members/"
  client-certificate = "any"
"""

PAGES = (
    "a.de.gmi",
    "deep/er/b.de.gmi",
    "nl/c.gmi",
    "nl/d/e.gmi",
    "LICENSE",
    "plain/a.de.gmi",
    "members/a.de.gmi",
    "f.gmi",
)

ANSWERS = {
    "/": "20 text/gemini;lang=en-GB",
    "/index.gmi": "20 text/gemini;lang=en-GB",
    "/LICENSE": "20 text/plain;charset=UTF-8",
    "/gone.gmi": "52 This file is no longer here, sorry.",
    "/a.de.gmi": "20 text/gemini;lang=de",
    "/deep/er/b.de.gmi": "20 text/gemini;lang=de",
    "/nl/c.gmi": "20 text/gemini;lang=nl",
    "/nl/d/e.gmi": "20 text/gemini;lang=nl",
    "/f.gmi": "20 text/gemini; lang=en,fr",
    "/deep/": "20 text/gemini; lang=en,fr",
    "/deep": "31 /deep/",
    "/plain/a.de.gmi": "20 text/gemini; lang=en,fr",
    "/members/a.de.gmi": "60 A client certificate is required",
    "/members/gone.gmi": "60 A client certificate is required",
    "/.meta": "51 Not found",
    "/%2emeta": "51 Not found",
    "/deep/.meta": "51 Not found",
    "/trap/x.gmi": "20 text/gemini; lang=en,fr",
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    folder = tmp_path_factory.mktemp("described")
    root = folder / "capsule"
    for name in PAGES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / ".meta").write_text(AGATE)
    (root / "deep/.meta").write_text("")
    (root / "trap").mkdir()
    (root / "trap/x.gmi").write_text("x")
    os.mkfifo(root / "trap/.meta")
    with shared_daemon(folder, CONFIG) as daemon:
        daemon.expect("trap/.meta is left alone: it is no file")
        yield daemon


@pytest.mark.parametrize(("path", "header"), ANSWERS.items())
def test_a_capsule_that_was_agates(daemon, path, header):
    answer = daemon.ask(path)
    assert (answer.header, answer.complete) == (header, True)
    assert answer.seconds < 2


def test_it_is_listed_nowhere(daemon):
    assert ".meta" not in daemon.ask("/deep/").text
    assert "er/" in daemon.ask("/deep/").text


AUTHORS = """
[[host]]
name = "localhost"
root = "{root}"
meta-files = true
"""


def test_an_author_changes_what_is_said(configure, capsule):
    daemon = configure(AUTHORS)
    assert daemon.ask("/old.gmi").header == "51 Not found"
    (capsule / ".meta").write_text("old.gmi: 31 /new.gmi\nmistake\n")
    assert daemon.ask("/old.gmi").header == "31 /new.gmi"
    (capsule / ".meta").write_text("old.gmi: 52 Gone fishing\nindex.gmi: text/plain\n")
    assert daemon.ask("/old.gmi").header == "52 Gone fishing"
    assert daemon.ask("/").header == "20 text/plain"
    (capsule / ".meta").unlink()
    assert daemon.ask("/old.gmi").header == "51 Not found"
    daemon.expect(r"\.meta, line 2: there is no colon")
