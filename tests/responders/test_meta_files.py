import os
import threading

import msgspec
import pytest

from gemd.protocol.errors import GeminiError
from gemd.protocol.meta_file import MAX_GLOBS
from gemd.responders import meta_files
from gemd.responders.judged import Unjudged
from gemd.responders.meta_files import MAX_DEPTH, MetaFiles
from gemd.responders.protection import Protection
from gemd.system import file_state
from gemd.system.beneath import has_openat2, open_root
from tests.support.descriptors import open_descriptors

from .asking import peer

pytestmark = pytest.mark.usefixtures("long_ago")


class Described:
    """The descriptions of a configuration, and how often one of them was read."""

    def __init__(self, config):
        self.locations = [location for host in config.hosts for location in host.locations]
        rules = {host.name: [(location, None) for location in host.locations] for host in config.hosts}
        self.files = MetaFiles(self.locations, Protection(rules))
        self.reads = 0

    def find(self, path, location=None):
        """What is said of a path, which is below the root, as (status, text)."""
        location = location or self.locations[0]
        root = open_root(location.root)
        try:
            while True:
                try:
                    found = self.files.find(root, path.split("/"), location, peer())
                except Unjudged as error:
                    thread = threading.Thread(target=error.judge)
                    thread.start()
                    thread.join()
                    self.reads += 1
                else:
                    return found and (found.status, found.text)
        finally:
            os.close(root)


@pytest.fixture
def describe(configure, capsule):
    """Descriptions by the directory that they are in, which were written long ago."""

    def describe(texts=None, *, age=10, **keys):
        for name, text in (texts or {}).items():
            write(capsule, name, text, age)
        return Described(configure(**{"meta_files": True, **keys}))

    return describe


def write(capsule, name, text, age=10):
    path = capsule / name / ".meta"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_the_nearest_line_decides(describe):
    described = describe({"": "**: 50 top\na/b/x: 51 top\n", "a": "b/*: 52 a\n", "a/b": "x: 53 b\n"})
    assert described.find("a/b/x") == (53, "b")
    assert described.find("a/b/y") == (52, "a")
    assert described.find("a/y") == (50, "top")
    assert described.find("a/b/c/d") == (50, "top")


def test_it_is_read_once(describe, capsule):
    described = describe({"": "a: 51\n", "dir": "a: 52\n"})
    for _ in range(3):
        assert described.find("a") == (51, "")
        assert described.find("dir/a") == (52, "")
        assert described.find("b") is None
    assert described.reads == 2


@pytest.mark.parametrize("change", ["in place", "replaced", "linked"])
def test_it_is_read_again_at_once_when_it_has_changed(describe, capsule, change):
    described = describe({"": "a: 51 x\n"})
    assert described.find("a") == (51, "x")
    path, other = capsule / ".meta", capsule / "other"
    if change == "in place":
        path.write_text("a: 52 y\n")
        os.utime(path, ns=(1, 1))
    else:
        other.write_text("a: 52 y\n")
        if change == "linked":
            path.unlink()
            path.symlink_to("other")
        else:
            os.replace(other, path)
    assert described.find("a") == (52, "y")


def test_one_that_goes_says_nothing_and_one_that_comes_does(describe, capsule):
    described = describe({"": "a: 51\n"})
    assert described.find("a") == (51, "")
    (capsule / ".meta").unlink()
    assert described.find("a") is None
    write(capsule, "", "a: 52\n")
    assert described.find("a") == (52, "")


def test_what_has_just_changed_is_read_again_later(describe, monkeypatch):
    """It may change without a trace in its times, as long as the clock has not gone on."""
    monkeypatch.setattr(file_state, "_STEP", 10**12)
    monkeypatch.setattr(meta_files, "_RETRY_INTERVAL", 0.2)
    described = describe({"": "a: 51\n"})
    assert described.find("a") == described.find("a") == (51, "")
    assert described.reads == 1
    monkeypatch.setattr(file_state, "_STEP", 0)
    threading.Event().wait(0.25)
    assert described.find("a") == described.find("a") == (51, "")
    assert described.reads == 2


# Where it is looked for


def test_a_location_has_what_is_above_it_up_to_one_without_any(describe):
    texts = {"": "**: 50 top\n", "a": "**: 51 a\n", "a/b": "x: 52 b\n"}
    inner = {"path": "/a/b/"}
    described = describe(texts, location=[{"path": "/a"}, inner])
    assert described.find("a/b/y", described.locations[2]) == (51, "a")
    described = describe(texts, location=[inner])
    assert described.find("a/b/y", described.locations[1]) == (51, "a")
    described = describe(texts, meta_files=False, location=[{**inner, "meta-files": True}])
    assert described.find("a/b/y", described.locations[1]) is None
    assert described.find("a/b/x", described.locations[1]) == (52, "b")
    off = {"path": "/a", "meta-files": False}
    described = describe(texts, location=[off, {**inner, "meta-files": True}])
    assert described.find("a/b/y", described.locations[2]) is None


