import itertools
import math
import os
import socket
import threading
import time
from types import SimpleNamespace

import msgspec
import pytest

from gemd.protocol.peer import ClientCertificate
from gemd.protocol.response import BrokenBody
from gemd.responders import static
from gemd.responders.computed import Computed
from gemd.responders.protection import Protection
from gemd.responders.static import INLINE_SIZE, FileBody, StaticFiles, is_file_name
from gemd.system.page_cache import read_from_memory
from tests.support.descriptors import open_descriptors
from tests.support.pump import Pump, deliver

from .asking import peer, request, settle

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


SIZE = 300_000
CONTENT = os.urandom(SIZE)


@pytest.fixture
def file(tmp_path):
    """A file of 300,000 bytes."""
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def open_body(file):
    """Open the body of that file, which is closed at the end."""
    bodies = []

    def open_body(size=SIZE):
        bodies.append(FileBody(os.open(file, os.O_RDONLY), size))
        return bodies[-1]

    yield open_body
    for body in bodies:
        body.close()


@pytest.fixture(params=["in memory", "on a disk"])
def pump(request, monkeypatch):
    """Who reads it, from each place where it can be."""
    if request.param != "in memory":
        monkeypatch.setattr(static, "read_from_memory", lambda *_: None)
    with Pump() as pump:
        yield pump


def test_it_is_read_piece_by_piece(open_body, pump):
    body = open_body()
    body.begin(pump)
    pieces = list(pump.pieces(body))
    assert b"".join(pieces) == CONTENT
    assert {len(piece) for piece in pieces[:-1]} == {64 * 1024}
    assert body.read() == b""  # and stays at its end
    assert (body.descriptors, body.deadline) == ((), math.inf)


def test_what_is_in_memory_is_not_waited_for(open_body, monkeypatch):
    monkeypatch.setattr(static, "read_from_memory", os.pread)
    body = open_body()
    with Pump() as pump:
        body.begin(pump)
        assert b"".join(pump.pieces(body)) == CONTENT
    assert (pump.asked, pump.woken) == (0, 0)


def test_each_piece_of_a_disk_is_a_thread_s_and_is_waited_for(open_body, monkeypatch):
    monkeypatch.setattr(static, "read_from_memory", lambda *_: None)
    body = open_body()
    with Pump() as pump:
        body.begin(pump)
        pieces = list(pump.pieces(body))
        assert pump.woken == len(pieces) == 5
        assert pump.asked >= 5


def test_a_piece_that_is_being_read_is_read_once(open_body, monkeypatch):
    """Who looks again before the thread is done does not hand the work to a second one."""
    monkeypatch.setattr(static, "read_from_memory", lambda *_: None)
    taken = []
    body = open_body()
    body.begin(SimpleNamespace(run=lambda work: taken.append(work) or int))
    assert [body.read() for _ in range(3)] == [None] * 3
    (work,) = taken
    work()
    assert body.read() == CONTENT[: 64 * 1024]


def test_a_disk_that_takes_turns_with_memory(open_body, monkeypatch):
    turns = itertools.cycle([lambda *_: None, os.pread])
    monkeypatch.setattr(static, "read_from_memory", lambda *arguments: next(turns)(*arguments))
    body = open_body()
    with Pump() as pump:
        body.begin(pump)
        assert b"".join(pump.pieces(body)) == CONTENT


def test_fewer_bytes_than_asked_for_are_no_end(open_body, pump, monkeypatch):
    pread = os.pread

    def read_less(fd, size, offset):
        return pread(fd, min(size, 1000), offset)

    monkeypatch.setattr(os, "pread", read_less)
    if static.read_from_memory is read_from_memory:
        monkeypatch.setattr(static, "read_from_memory", read_less)
    body = open_body()
    body.begin(pump)
    assert b"".join(pump.pieces(body)) == CONTENT


def test_a_file_that_shrinks_breaks_off(open_body, pump, file):
    body = open_body()
    body.begin(pump)
    size = len(pump.wait_for(body, body.read))
    os.truncate(file, size)
    with pytest.raises(BrokenBody, match=f"shrank from 300000 to {size} bytes"):
        pump.wait_for(body, body.read)


