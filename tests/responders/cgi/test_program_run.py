"""What all runs of programs have in common: their time, their bytes, and their end."""

import os
import time

import pytest

from gemd.config.cgi_settings import CGISettings
from gemd.config.script_settings import ScriptSettings
from gemd.responders.cgi.program_run import ProgramRun
from gemd.responders.cgi.start import ScriptStart
from gemd.system.places import Places
from gemd.system.script import Script
from gemd.system.script_limits import NO_LIMITS
from gemd.system.script_output import ScriptError
from gemd.system.script_start import ScriptFile
from gemd.system.script_threads import SCRIPT_THREADS
from tests.support.descriptors import open_descriptors
from tests.support.pump import Pump
from tests.support.waiting import wait_for


class Run(ProgramRun):
    """One whose pieces a test reads."""

    @property
    def descriptors(self):
        return self._start.descriptors

    @property
    def deadline(self):
        return self._find_deadline(self._end_at)

    def read(self):
        return self._read_piece()


@pytest.fixture
def make(tmp_path):
    """Make a run of a program in sh. All have ended when the test has."""

    def make(text, *, timeout=15.0, output=10**9, places=None):
        path = tmp_path / "program"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        environ, places = {"PATH": os.environ["PATH"]}, places or Places(8, 8)
        start = ScriptStart(
            ScriptFile(str(path)), environ, lambda *asked: Script(*asked, NO_LIMITS), SCRIPT_THREADS, places
        )
        return Run(start, "it", ScriptSettings(CGISettings(), timeout, 15.0), output, SCRIPT_THREADS)

    yield make
    assert SCRIPT_THREADS.wait(15)


def test_its_pieces_are_what_it_writes(make):
    run = make("echo a; sleep 0.1; echo b")
    with Pump() as pump:
        run.begin(pump)
        assert pump.read(run) == b"a\nb\n"


def test_its_time_is_from_its_turn_on(make):
    places = Places(1, 1)
    place = places.request("another", lambda _: None)
    run = make("sleep 0.3; echo page", timeout=0.5, places=places)
    with Pump() as pump:
        run.begin(pump)
        time.sleep(0.4)
        place.leave()
        assert pump.read(run) == b"page\n"


def test_what_is_late_is_told(make):
    run = make("sleep 60", timeout=0.3)
    with Pump() as pump:
        run.begin(pump)
        with pytest.raises(ScriptError, match=r"did not end within 0\.3 s"):
            pump.read(run)


def test_what_is_too_much_is_told(make):
    run = make("head -c 2000 /dev/zero", output=1000)
    with Pump() as pump:
        run.begin(pump)
        with pytest.raises(ScriptError, match="wrote more than 1000 bytes"):
            pump.read(run)


def test_who_lets_go_of_it_ends_it(make):
    places, before = Places(1, 1), open_descriptors()
    run = make("echo begun; exec sleep 60", places=places)
    with Pump() as pump:
        run.begin(pump)
        assert pump.wait_for(run, run.read) == b"begun\n"
        run.close()
    assert SCRIPT_THREADS.wait(15)
    assert places.taken == 0
    assert wait_for(lambda: open_descriptors() == before, "all to be closed")


def test_what_it_complains_of_is_told(make, caplog):
    run = make("echo oops >&2")
    with Pump() as pump:
        run.begin(pump)
        assert pump.read(run) == b""
    assert SCRIPT_THREADS.wait(15)
    assert caplog.messages == ["it says: oops"]
