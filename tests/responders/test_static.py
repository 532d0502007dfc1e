import os
import socket

import msgspec
import pytest

from gemd.protocol.response import BrokenBody
from gemd.responders.static import INLINE_SIZE, FileBody, StaticFiles, is_file_name

from .asking import request, settle

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
    "redirect drops the query": ("/dir?q", 31, "/dir/", b""),
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


def test_declines_without_a_root(configure):
    location = msgspec.structs.replace(configure().hosts[0].locations[0], root=None)
    assert settle(lambda: StaticFiles({}, 1)(request("/"), location)) is None


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
    assert ask_static("/page.gmi", lang="en,fr").meta == 'text/gemini; lang="en,fr"'
    assert ask_static("/page.gmi", charset="utf-8").meta == "text/gemini; charset=utf-8"
    assert ask_static("/page.gmi", mime={".gmi": "text/x-mine"}).meta == "text/x-mine"
    assert ask_static("/no%20extension", mime={"*": "text/plain"}).meta == "text/plain"


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


@pytest.fixture
def body(tmp_path):
    """The body of a file of 300,000 bytes, and the file."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 300_000)
    body = FileBody(os.open(path, os.O_RDONLY), 300_000)
    yield body, path
    body.close()


def test_a_file_that_shrinks_breaks_off(body):
    body, path = body
    chunks = iter(body)
    size = len(next(chunks))
    os.truncate(path, size)
    with pytest.raises(BrokenBody, match=f"shrank from 300000 to {size} bytes"):
        next(chunks)


def test_a_file_that_grows_ends_where_it_ended(body):
    body, path = body
    with path.open("ab") as file:
        file.write(b"more")
    assert sum(map(len, body)) == 300_000


def test_a_disk_that_fails_breaks_off(body, monkeypatch):
    def fail(*_):
        raise OSError(5, "Input/output error")

    body, _ = body
    monkeypatch.setattr(os, "pread", fail)
    with pytest.raises(BrokenBody, match="reading failed: Input/output error"):
        next(iter(body))


def test_no_descriptor_is_left_open(ask_static):
    before = len(os.listdir("/proc/self/fd"))
    for url, *_ in ANSWERS.values():
        ask_static(url)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_machine_without_descriptors_is_a_temporary_failure(ask_static, monkeypatch, caplog):
    def fail(*_):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("gemd.responders.static.open_beneath", fail)
    assert ask_static("/page.gmi").status == 40
    assert "'/page.gmi' can't be opened: Too many open files" in caplog.text


@pytest.mark.parametrize(
    ("name", "is_one"), [("a", True), ("a\\b", True), ("..", True), ("a/b", False), ("a\0", False)]
)
def test_file_names(name, is_one):
    assert is_file_name(name) == is_one
