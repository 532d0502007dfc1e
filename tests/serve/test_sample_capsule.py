"""The sample capsule, read from page to page: by the stories' own client, and by one that is not ours."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from tests.support.waiting import LONGEST

from .certificates import make_certificate
from .conftest import AS_ROOT, Daemon

PROJECT = Path(__file__).parents[2]
CONFIGURATION = PROJECT / "etc" / "capsule.conf"  # what `make run` serves


@pytest.fixture
def copy(tmp_path):
    """The sample capsule with its configuration, of which a test may change what it likes."""
    for name in ("capsule", "examples"):
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "etc").mkdir()
    shutil.copy(CONFIGURATION, tmp_path / "etc")
    return tmp_path


@pytest.fixture
def sample(start, copy) -> Daemon:
    return start("-c", copy / "etc/capsule.conf", "--port", "0").wait_until_ready()


def links(text: str) -> list[str]:
    outside = "\n".join(text.split("\n```")[::2])  # every second part is preformatted
    return [line.split()[1] for line in outside.splitlines() if line.startswith("=>") and len(line.split()) > 1]


def read_all(first, fetch, join) -> set[str]:
    """Every URL below the first that can be reached from it. `fetch` gives status, meta and text of a URL."""
    waiting, seen = [first], set()
    while waiting:
        url = waiting.pop()
        if url in seen:
            continue
        seen.add(url)
        status, meta, text = fetch(url)
        assert status // 10 in (1, 2, 3, 6), f"{url}: {status} {meta}"
        if status == 20 and meta.startswith("text/gemini"):
            waiting += [target for link in links(text) if (target := join(url, link)).startswith(first)]
    return seen


def check(sample: Daemon, seen: set[str]) -> None:
    paths = {"/notebook/", "/cgi-bin/hello.sh", "/guides/applications.gmi", "/samples/logo.png", "/wiki/page.gmi"}
    assert {sample.url(path) for path in paths} <= seen


def test_every_page_of_it_can_be_read(sample):
    def fetch(url):
        answer = sample.send(url.encode() + b"\r\n")
        assert answer.complete, url
        return answer.status, answer.meta, answer.body.decode(errors="replace")

    def join(base, link):
        if urlsplit(link).scheme:
            return link
        return "gemini:" + urljoin(base.removeprefix("gemini:"), link)

    check(sample, read_all(sample.url("/"), fetch, join))


# The client uses what its own libraries have deprecated, and leaves closing to the collector.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:Properties that return", "ignore:unclosed")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_every_page_of_it_can_be_read_by_ignition(sample, tmp_path):
    import cryptography.hazmat.primitives.serialization  # noqa: F401, which ignition uses without importing it

    ignition = pytest.importorskip("ignition", reason="ignition can't be had for Python 3.13 and later")
    ignition.set_default_hosts_file(str(tmp_path / "known_hosts"))

    def fetch(url):
        response = ignition.request(url)
        is_success = response.success()
        text = response.data() if is_success and response.meta.startswith("text/gemini") else ""
        return (20 if is_success else int(response.status[0]) * 10), response.meta, text

    check(sample, read_all(sample.url("/"), fetch, lambda base, link: ignition.url(link, base)))


def test_what_needs_a_certificate_is_below_one_path(sample, tmp_path):
    """A client shows it there, and nowhere else."""
    make_certificate(tmp_path / "ada.pem", "Ada")
    desk = "/cgi-bin/visit.py"
    assert [sample.ask(desk + path).status for path in ("", "/private", "/private/name")] == [10, 60, 60]
    private = sample.ask(desk + "/private", cert=tmp_path / "ada.pem").text
    assert "Welcome, Ada." in private
    assert f"{desk}/private/name" in links(private)
    assert sample.ask(desk + "/private/name", cert=tmp_path / "ada.pem").status == 10
    both = sample.ask(desk + "/private/name?Countess", cert=tmp_path / "ada.pem").text
    assert "Welcome, Ada." in both
    assert "Good day, Countess." in both
    assert f"{desk}/private/name" in links(both)


# The page that its readers may change


def test_its_configuration_is_in_order(copy):
    command = [sys.executable, "-m", "gemd", "-t", "-c", copy / "etc/capsule.conf", *AS_ROOT]
    environ = {**os.environ, "STATE_DIRECTORY": str(copy / "state")}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=LONGEST)
    assert (done.returncode, "titan" in done.stderr) == (0, False), done.stderr


def test_its_readers_change_a_page_with_a_certificate(copy, sample, gemctl, monkeypatch):
    before = sample.ask("/wiki/page.gmi").text
    page = copy / "mine.gmi"
    page.write_text(before + "* Ada\n")

    refused = gemctl("put", page, sample.url("/wiki/page.gmi"))
    assert (refused.code, refused.status, "it wants a client certificate" in refused.said) == (1, 60, True), refused
    assert sample.ask("/wiki/page.gmi").text == before
    stored = gemctl("put", *gemctl.identity, page, sample.url("/wiki/page.gmi"))
    assert (stored.code, f"to see it: {sample.url('/wiki/page.gmi')}" in stored.said) == (0, True), stored
    assert sample.ask("/wiki/page.gmi").text == before + "* Ada\n"

    (copy / "editor.py").write_text("import sys; open(sys.argv[1], 'a').write('* Grace\\n')")
    monkeypatch.setenv("VISUAL", shlex.join([sys.executable, str(copy / "editor.py")]))
    assert gemctl("edit", *gemctl.identity, sample.url("/wiki/page.gmi")).code == 0
    assert sample.ask("/wiki/page.gmi").text == before + "* Ada\n* Grace\n"

    for path in ("/wiki/other.gmi", "/index.gmi", "/cgi-bin/hello.sh"):
        assert gemctl("put", *gemctl.identity, page, sample.url(path))[:2] == (1, 53)
    assert [path.name for path in (copy / "capsule/wiki").iterdir()] == ["page.gmi"]
