import datetime
import os

import pytest

from gemd.config.host_settings import Location
from gemd.protocol.meta_file import Preset
from gemd.protocol.response import Response
from gemd.responders.described import describe_answer
from gemd.responders.router import Router
from gemd.responders.static import INLINE_SIZE
from gemd.system.client_certificates import make_client_certificate
from tests.support.descriptors import open_descriptors

from .asking import peer, request, settle
from .conftest import MIME_TABLE

META = """
*.txt: ;lang=de
page.gmi: ;lang=en-GB
notes.txt: ;charset=ascii
plain.gmi: text/plain
bare.gmi:
large.bin: 52 Too large, and gone
gone.gmi: 52 Gone fishing
index.gmi: ;lang=nl
dir: 30 /elsewhere
dir/page.gmi: ;lang=fr
moved/: 31 /new/
moved/**: 31 /new/
name: 10 Your name?
"no extension": text/x
"""


@pytest.fixture
def described(capsule):
    """The capsule with a description."""
    (capsule / ".meta").write_text(META)
    for name in ("plain.gmi", "bare.gmi", "other.txt", "dir/other.gmi"):
        (capsule / name).write_text("text")
    (capsule / "large.bin").write_bytes(bytes(INLINE_SIZE + 1))
    return capsule


ANSWERS = {
    "/": (20, "text/gemini;lang=nl"),
    "/index.gmi": (20, "text/gemini;lang=nl"),
    "/page.gmi": (20, "text/gemini;lang=en-GB"),
    "/page%2Egmi?query": (20, "text/gemini;lang=en-GB"),
    "//page.gmi": (20, "text/gemini;lang=en-GB"),
    "/other.txt": (20, "text/plain;lang=de"),
    "/notes.txt": (20, "text/plain;charset=ascii"),
    "/plain.gmi": (20, "text/plain"),
    "/bare.gmi": (20, "text/gemini"),
    "/dir/other.gmi": (20, "text/gemini; lang=da"),
    "/dir/page.gmi": (20, "text/gemini;lang=fr"),
    "/dir": (31, "/dir/"),  # it is there, so that nothing is said of it
    "/dir/": (20, "text/gemini; lang=da"),
    "/gone.gmi": (52, "Gone fishing"),
    "/gone.gmi/": (52, "Gone fishing"),
    "/large.bin": (52, "Too large, and gone"),
    "/moved": (31, "/new/"),
    "/moved/": (31, "/new/"),
    "/moved/a/b/": (31, "/new/"),
    "/name": (10, "Your name?"),
    "/GONE.gmi": (51, "Not found"),
    "/nothing.txt": (51, "Not found"),
    "/.hidden.gmi": (51, "Not found"),
    "/.meta": (51, "Not found"),
    "/%2Emeta": (51, "Not found"),
    "/.META": (51, "Not found"),
    "/.meta/": (51, "Not found"),
}


@pytest.mark.parametrize(("url", "expected"), ANSWERS.items())
def test_answers(ask, described, url, expected):
    answer = ask(url, meta_files=True, lang="da")
    assert (answer.status, answer.meta) == expected


@pytest.mark.parametrize("dot_files", [True, [".meta", ".META"]])
def test_it_is_never_shown(ask, described, dot_files):
    (described / "deep").mkdir()
    (described / "deep/.meta").write_text("a: b/c\n")
    for url in ("/.meta", "/.META", "/deep/.meta"):
        assert ask(url, meta_files=True, dot_files=dot_files).status == 51
    assert b".meta" not in ask("/deep/", meta_files=True, dot_files=dot_files).body
    assert b".meta" in ask("/deep/", dot_files=dot_files).body


def test_nothing_is_described_without_the_key(ask, described):
    assert ask("/page.gmi").meta == "text/gemini"
    assert ask("/gone.gmi").status == 51


def test_hidden_files_stay_hidden_whatever_is_said(ask, capsule):
    (capsule / ".meta").write_text(".hidden.gmi: text/plain\n.git/config: text/plain\n.none: 52 Gone\n")
    for url in ("/.hidden.gmi", "/.git/config", "/.none"):
        assert ask(url, meta_files=True).status == 51
    assert ask("/.hidden.gmi", meta_files=True, dot_files=[".hidden.gmi"]).meta == "text/plain"


def test_a_charset_is_added_and_forced_where_nothing_is_said_of_it(ask, described):
    latin = {".txt": "text/plain; charset=latin-1"}
    keys = {"meta_files": True, "charset": "utf-8", "mime": latin}
    assert ask("/plain.gmi", **keys).meta == "text/plain; charset=utf-8"
    assert ask("/other.txt", **keys).meta == "text/plain; charset=latin-1;lang=de"
    assert ask("/other.txt", **keys, force_charset=True).meta == "text/plain; charset=utf-8;lang=de"
    assert ask("/notes.txt", **keys, force_charset=True).meta == "text/plain;charset=ascii"


def test_what_would_not_fit_a_header_is_left_out(ask, capsule):
    (capsule / ".meta").write_text(f"page.gmi: ;x={'y' * 500}\n")
    assert ask("/page.gmi", meta_files=True, mime={".gmi": f"text/gemini; a={'b' * 600}"}).meta.endswith("b")


