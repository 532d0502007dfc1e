"""What a process says of itself."""

import os
import resource
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from gemd.system import process
from gemd.system.process import DescriptorReport, count_descriptors

NULL = Path(os.devnull)


def test_all_limits_are_read():
    before = process.read_limits()
    assert before[resource.RLIMIT_NOFILE] == resource.getrlimit(resource.RLIMIT_NOFILE)
    soft, hard = resource.getrlimit(resource.RLIMIT_RTTIME)
    resource.setrlimit(resource.RLIMIT_RTTIME, (1_000_000, hard))
    try:
        assert process.read_limits() != before
    finally:
        resource.setrlimit(resource.RLIMIT_RTTIME, (soft, hard))
    assert process.read_limits() == before


@pytest.fixture(params=["tells their number", "lists them"])
def kernel(request, monkeypatch):
    """One that tells the number of descriptors as a directory's size (Linux 6.2), and one that does not."""
    if request.param == "lists them":
        monkeypatch.setattr(process.os, "stat", lambda _: SimpleNamespace(st_size=0))
    elif not os.stat("/proc/self/fd").st_size:
        pytest.skip("this kernel lists them")


@contextmanager
def report_of_this_process():
    """Its directory is closed in the end."""
    report = DescriptorReport()
    try:
        yield report
    finally:
        if report._directory is not None:
            os.close(report._directory)


def test_descriptors_come_and_go(kernel):
    before = count_descriptors()
    with ExitStack() as stack:
        for number in range(1, 31):
            stack.enter_context(NULL.open())
            assert count_descriptors() == before + number
    assert count_descriptors() == before


def test_what_counting_takes_is_not_counted(kernel):
    before = len(os.listdir("/proc/self/fd")) - 1
    assert count_descriptors() == before
    with report_of_this_process() as report:
        assert [report.read(), report.read()] == [before, before]
        with NULL.open():
            assert report.read() == before + 1
        assert count_descriptors() == before + 1
    assert count_descriptors() == before


def test_its_directory_is_not_for_who_is_executed():
    with report_of_this_process() as report:
        assert not os.get_inheritable(report._directory)


def test_without_proc_nothing_is_known(monkeypatch, tmp_path):
    assert count_descriptors(str(tmp_path / "none")) == 0

    def refuse(*_):
        raise FileNotFoundError

    monkeypatch.setattr(process.os, "open", refuse)
    assert DescriptorReport().read() == 0


IN_A_LOCKED_PROCESS = """
import os
from gemd.system.process import DescriptorReport, count_descriptors, forbid_inspection
report = DescriptorReport()
forbid_inspection()
print(len(os.listdir("/proc/self/fd")) - 2, report.read(), count_descriptors() - 1)
"""


def test_a_process_that_nobody_looks_into_counts_its_own():
    command = [sys.executable, "-c", IN_A_LOCKED_PROCESS]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    assert len(set(done.stdout.split())) == 1
    assert int(done.stdout.split()[0]) >= 3
