import os
import socket

import pytest

from gemd.responders import static
from gemd.responders.computed import Computed
from gemd.responders.file_body import FileBody
from gemd.responders.protection import Protection
from gemd.responders.static import INLINE_SIZE, StaticFiles, is_file_name
from tests.support.descriptors import open_descriptors
from tests.support.pump import deliver

from .asking import request

ANSWERS = {
    "index": ("/", 20, "text/gemini", b"# home"),
    "index twice": ("//", 20, "text/gemini", b"# home"),
    "file": ("/page.gmi", 20, "text/gemini", b"page"),
    "text": ("/notes.txt", 20, "text/plain", b"notes"),
    "unknown type": ("/no%20extension", 20, "application/octet-stream", b"octets"),
    "query": ("/page.gmi?q", 20, "text/gemini", b"page"),
    "empty segments": ("//dir///page.gmi", 20, "text/gemini", b"deep"),
    "second index": ("/indexed/", 20, "text/gemini", b"# second"),
    "directory without a slash": ("/dir", 31, "/dir/", b""),
    "redirect stays at the host": ("//dir", 31, "/dir/", b""),
    "redirect keeps the query": ("/dir?a=b%20c&d", 31, "/dir/?a=b%20c&d", b""),
    "redirect keeps an empty query": ("/dir?", 31, "/dir/?", b""),
    "redirect with a query from others": ("/dir?ä%0d%zz", 31, "/dir/?%C3%A4%0d%25zz", b""),
    "file with a slash": ("/page.gmi/", 51, "Not found", b""),
    "below a file": ("/page.gmi/a", 51, "Not found", b""),
    "missing": ("/nothing", 51, "Not found", b""),
    "missing directory": ("/nothing/", 51, "Not found", b""),
    "other case": ("/PAGE.GMI", 51, "Not found", b""),
    "hidden": ("/.hidden.gmi", 51, "Not found", b""),
    "hidden directory": ("/.git/config", 51, "Not found", b""),
    "well-known": ("/.well-known/a.txt", 20, "text/plain", b"known"),
    "name too long": ("/" + "x" * 256, 51, "Not found", b""),
    "longest URL": ("/" + "x" * 1013, 51, "Not found", b""),
    "a thousand segments": ("/a" * 500, 51, "Not found", b""),
    "not UTF-8": ("/%ff%fe", 51, "Not found", b""),
}


@pytest.mark.parametrize(("url", "status", "meta", "body"), ANSWERS.values(), ids=ANSWERS)
def test_answers(ask_static, url, status, meta, body):
    answer = ask_static(url)
    assert (answer.status, answer.meta, answer.body) == (status, meta, body)


def test_a_root_that_is_gone_is_a_temporary_failure(ask_static, capsule, caplog):
    capsule.rename(capsule.with_name("elsewhere"))
    assert ask_static("/").status == 40
    assert f"the root {capsule} can't be opened: No such file" in caplog.text


def test_a_root_that_is_swapped_is_served_at_once(ask_static, capsule):
    capsule.rename(capsule.with_name("old"))
    capsule.mkdir()
    (capsule / "index.gmi").write_text("# new")
    assert ask_static("/").body == b"# new"


def test_parameters_of_the_media_type(ask_static):
    assert ask_static("/page.gmi", lang="en,fr").meta == "text/gemini; lang=en,fr"
    assert ask_static("/page.gmi", charset="utf-8").meta == "text/gemini; charset=utf-8"
    assert ask_static("/page.gmi", mime={".gmi": "text/x-mine"}).meta == "text/x-mine"
    assert ask_static("/no%20extension", mime={"*": "text/plain"}).meta == "text/plain"
    latin = {".txt": "text/plain; charset=latin-1"}
    assert ask_static("/notes.txt", charset="utf-8", mime=latin).meta == "text/plain; charset=latin-1"
    assert ask_static("/notes.txt", charset="utf-8", mime=latin, force_charset=True).meta == "text/plain; charset=utf-8"


def test_dot_files_with_permission(ask_static):
    assert ask_static("/.git/config", dot_files=True).body == b"SECRET"
    assert ask_static("/.hidden.gmi", dot_files=[".hidden.gmi"]).body == b"SECRET"
    assert ask_static("/.git/config", dot_files=[".hidden.gmi"]).status == 51


def test_an_index_of_ones_own(ask_static):
    assert ask_static("/", index=["nothing", "notes.txt"]).meta == "text/plain"
    assert ask_static("/", index=["dir/page.gmi"]).body == b"deep"


def test_an_index_that_is_a_directory_is_none(ask_static):
    assert ask_static("/", index=["dir", "page.gmi"]).body == b"page"


def test_a_mounted_root(ask_static, capsule):
    mounted = [{"path": "/m/", "root": str(capsule / "dir"), "listing": False}]
    assert ask_static("/m/page.gmi", location=mounted).body == b"deep"
    assert ask_static("/m", location=mounted).meta == "/m/"
    assert ask_static("/m/", location=mounted).status == 51


