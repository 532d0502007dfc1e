"""Limits that are set from outside. What becomes of a script that has them is told with it."""

import os
import resource
import subprocess

import pytest

from gemd.config.cgi_settings import CGISettings
from gemd.system.script_limits import NO_LIMITS, ScriptLimits, set_limits


@pytest.fixture
def process():
    """One that waits, in a session of its own."""
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, start_new_session=True) as process:
        yield process.pid
        process.stdin.close()


def test_those_that_are_configured():
    settings = CGISettings(nice=5, cpu_seconds=1, memory=2, file_size=3, processes=4)
    assert ScriptLimits.of(settings) == ScriptLimits(5, 1, 2, 3, 4)
    assert ScriptLimits.of(CGISettings()) == NO_LIMITS


def test_they_are_set(process):
    set_limits(process, ScriptLimits(3, 7, 1 << 30, 1 << 20, 1000))
    kinds = resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC
    assert [resource.prlimit(process, kind) for kind in kinds] == [(7, 7), (1 << 30,) * 2, (1 << 20,) * 2, (1000,) * 2]
    assert os.getpriority(os.PRIO_PROCESS, process) == 3


def test_without_any_that_of_descriptors_is_the_usual_one(process):
    before = [resource.prlimit(process, kind) for kind in (resource.RLIMIT_CPU, resource.RLIMIT_AS)]
    hard = resource.prlimit(process, resource.RLIMIT_NOFILE)[1]
    set_limits(process, NO_LIMITS)
    assert [resource.prlimit(process, kind) for kind in (resource.RLIMIT_CPU, resource.RLIMIT_AS)] == before
    assert resource.prlimit(process, resource.RLIMIT_NOFILE) == (min(1024, hard), hard)


def test_one_that_is_gone_needs_none(process):
    with subprocess.Popen(["/bin/true"]) as gone:
        gone.wait()
    set_limits(gone.pid, ScriptLimits(cpu_seconds=1))


@pytest.mark.parametrize("limits", [ScriptLimits(memory=2**63), ScriptLimits(cpu_seconds=2**64)])
def test_what_can_not_be_is_an_error(process, limits):
    with pytest.raises((ValueError, OverflowError)):
        set_limits(process, limits)