def test_what_is_off_is_off_below(describe):
    described = describe(location=[{"path": "/a", "meta-files": False}, {"path": "/a/b"}])
    assert [location.meta_files for location in described.locations] == [True, False, False]


def test_a_root_of_ones_own_begins_anew(describe, capsule, tmp_path):
    write(tmp_path / "other", "", "x: 51 own\n")
    described = describe({"": "**: 50 top\n"}, location=[{"path": "/a", "root": str(tmp_path / "other")}])
    assert described.find("x", described.locations[1]) == (51, "own")
    assert described.find("y", described.locations[1]) is None


def test_it_is_not_looked_for_at_any_depth(describe, capsule):
    names = ["d"] * (MAX_DEPTH + 2)
    described = describe({"/".join(names[:-2]): "**: 51\n", "/".join(names[:-1]): "**: 52\n"})
    assert described.find("/".join([*names, "x"])) == (51, "")


# What does no harm


def make_fifo(path):
    os.mkfifo(path)


def make_directory(path):
    path.mkdir()
    (path / "a").write_text("x")


def make_large(path):
    path.write_bytes(b"a: 51\n" + b"#" * 40_000)


def make_long(path):
    path.write_bytes(b"a: 51\n" * 1001)


HARMLESS = {
    make_fifo: "is left alone: it is no file",
    make_directory: "is left alone: it is no file",
    make_large: "is left alone: it has more than 32768 bytes",
    make_long: "is left alone: it has more than 1000 lines",
}


@pytest.mark.parametrize(("make", "text"), HARMLESS.items(), ids=lambda each: getattr(each, "__name__", ""))
def test_what_is_none_says_nothing_and_is_told_once(describe, capsule, caplog, make, text):
    make(capsule / ".meta")
    before = open_descriptors()
    described = describe()
    for _ in range(3):
        assert described.find("a") is None
    assert described.reads == 1
    assert caplog.messages == [f"{capsule}/.meta {text}"]
    assert open_descriptors() == before


@pytest.mark.parametrize("target", ["../secret", "/dev/zero", ".meta", "nothing"])
def test_a_link_out_of_the_root_says_nothing(describe, capsule, caplog, target):
    (capsule.parent / "secret").write_text("a: 51\n")
    (capsule / ".meta").symlink_to(target)
    assert describe().find("a") is None
    assert caplog.messages == []


@pytest.mark.skipif(not has_openat2(), reason="this kernel has no openat2, and follows no links")
def test_a_link_within_is_followed_as_the_location_says(describe, capsule):
    write(capsule, "dir", "a: 51\n")
    (capsule / ".meta").symlink_to("dir/.meta")
    assert describe().find("a") == (51, "")
    assert describe(symlinks="none").find("a") is None


@pytest.mark.skipif(not has_openat2(), reason="this kernel has no openat2, and follows no links")
@pytest.mark.parametrize("other", [{"meta-files": False}, {"access": {"allow": ["192.0.2.0/24"]}}])
def test_that_of_another_location_is_not_read_by_a_link(describe, capsule, other):
    """Whoever asks, for what is read is remembered for all."""
    (capsule / "link").symlink_to("private")
    described = describe({"private": "a: 51\n"}, location=[{"path": "/private", **other}])
    assert described.find("link/a") is None


def test_one_that_may_not_be_read_is_told(describe, capsule, caplog, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, os.strerror(13))

    described = describe({"": "a: 51\n"})
    with monkeypatch.context() as patch:
        patch.setattr(Protection, "open", refuse)
        patch.setattr(meta_files, "_RETRY_INTERVAL", 0.1)
        assert described.find("a") is None
    assert caplog.messages == [f"{capsule}/.meta can't be read: Permission denied"]
    threading.Event().wait(0.15)
    assert described.find("a") == (51, "")


def test_a_root_that_is_gone_is_a_temporary_failure(describe, capsule):
    described = describe({"": "a: 51\n"})
    root = open_root(str(capsule))
    with pytest.raises(Unjudged) as raised:
        described.files.find(root, ["a"], described.locations[0], peer())
    capsule.rename(capsule.with_name("gone"))
    with pytest.raises(GeminiError):
        raised.value.judge()
    os.close(root)


# What is told


