import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from gemd.system.out_of_memory import OutOfMemoryKills
from tests.conftest import need_root

EVENTS = "low 0\nhigh 0\nmax 12\noom 3\noom_kill {}\noom_group_kill 0\n"


@pytest.fixture
def machine(tmp_path):
    """A root with /proc and /sys in it, of which a test writes what it needs."""

    def write(path, text):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    write("proc/vmstat", "nr_free_pages 1\noom_kill 7\nzone_reclaim_success 0\n")
    write("proc/self/cgroup", "4:memory:/old\n0::/system.slice/gemd.service\n")
    return tmp_path, write


def test_those_of_its_own_cgroup(machine):
    root, write = machine
    events = "sys/fs/cgroup/system.slice/gemd.service/memory.events"
    write(events, EVENTS.format(2))
    kills = OutOfMemoryKills(root)
    assert kills.read() == 2
    write(events, EVENTS.format(3))
    assert kills.read() == 3


def test_those_of_the_machine_where_the_cgroup_does_not_count(machine):
    root, write = machine
    kills = OutOfMemoryKills(root)
    assert kills.read() == 7
    write("proc/vmstat", "oom_kill 8\n")
    assert kills.read() == 8


def test_none_where_nothing_can_be_read(tmp_path):
    assert OutOfMemoryKills(tmp_path).read() == 0


@pytest.mark.parametrize("text", ["", "oom_kill\n", "oom_kill many\n", "oom_killer 5\n", "\xff"])
def test_none_where_nothing_can_be_understood(machine, text):
    root, write = machine
    write("proc/vmstat", text)
    assert OutOfMemoryKills(root).read() == 0


def test_this_machine_counts():
    assert OutOfMemoryKills().read() >= 0


CONTROLLERS = {"/sys/fs/cgroup/memory": "memory.limit_in_bytes", "/sys/fs/cgroup": "memory.max"}


@pytest.fixture
def small_cgroup():
    """A cgroup with little memory, as a folder; of version 1, or of version 2 where that has the memory controller."""
    if len(Path("/proc/swaps").read_text().splitlines()) > 1:
        pytest.skip("what does not fit into memory is swapped")
    for base, limit in CONTROLLERS.items():
        folder = Path(base, "gemd-test-of-memory")
        with contextlib.suppress(OSError):
            folder.mkdir()
            if (folder / limit).exists():
                (folder / limit).write_text(str(24 << 20))
                yield folder
                folder.rmdir()
                return
            folder.rmdir()
    pytest.skip("there is no memory cgroup to be had")


@need_root
def test_it_rises_when_the_kernel_kills(small_cgroup, tmp_path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/vmstat").symlink_to("/proc/vmstat")
    kills = OutOfMemoryKills(tmp_path)
    before = kills.read()
    code = f"open('{small_cgroup}/cgroup.procs', 'w').write('0'); x = b'x' * (200 << 20)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert kills.read() > before
