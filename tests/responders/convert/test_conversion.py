"""One run of a converter: what is a page, and what is none."""

import os
import time

import pytest

from gemd.config.cgi_settings import CGISettings
from gemd.config.script_settings import ScriptSettings
from gemd.protocol.errors import CGIError, Overloaded
from gemd.responders.cgi.start import ScriptStart
from gemd.responders.convert import conversion
from gemd.responders.convert.conversion import Conversion
from gemd.system.places import Places
from gemd.system.script import Script
from gemd.system.script_limits import NO_LIMITS
from gemd.system.script_start import ScriptFile
from gemd.system.script_threads import SCRIPT_THREADS
from tests.support.pump import Pump


@pytest.fixture
def make(tmp_path):
    """Make a run of a program in sh. All have ended when the test has."""

    def make(text, *, timeout=15.0, turn=15.0, output=10**9, places=None, is_utf8=True, body=b"# Page\n"):
        path = tmp_path / "program"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        (tmp_path / "page").write_bytes(body)
        file = ScriptFile(str(path), body=os.open(tmp_path / "page", os.O_RDONLY))
        settings = ScriptSettings(CGISettings(), timeout, turn)
        places = places or Places(8, 8)
        start = ScriptStart(
            file, {"PATH": os.environ["PATH"]}, lambda *asked: Script(*asked, NO_LIMITS), SCRIPT_THREADS, places
        )
        return Conversion(start, "it", settings, output, SCRIPT_THREADS, is_utf8=is_utf8)

    yield make
    assert SCRIPT_THREADS.wait(15)


@pytest.fixture
def convert(make):
    """The page that comes of a run."""

    def convert(text, **options):
        run = make(text, **options)
        with Pump() as pump:
            run.begin(pump)
            try:
                return pump.wait_for(run, run.find_page)
            finally:
                run.close()

    return convert


PAGES = {
    "filter": ("cat", b"# Page\n"),
    "what takes a while": ("sleep 0.1; cat; sleep 0.1; echo end", b"# Page\nend\n"),
    "what reads nothing": ("echo page", b"page\n"),
    "what closes its input": ("exec <&-; echo page", b"page\n"),
    "what complains": ("cat; echo oops >&2", b"# Page\n"),
    "what closes its output": ("cat; exec >&-; sleep 0.1", b"# Page\n"),
    "many pieces": ("i=0; while [ $i -lt 20 ]; do i=$((i+1)); echo $i; sleep 0.01; done | tr -d '\\n'", None),
    "UTF-8 that is cut between pieces": (r"printf '\303'; sleep 0.1; printf '\244'", "ä".encode()),
}


@pytest.mark.parametrize(("text", "page"), PAGES.values(), ids=PAGES)
def test_what_it_writes_is_the_page(convert, text, page):
    assert convert(text) == (page or "".join(map(str, range(1, 21))).encode())


def test_a_large_page_comes_whole(convert):
    assert len(convert("head -c 4194304 /dev/zero")) == conversion.MAX_PAGE


FAILURES = {
    "exit code": ("cat; exit 3", "it exited with code 3"),
    "signal": ("cat; kill -SEGV $$", "it was ended by SIGSEGV"),
    "nothing": ("cat >/dev/null", "it wrote nothing"),
    "not UTF-8": (r"printf 'ab\377'", "it wrote what is not UTF-8, at byte 2"),
    "half a character": (r"printf 'ab\303'", "it wrote what is not UTF-8, at byte 2"),
    "too much": ("head -c 4194305 /dev/zero", "it wrote more than 4194304 bytes"),
    "no end of it": ("exec cat /dev/zero", "it wrote more than 4194304 bytes"),
}


@pytest.mark.parametrize(("text", "said"), FAILURES.values(), ids=FAILURES)
def test_what_is_no_page_is_told(convert, caplog, text, said):
    with pytest.raises(CGIError, match="The page could not be converted"):
        convert(text)
    assert caplog.messages[0] == said


def test_what_is_late_is_ended(convert, caplog, tmp_path):
    began = time.monotonic()
    with pytest.raises(CGIError):
        convert(f"echo begun; echo $$ > {tmp_path}/pid; sleep 60", timeout=0.5)
    assert time.monotonic() - began < 5
    assert caplog.messages[0] == "it did not end within 0.5 s (timeouts.cgi)"


def test_the_time_for_a_header_is_for_its_turn_alone(convert):
    assert convert("sleep 0.5; cat", turn=0.2) == b"# Page\n"


def test_what_scripts_may_write_it_may_write_at_most(convert, caplog):
    with pytest.raises(CGIError):
        convert("head -c 2000 /dev/zero", output=1000)
    assert caplog.messages[0] == "it wrote more than 1000 bytes (limits.cgi-output)"


def test_what_can_not_be_started_is_told(make, convert, caplog):
    run = make("")
    run._start._file.name = "nothing"
    with Pump() as pump:
        run.begin(pump)
        with pytest.raises(CGIError):
            pump.wait_for(run, run.find_page)
        run.close()
    assert "it can't be started: No such file or directory" in caplog.text


def test_who_has_no_turn_in_time_is_refused(make):
    places = Places(1, 1)
    place = places.request("another", lambda _: None)
    run = make("cat", turn=0.1, places=places)
    with Pump() as pump:
        run.begin(pump)
        with pytest.raises(Overloaded):
            pump.wait_for(run, run.find_page)
        run.close()
    place.leave()
    assert places.taken == 0
