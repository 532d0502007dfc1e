import os

import pytest

from gemd.protocol.errors import GeminiError
from gemd.responders import script_looks
from gemd.responders.judged import Unjudged
from gemd.responders.script_looks import ScriptLooks, has_script_extension
from tests.support.descriptors import open_descriptors
from tests.support.waiting import wait_for


@pytest.mark.parametrize("name", ["x.py", "x.CGI", ".x.sh", "a.b.pl"])
def test_knows_extensions(name):
    assert has_script_extension(name)


@pytest.mark.parametrize("name", ["x", "x.gmi", ".py", "x.py.txt", "py"])
def test_knows_no_others(name):
    assert not has_script_extension(name)


@pytest.fixture
def look(tmp_path):
    """What is said of a file with this text, by one and the same object."""
    looks, path = ScriptLooks(), tmp_path / "file"

    def look(text: bytes | None = None) -> bool:
        if text is not None:
            path.write_bytes(text)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            return looks.begins_like_script(descriptor, os.fstat(descriptor))
        finally:
            os.close(descriptor)

    look.path = path
    return look


def change(path):
    """Change it, as its clock tells."""
    before = os.stat(path).st_ctime_ns
    wait_for(lambda: os.utime(path) or os.stat(path).st_ctime_ns != before, "the clock of the file system to go on")


TEXTS = [(b"#!/bin/sh\n", True), (b"\xef\xbb\xbf#!/bin/sh", True), (b"#!", True), (b"# page", False), (b"", False)]


@pytest.mark.parametrize(("text", "verdict"), TEXTS)
def test_knows_a_first_line(look, text, verdict):
    try:
        assert look(text) is verdict
    except Unjudged as error:  # a file system that can't tell what is in memory
        error.judge()
        assert look() is verdict


@pytest.fixture
def disk(monkeypatch):
    """Nothing is in memory."""
    monkeypatch.setattr(script_looks, "read_from_memory", lambda *_: None)


def test_a_thread_reads_what_is_not_in_memory(look, disk):
    before = open_descriptors()
    for text, verdict in ((b"#!/bin/sh", True), (b"# page, longer", False)):
        with pytest.raises(Unjudged) as caught:
            look(text)
        caught.value.judge()
        assert look() is verdict
        change(look.path)  # and what has changed again
        with pytest.raises(Unjudged):
            look()
        del caught
    assert open_descriptors() == before


def test_a_verdict_is_good_for_long_only_where_nothing_had_just_changed(look, disk, monkeypatch):
    now = os.stat(look.path.parent).st_ctime + 100
    look.path.write_bytes(b"page")
    monkeypatch.setattr(script_looks.time, "time", lambda: now)
    with pytest.raises(Unjudged) as caught:
        look()
    caught.value.judge()
    now += 3600
    assert look() is False
    monkeypatch.setattr(script_looks, "_MAX_VERDICTS", 1)
    change(look.path)
    with pytest.raises(Unjudged) as caught:
        look()
    now = os.stat(look.path).st_ctime
    caught.value.judge()
    assert look() is False
    now += 3600
    with pytest.raises(Unjudged):
        look()


def test_what_can_not_be_read_is_40_and_told(look, disk, monkeypatch, caplog):
    look.path.touch()
    with pytest.raises(Unjudged) as caught:
        look()

    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(script_looks.os, "pread", fail)
    with pytest.raises(GeminiError) as refused:
        caught.value.judge()
    assert refused.value.status == 40
    assert "Input/output error" in caplog.text