def test_a_malformed_line_costs_itself_and_a_line_in_the_log(describe, capsule, caplog):
    described = describe({"": "a: 51\nno\x1b[2Jcolon\nb: 55 Gone\nc: 52\n"})
    for _ in range(3):
        assert [described.find(path) for path in "abc"] == [(51, ""), None, (52, "")]
    first, second = caplog.messages
    assert first.startswith(f"{capsule}/.meta, line 2: there is no colon")
    assert second == f"{capsule}/.meta, line 3: there is no status 55"
    write(capsule, "", "a: 51\nb: 56 Gone\n")
    assert described.find("b") is None
    assert len(caplog.messages) == 3


def test_of_one_file_some_lines_are_told(describe, caplog, capsule):
    describe({"": "wrong\n" * 50}).find("a")
    assert len(caplog.messages) == 6
    assert caplog.messages[-1] == f"{capsule}/.meta: 45 lines more are left out"


def test_not_too_much_is_told(describe, capsule, caplog, monkeypatch):
    monkeypatch.setattr(meta_files, "_MAX_TOLD", 8)
    described = describe({f"d{number}": "wrong\n" * 4 for number in range(5)})
    for number in range(5):
        described.find(f"d{number}/a")
    assert len(caplog.messages) == 9
    assert caplog.messages[-1] == "more is wrong in .meta files than is told"
    monkeypatch.setattr(meta_files, "_TOLD_INTERVAL", 0)
    write(capsule, "d0", "wrong too\n")
    described.find("d0/a")
    assert len(caplog.messages) == 10


def test_they_take_a_bounded_amount_of_memory(describe, monkeypatch):
    monkeypatch.setattr(meta_files, "_MAX_SIZE", 4 * 1024)
    described = describe({f"d{number}": "a: 51\n" for number in range(5)})
    for number in range(5):
        assert described.find(f"d{number}/a") == (51, "")
    assert len(described.files._known) == 3
    assert described.find("d4/a") == (51, "")
    assert described.reads == 5
    assert described.find("d0/a") == (51, "")
    assert described.reads == 6


def test_what_is_a_location_for_a_while_has_its_own(describe, capsule):
    """By its root, whatever it has in common with others."""
    described = describe({"": "**: 50 top\n", "a": "x: 51 a\n", "b": "x: 52 b\n"})
    for name, expected in (("a", (51, "a")), ("b", (52, "b")), ("a", (51, "a"))):
        values = {"root": str(capsule / name), "mount": (name,)}
        location = msgspec.structs.replace(described.locations[0], **values)
        assert described.find("x", location) == expected
        assert described.find("y", location) is None
    assert described.reads == 2


def test_a_file_that_a_disk_keeps_holds_up_no_judgement(describe, by_hand):
    """Each kind has its own turns: of one that is read nobody else waits for the certificate of an authority."""
    described = describe({"": "a: 51\n"})
    root = open_root(str(described.locations[0].root))
    with pytest.raises(Unjudged) as raised:
        described.files.find(root, ["a"], described.locations[0], peer())
    os.close(root)
    reading = raised.value.wait(lambda: "read")
    with meta_files._turns.turn_of("somebody"):
        judging = Unjudged(lambda: None).wait(lambda: "judged")
        judging.begin(by_hand)
        by_hand.work()
        assert judging.settle() == "judged"
    assert reading.settle() is None
    reading.begin(by_hand)
    by_hand.work()
    assert reading.settle() == "read"
    reading.close()
    judging.close()


def test_the_wildcards_of_all_files_on_the_way_are_bounded(describe, capsule, caplog):
    """Those that have too many together with nearer ones are left out, and that is told once."""
    many = "**/*x: 52 no\n" * (MAX_GLOBS // len("**/*x") // 2 + 1)
    described = describe({"a/b": many, "a": f"b/page: 52 above\n{many}", "": "a/b/page: 52 top"})
    for path in ("a/b/page", "a/b/other"):
        assert described.find(path) is None
    assert described.find("a/other") is None
    assert described.find("a/other/x") == (52, "no")
    assert described.find("a/b/c/x") == (52, "no")
    (message,) = caplog.messages
    assert message.startswith(f"{capsule}/a/.meta is left alone for some of what is below: ")
    (capsule / "a/b/.meta").unlink()
    assert described.find("a/b/page") == (52, "above")


def test_no_more_is_remembered_of_what_was_told_than_of_lines(describe, monkeypatch, caplog):
    monkeypatch.setattr(meta_files, "_MAX_TOLD", 1)
    many = "**/*x: 52 no\n" * (MAX_GLOBS // len("**/*x"))
    described = describe({"a/b": many, "a": many, "": many})
    for path in ("a/b/page", "a/page", "a/b/page"):
        assert described.find(path) is None
    assert len(caplog.messages) == 2