# What is not a regular file


@pytest.mark.timeout(10)
@pytest.mark.parametrize("slash", ["", "/"])
def test_neither_fifo_nor_socket_is_served_or_waited_for(ask_static, capsule, slash, monkeypatch):
    monkeypatch.chdir(capsule)
    os.mkfifo("fifo.gmi")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind("socket.gmi")
    assert ask_static("/fifo.gmi" + slash).status == 51
    assert ask_static("/socket.gmi" + slash).status == 51


@pytest.mark.timeout(10)
def test_a_fifo_in_the_place_of_the_index_is_passed_over(ask_static, capsule):
    os.mkfifo(capsule / "dir" / "index.gmi")
    assert ask_static("/dir/", listing=False).status == 51


@pytest.mark.timeout(10)
@pytest.mark.parametrize("device", ["null", "zero", "full", "tty"])
def test_a_device_is_not_served(ask_static, device):
    assert ask_static(f"/{device}", root="/dev").status == 51


@pytest.mark.timeout(10)
def test_a_link_to_a_device_is_not_served(ask_static, capsule):
    (capsule / "zero").symlink_to("/dev/zero")
    assert ask_static("/zero", symlinks="any").status == 51


def test_a_file_without_a_size_is_read_to_its_end(ask_static):
    assert ask_static("/version", root="/proc").body.startswith(b"Linux")


@pytest.mark.parametrize("policy", ["beneath", "none", "any"])
def test_links(ask_static, capsule, policy):
    (capsule / "in").symlink_to("page.gmi")
    (capsule / "out").symlink_to("../secret.gmi")
    (capsule / "magic").symlink_to("/proc/self/root")
    served = {"beneath": (20, 51, 51), "none": (51, 51, 51), "any": (20, 20, 51)}[policy]
    answers = [ask_static(url, symlinks=policy).status for url in ("/in", "/out", "/magic/etc/hostname")]
    assert tuple(answers) == served


def test_a_hard_link_is_a_file_like_any_other(ask_static, capsule):
    os.link(capsule / "page.gmi", capsule / "hard.gmi")
    assert ask_static("/hard.gmi").body == b"page"


# Large files


@pytest.mark.parametrize("size", [0, 1, INLINE_SIZE - 1, INLINE_SIZE, INLINE_SIZE + 1, 400_000])
def test_every_size_arrives_whole(ask_static, capsule, size):
    content = os.urandom(size)
    (capsule / "file").write_bytes(content)
    assert ask_static("/file").body == content


@pytest.mark.parametrize("size", [10, INLINE_SIZE])
def test_a_small_file_that_is_not_in_memory_is_read_by_a_thread(configure, capsule, size, monkeypatch):
    content = os.urandom(size)
    (capsule / "file").write_bytes(content)
    monkeypatch.setattr(static, "read_from_memory", lambda *_: None)
    response = StaticFiles({}, 1, Protection({}))(request("/file"), configure().hosts[0].locations[0])
    assert isinstance(response.body, FileBody)
    assert deliver(response) == content


def test_a_small_file_that_is_in_memory_in_part_is_whole(configure, capsule, monkeypatch):
    content = os.urandom(5000)
    (capsule / "file").write_bytes(content)
    pread = os.pread
    monkeypatch.setattr(static, "read_from_memory", lambda fd, size, offset: pread(fd, min(4096, size), offset))
    response = StaticFiles({}, 1, Protection({}))(request("/file"), configure().hosts[0].locations[0])
    assert isinstance(response.body, FileBody)
    assert deliver(response) == content


def test_a_small_file_that_can_not_be_read_is_a_temporary_failure(ask_static, monkeypatch, caplog):
    def fail(*_):
        raise OSError(5, "Input/output error")

    before = open_descriptors()
    monkeypatch.setattr(static, "read_from_memory", fail)
    assert ask_static("/page.gmi").status == 40
    assert "'/page.gmi' can't be opened: Input/output error" in caplog.text
    assert open_descriptors() == before


def test_a_listing_is_a_thread_s_work(configure, capsule):
    (capsule / "d").mkdir()
    answer = StaticFiles({}, 1, Protection({}))(request("/d/"), configure().hosts[0].locations[0])
    assert isinstance(answer, Computed)


def test_no_descriptor_is_left_open(ask_static):
    before = open_descriptors()
    for url, *_ in ANSWERS.values():
        ask_static(url)
    assert open_descriptors() == before


def test_a_machine_without_descriptors_is_a_temporary_failure(ask_static, monkeypatch, caplog):
    def fail(*_):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("gemd.responders.protection.open_beneath", fail)
    assert ask_static("/page.gmi").status == 40
    assert "'/page.gmi' can't be opened: Too many open files" in caplog.text


@pytest.mark.parametrize(
    ("name", "is_one"), [("a", True), ("a\\b", True), ("..", True), ("a/b", False), ("a\0", False)]
)
def test_file_names(name, is_one):
    assert is_file_name(name) == is_one