def test_a_file_that_grows_ends_where_it_ended(open_body, pump, file):
    body = open_body()
    body.begin(pump)
    with file.open("ab") as more:
        more.write(b"more")
    assert b"".join(pump.pieces(body)) == CONTENT


@pytest.mark.parametrize("where", ["in memory", "on a disk"])
def test_a_disk_that_fails_breaks_off(open_body, where, monkeypatch):
    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "pread", fail)
    monkeypatch.setattr(static, "read_from_memory", fail if where == "in memory" else lambda *_: None)
    body = open_body()
    with Pump() as pump:
        body.begin(pump)
        with pytest.raises(BrokenBody, match="reading failed: Input/output error"):
            pump.wait_for(body, body.read)


@pytest.fixture
def by_hand(monkeypatch):
    """The helper of a disk that answers when the test says so; `threads` are those that are free."""
    monkeypatch.setattr(static, "read_from_memory", lambda *_: None)
    works = []

    def run(work):
        if not helper.threads:
            return None
        works.append(work)
        return lambda: None

    helper = SimpleNamespace(threads=1, run=run, work=lambda: works.pop()())
    return helper


def test_where_no_thread_is_free_the_loop_reads_nothing_itself_and_asks_again_soon(open_body, by_hand):
    body = open_body()
    by_hand.threads = 0
    body.begin(by_hand)
    assert body.read() is None
    assert body.deadline < time.monotonic() + 0.1
    by_hand.threads = 1
    assert body.read() is None
    assert body.deadline > time.monotonic() + 20  # a thread is at it, and wakes the loop
    by_hand.work()
    assert body.read() == CONTENT[: 64 * 1024]
    assert body.deadline == math.inf


@pytest.mark.parametrize("threads", [0, 1])
def test_a_disk_that_does_not_answer_breaks_off(open_body, by_hand, monkeypatch, threads):
    monkeypatch.setattr(static, "_DISK_TIMEOUT", 0.05)
    body = open_body()
    by_hand.threads = threads
    body.begin(by_hand)
    assert body.read() is None
    time.sleep(max(0.0, body.deadline - time.monotonic()))
    with pytest.raises(BrokenBody, match=r"the disk did not answer within 0.05 s"):
        body.read()
    if threads:
        by_hand.work()  # which is late, and disturbs nothing


def test_a_thread_without_memory_is_heard_of(open_body, monkeypatch):
    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(static, "read_from_memory", lambda *_: None)
    monkeypatch.setattr(os, "pread", fail)
    body = open_body()
    with Pump() as pump:
        body.begin(pump)
        with pytest.raises(MemoryError):
            pump.wait_for(body, body.read)


def test_closed_while_a_thread_reads(file, monkeypatch):
    """The thread has a descriptor of its own, so that it never reads what another file's has become."""
    monkeypatch.setattr(static, "read_from_memory", lambda *_: None)
    before = open_descriptors()
    begun, may_read, seen = threading.Event(), threading.Event(), []
    pread = os.pread

    def wait_and_read(*arguments):
        begun.set()
        assert may_read.wait(15)
        seen.append(pread(*arguments))
        return seen[0]

    monkeypatch.setattr(os, "pread", wait_and_read)
    with Pump() as pump:
        body = FileBody(os.open(file, os.O_RDONLY), SIZE)
        body.begin(pump)
        assert body.read() is None
        assert begun.wait(15)
        body.close()
        with open("/dev/null") as other:  # noqa: PTH123, takes the number of the closed one
            may_read.set()
            while not seen:
                time.sleep(0.001)
            assert other.read() == ""
    assert seen == [CONTENT[: 64 * 1024]]
    assert open_descriptors() == before


def test_closed_before_a_thread_reads(file, monkeypatch):
    """Where a disk hangs no turn may come for a long time, and nobody's descriptors wait for it."""
    monkeypatch.setattr(static, "read_from_memory", lambda *_: None)
    before, works = open_descriptors(), []
    body = FileBody(os.open(file, os.O_RDONLY), SIZE)
    body.begin(SimpleNamespace(run=lambda work: works.append(work) or int))
    assert body.read() is None
    body.close()
    assert open_descriptors() == before
    monkeypatch.setattr(os, "pread", None)
    works.pop()()