def test_what_is_not_sent_is_closed(configure, described):
    router = Router(configure(meta_files=True), MIME_TABLE, None)
    assert settle(lambda: router.respond(request("/large.bin"))).status == 52
    before = open_descriptors()
    for url in ("/large.bin", "/gone.gmi", "/page.gmi", "/dir", "/"):
        settle(lambda url=url: router.respond(request(url)))
    assert open_descriptors() == before


def test_an_index_that_waits_for_its_description_is_closed(configure, described):
    (described / "index.gmi").write_bytes(bytes(INLINE_SIZE + 1))
    router = Router(configure(meta_files=True), MIME_TABLE, None)
    before = open_descriptors()
    assert not isinstance(router.respond(request("/")), Response)
    assert open_descriptors() == before


def test_of_a_directory_that_is_not_shown_a_status_may_be_said(ask, described):
    assert ask("/dir/", meta_files=True, listing=False).meta == "/elsewhere"
    assert ask("/dir", meta_files=True, listing=False).meta == "/dir/"
    assert ask("/none/", meta_files=True).status == 51


# Who may not see something is told that


PRIVATE = {"path": "/private", "client-certificate": "any"}


@pytest.fixture
def private(capsule):
    """A private directory, and links to it."""
    (capsule / "private").mkdir()
    (capsule / "private/page.gmi").write_text("SECRET")
    (capsule / "private/.meta").write_text("page.gmi: text/plain\nnone.gmi: 52 Gone\n")
    (capsule / "link").symlink_to("private")
    (capsule / "file.gmi").symlink_to("private/page.gmi")
    return capsule


@pytest.mark.parametrize("url", ["/private/page.gmi", "/private/none.gmi", "/link/page.gmi", "/file.gmi"])
def test_access_comes_first(ask, private, url):
    (private / ".meta").write_text("**: 52 Gone\nlink/*: text/plain\nfile.gmi: 30 /\n")
    assert ask(url, meta_files=True, location=[PRIVATE]).status == 60


def test_who_may_pass_finds_it_described(ask, private):
    now = datetime.datetime.now(datetime.UTC)
    client = make_client_certificate("a", now - datetime.timedelta(1), now + datetime.timedelta(1))
    keys = {"asker": peer(client_certificate=client), "meta_files": True, "location": [PRIVATE]}
    assert ask("/private/page.gmi", **keys).meta == "text/plain"
    assert ask("/private/none.gmi", **keys).status == 52
    assert ask("/link/page.gmi", **keys).meta == "text/gemini"


def test_what_is_said_in_another_location_is_not_read_by_a_link(ask, private):
    """Not even for who may go there: it is remembered for everybody."""
    assert ask("/link/none.gmi", meta_files=True, location=[PRIVATE]).status == 51


def test_an_error_of_the_disk_is_no_file_that_is_not_there(configure, described, monkeypatch):
    def fail(*_, **__):
        raise OSError(5, os.strerror(5))

    router = Router(configure(meta_files=True), MIME_TABLE, None)
    assert settle(lambda: router.respond(request("/gone.gmi"))).status == 52
    monkeypatch.setattr("gemd.responders.protection.open_beneath", fail)
    assert settle(lambda: router.respond(request("/gone.gmi"))).status == 40


def test_nothing_is_looked_up_where_there_is_no_key(configure, described, monkeypatch):
    location = {"path": "/dir", "meta-files": False}
    router = Router(configure(meta_files=True, location=[location]), MIME_TABLE, None)
    monkeypatch.delattr("gemd.responders.meta_files.MetaFiles.find")
    assert settle(lambda: router.respond(request("/dir/page.gmi"))).meta == "text/gemini"
    with pytest.raises(AttributeError):
        router.respond(request("/page.gmi"))


class Later:
    """A page that is there when it is asked for the second time."""

    descriptors = (7,)
    deadline = 5.0

    def __init__(self, response):
        self.calls = []
        self._responses = [response, None]

    def begin(self, helper):
        self.calls.append(helper)

    def settle(self):
        return self._responses.pop()

    def close(self):
        self.calls.append("close")


LOCATION = Location(lang="da", charset="utf-8")


def test_a_page_that_is_not_there_yet_is_described_once_it_is():
    later = Later(Response(20, "text/gemini; charset=utf-8; lang=da", b"page"))
    answer = describe_answer(later, Preset(20, ";lang=de"), LOCATION)
    assert (answer.descriptors, answer.deadline) == (later.descriptors, later.deadline)
    answer.begin("helper")
    assert answer.settle() is None
    assert answer.settle() == Response(20, "text/gemini; charset=utf-8;lang=de", b"page")
    answer.close()
    assert later.calls == ["helper", "close"]


def test_a_page_that_is_not_there_yet_is_let_go_of_where_something_else_is_said():
    later = Later(None)
    assert describe_answer(later, Preset(52, "Gone"), LOCATION) == Response(52, "Gone")
    assert later.calls == ["close"]


def test_what_is_refused_later_stays_so():
    later = Later(Response(51, "Not found"))
    answer = describe_answer(later, Preset(20, "text/plain"), LOCATION)
    assert [answer.settle(), answer.settle()] == [None, Response(51, "Not found")]
