"""Listings as tables tell them, over the wire: read by a person's client, and by one that subscribes."""

import time

import pytest

from tests.support.subscription import read_feed

from .certificates import make_certificate

CONFIG = """
[limits]
listing = 100
[[host]]
name = "localhost"
root = "{root}"
listing = { titles = true, recursive = 1 }
  [[host.location]]
  path = "/log/"
  listing = { preamble = ".head.gmi", feed = true, recursive = 1 }
  [[host.location]]
  path = "/plain/"
  listing = true
  [[host.location]]
  path = "/plain/mounted/"
  root = "{root}/shelf"
  [[host.location]]
  path = "/plain/members/"
  root = "{root}/members"
  client-certificate = "any"
"""


@pytest.fixture
def serve(configure):
    """Serve a capsule by the configuration above."""

    def serve(capsule, limit="listing = 100\n"):
        for name in ("shelf", "members"):
            (capsule / name).mkdir()
        return configure(CONFIG.replace("listing = 100\n", limit))

    return serve


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_directory_of_posts_can_be_subscribed_to(serve, capsule):
    log = capsule / "log"
    write(log / ".head.gmi", "# Log of Ada\n## Of engines\n\nWelcome.\n")
    write(log / "2026-11-20-first.gmi", "# First post\n\nText.\n")
    write(log / "2026-11-24-second.gmi", "\n# Second post\n")
    write(log / "2025/2025-12-31-old.gmi", "# Old post\n")
    write(log / "engine.jpg", "")
    daemon = serve(capsule)

    def subscribe():
        answer = daemon.ask("/log/")
        assert (answer.status, answer.meta, answer.complete) == (20, "text/gemini", True)
        return read_feed(daemon.url("/log/"), answer.text)

    feed = subscribe()
    assert (feed.title, feed.subtitle) == ("Log of Ada", "Of engines")
    assert [(entry.title, entry.updated.date().isoformat()) for entry in feed.entries] == [
        ("Second post", "2026-11-24"),
        ("First post", "2026-11-20"),
        ("Old post", "2025-12-31"),
    ]
    for entry in feed.entries:
        page = daemon.send(entry.url.encode() + b"\r\n")
        assert page.status == 20
        assert entry.title in page.text
    assert "head" not in daemon.ask("/log/").text
    write(log / "2026-11-26-third.gmi", "# Third post\n")
    assert [entry.title for entry in subscribe().entries][:2] == ["Third post", "Second post"]
    assert subscribe().updated.isoformat() == "2026-11-26T12:00:00+00:00"


def test_titles_and_directories_below(serve, capsule):
    write(capsule / "files/a.gmi", "# The first\n")
    write(capsule / "files/sub/b.gmi", "text\n")
    write(capsule / "files/sub/deep/c.gmi", "text\n")
    write(capsule / "files/indexed/index.gmi", "# Index\n")
    write(capsule / "files/indexed/SECRET", "")
    lines = [line.partition(" (")[0] for line in serve(capsule).ask("/files/").text.splitlines()]
    assert lines == [
        *("# /files", "", "=> ../ .."),
        *("=> indexed/ indexed/", "=> sub/ sub/", "=> sub/deep/ sub/deep/", "=> sub/b.gmi sub/b.gmi"),
        "=> a.gmi The first",
    ]


def test_a_plain_listing_has_what_is_mounted_for_whom_may_enter(serve, capsule, tmp_path):
    write(capsule / "plain/a.gmi", "# A\n")
    make_certificate(tmp_path / "ada.pem")
    daemon = serve(capsule)

    def links(**options):
        return [line.split()[1] for line in daemon.ask("/plain/", **options).text.splitlines() if line[:2] == "=>"]

    for _ in range(2):
        assert links() == ["../", "mounted/", "a.gmi"]
        assert links(cert=tmp_path / "ada.pem") == ["../", "members/", "mounted/", "a.gmi"]


def test_many_titles_cost_nobody_else_a_wait(serve, capsule):
    (capsule / "many").mkdir()
    for i in range(3_000):
        (capsule / "many" / f"{i}.gmi").write_text(f"# Title {i}\n")
    daemon = serve(capsule, "listing = 2000\n")
    with daemon.tls() as tls:
        tls.sendall(daemon.url("/many/").encode() + b"\r\n")
        start = time.monotonic()
        assert daemon.ask("/").status == 20
        assert time.monotonic() - start < 2
        text = b""
        while chunk := tls.recv(65536):
            text += chunk
    assert text.count(b".gmi Title ") == 2000
    assert text.endswith(b"There are more than 2000 entries; the others are left out.\n")