@pytest.mark.parametrize("size", [10, INLINE_SIZE])
def test_a_small_file_that_is_not_in_memory_is_read_by_a_thread(configure, capsule, size, monkeypatch):
    (capsule / "file").write_bytes(CONTENT[:size])
    monkeypatch.setattr(static, "read_from_memory", lambda *_: None)
    response = StaticFiles({}, 1, Protection({}))(request("/file"), configure().hosts[0].locations[0])
    assert isinstance(response.body, FileBody)
    assert deliver(response) == CONTENT[:size]


def test_a_small_file_that_is_in_memory_in_part_is_whole(configure, capsule, monkeypatch):
    (capsule / "file").write_bytes(CONTENT[:5000])
    pread = os.pread
    monkeypatch.setattr(static, "read_from_memory", lambda fd, size, offset: pread(fd, min(4096, size), offset))
    response = StaticFiles({}, 1, Protection({}))(request("/file"), configure().hosts[0].locations[0])
    assert isinstance(response.body, FileBody)
    assert deliver(response) == CONTENT[:5000]


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


# Listings that are remembered


@pytest.fixture
def settled(capsule):
    """A directory whose times lie behind."""
    directory = capsule / "settled"
    directory.mkdir()
    (directory / "a.gmi").touch()
    wait_until_settled(directory)
    return directory


def wait_until_settled(directory):
    time.sleep(max(0.0, os.stat(directory).st_ctime + 1.01 - time.time()))


@pytest.fixture
def computed(monkeypatch):
    """The locations for which a listing was worked out."""
    computed, list_directory = [], static.list_directory

    def list_and_count(url, location, *arguments):
        computed.append(location.path)
        return list_directory(url, location, *arguments)

    monkeypatch.setattr(static, "list_directory", list_and_count)
    return computed


def test_a_listing_is_worked_out_once(configure, settled, computed):
    files, (location,) = StaticFiles({}, 10, Protection({})), configure().hosts[0].locations
    pages = [settle(lambda: files(request("/settled/"), location)).body for _ in range(3)]
    assert len(set(pages)) == len(computed) == 1
    assert isinstance(files(request("/settled/"), location).body, bytes)


def test_and_again_when_its_directory_has_changed(configure, settled, computed):
    files, (location,) = StaticFiles({}, 10, Protection({})), configure().hosts[0].locations
    assert b"b.gmi" not in settle(lambda: files(request("/settled/"), location)).body
    (settled / "b.gmi").touch()
    for _ in range(2):
        assert b"b.gmi" in settle(lambda: files(request("/settled/"), location)).body
    assert len(computed) == 3  # the last two a moment after the change


def test_one_that_others_wait_for_too_is_worked_out_once(configure, settled, computed):
    files, (location,) = StaticFiles({}, 10, Protection({})), configure().hosts[0].locations
    answers = [files(request("/settled/"), location) for _ in range(3)]
    assert len({settle(lambda answer=answer: answer).body for answer in answers}) == 1
    assert len(computed) == 1


def test_another_location_has_its_own(configure, settled, computed):
    config = configure(location=[{"path": "/settled/sub"}, {"path": "/other", "root": str(settled.parent)}])
    files, locations = StaticFiles({}, 10, Protection({})), {one.path: one for one in config.hosts[0].locations}
    for _ in range(2):
        settle(lambda: files(request("/settled/"), locations["/"]))
        settle(lambda: files(request("/other/settled/"), locations["/other"]))
    assert sorted(computed) == ["/", "/other"]


def test_one_with_other_rules_for_the_same_url_too(configure, settled, computed):
    files, (first,) = StaticFiles({}, 10, Protection({})), configure().hosts[0].locations
    second = msgspec.structs.replace(first, where="host[2]")
    for location in (first, second, first, second):
        settle(lambda location=location: files(request("/settled/"), location))
    assert len(computed) == 2


def test_one_for_another_certificate_too(configure, settled, computed):
    """Links into what is protected are shown to whom they would be served."""
    files, (location,) = StaticFiles({}, 10, Protection({})), configure().hosts[0].locations
    certified = peer(client_certificate=ClientCertificate(b"", "fingerprint"))
    for asker in (None, certified, None, certified):
        settle(lambda asker=asker: files(request("/settled/", asker), location))
    assert len(computed) == 2
