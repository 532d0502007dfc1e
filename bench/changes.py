"""What clients notice of changes under way: reloads, upgrades, rotated logs, recycled workers.

Rules: each prints what it counted and asserts nothing; a change comes while 16 clients ask, four of them for a script
that takes 0.3 seconds.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from prepare import Site
from service import LONGEST_WAIT, Load, Service, is_over, run, show_load, wait, waits_for

_SETTLED = 1.0  # seconds after which the last connections are closed

_HUPS, _HUP_EVERY, _HUP_REQUESTS = 20, 0.5, 10_000
_UPGRADES, _UPGRADE_SECONDS = 10, 8.0
_ROTATE_SECONDS, _ROTATE_EVERY, _LET_GO = 60.0, 0.5, 1.0
_QUOTA, _RECYCLE_SECONDS = 500, 30.0

_ACCESS_LINE = re.compile(r'127\.0\.0\.1 - - \[[^]]+\] "gemini://[^" ]*" \d\d \d+')
_EVENT_LINE = re.compile(r"[\d-]{10} [\d:]{8} gemd\[\d+\] [a-z]+: .+")


# reload


def run_reload(gemload: Path, site: Site, workers: int) -> None:
    """20 HUPs half a second apart, and again until 10,000 requests are answered."""
    with run(site, workers, "gemd-reload") as service:
        rounds: list[dict[str, dict[str, float]]] = []
        hups = 0
        seen = set(service.workers)
        while sum(one["requests"] for found in rounds for one in found.values()) < _HUP_REQUESTS and len(rounds) < 5:
            load = Load(gemload, service.port, (_HUPS + 2) * _HUP_EVERY)
            for _ in range(_HUPS):
                time.sleep(_HUP_EVERY)
                service.send(signal.SIGHUP)
                hups += 1
                seen |= set(service.workers)
            rounds.append(load.finish())
        began = time.monotonic()
        has_settled = waits_for(lambda: len(service.workers) == workers, LONGEST_WAIT)
        took = time.monotonic() - began
        status = service.status()
        seen |= set(service.workers)
        left = [pid for pid in seen if not is_over(pid) and pid not in service.workers]
        print(f"\n{hups} HUPs, {status['reloads']} reloads, {status['failed_reloads']} failed")
        show_load(*rounds)
        print(
            f"{len(seen)} workers seen, {len(service.workers)} at the end, of generation"
            f" {sorted({worker['generation'] for worker in status['workers']})} ({status['generation']} serves);"
            f" old ones left {took:.1f} s after the load: {len(left) if has_settled else 'not settled'}"
        )


# upgrade


def run_upgrade(gemload: Path, site: Site, workers: int) -> None:
    """10 USR2, each in the middle of eight seconds' load and when the one before is over."""
    with run(site, workers, "gemd-upgrade") as service:
        Load(gemload, service.port, 2.0).finish()
        time.sleep(_SETTLED)
        descriptors = [_count_descriptors(service)]
        rounds: list[dict[str, dict[str, float]]] = []
        serves: list[float] = []
        right = 0
        for _ in range(_UPGRADES):
            load, old = Load(gemload, service.port, _UPGRADE_SECONDS), service.pid
            time.sleep(_SETTLED)
            began = time.monotonic()
            service.send(signal.SIGUSR2)
            wait(lambda old=old: service.pid != old, "another pid in the pid file")
            serves.append(time.monotonic() - began)
            wait(lambda old=old: is_over(old), "the end of the old master")
            if load.is_over:
                print("the load was over before the old master")
            right += service.status()["pid"] == service.pid and service.pid in service.members()
            rounds.append(load.finish())
            time.sleep(_SETTLED)
            descriptors.append(_count_descriptors(service))
        print(f"\n{_UPGRADES} upgrades, a new master serves after {min(serves):.2f} to {max(serves):.2f} s")
        show_load(*rounds)
        print(f"pid file right {right} times of {_UPGRADES}")
        print("descriptors of master and workers: before, after the first and after the last upgrade", end=" ")
        print(descriptors[0], descriptors[1], descriptors[-1])
        masters = [pid for pid in service.members() if pid not in service.workers]
        print(f"processes at the end: {len(service.members())}, of them masters {len(masters)}")


def _count_descriptors(service: Service) -> list[int]:
    """Of the master, then of each worker. Only root may see them; -1 for others."""
    counts = []
    for pid in (service.pid, *service.workers):
        try:
            counts.append(len(list(Path(f"/proc/{pid}/fd").iterdir())))
        except OSError:
            counts.append(-1)
    return counts


# rotate


def run_rotate(gemload: Path, site: Site, workers: int) -> None:
    """Both logs renamed, and opened anew, twice a second for a minute; then the same by logrotate(8)."""
    _rotate(gemload, site, workers, "rename", _rename)
    program = shutil.which("logrotate", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        print("\nlogrotate: not installed")
        return
    conf = site.folder / "logrotate.conf"

    def rotate(service: Service, _nr: int) -> None:
        conf.write_text(
            f"{service.folder}/{service.name}-*.log {{\n\trotate 999\n\tnocreate\n\tsharedscripts\n\tpostrotate\n"
            f"\t\tkill -USR1 $(cat {service.pid_file})\n\tendscript\n}}\n"
        )
        conf.chmod(0o644)
        command = [program, "--force", "--state", site.folder / "logrotate.state", conf]
        subprocess.run(command, check=False, timeout=LONGEST_WAIT)

    _rotate(gemload, site, workers, "logrotate", rotate)


def _rename(service: Service, nr: int) -> None:
    for kind in ("access", "error"):
        log = service.folder / f"{service.name}-{kind}.log"
        log.rename(f"{log}.{nr}")
    service.send(signal.SIGUSR1)


def _rotate(gemload: Path, site: Site, workers: int, way: str, rotate: Callable[[Service, int], None]) -> None:
    name = f"gemd-{way}"
    with run(site, workers, name, log=f'error = "{site.folder}/{name}-error.log"\n') as service:
        waits_for(lambda: _lines(service, "access"), _SETTLED)
        time.sleep(_SETTLED)
        before = len(_lines(service, "access"))
        load = Load(gemload, service.port, _ROTATE_SECONDS + 2 * _LET_GO)
        renamed: dict[tuple[int, int], float] = {}  # files by device and inode, and since when they are old
        late = Counter[str]()
        missed = 0
        began = time.monotonic()
        nr = 0
        while time.monotonic() < began + _ROTATE_SECONDS:
            current = [service.folder / f"{name}-{kind}.log" for kind in ("access", "error")]
            if all(path.exists() for path in current):
                nr += 1
                files = [(status.st_dev, status.st_ino) for status in map(os.stat, current)]
                rotate(service, nr)
                renamed |= dict.fromkeys(files, time.monotonic())
            else:
                missed += 1
            time.sleep(max(0.0, began + (nr + missed) * _ROTATE_EVERY - time.monotonic()))
            late += _count_late(service, renamed)
        found = load.finish()
        late += _count_late(service, renamed)
        expected = before + sum(int(one["requests"]) for one in found.values())
        waits_for(lambda: len(_lines(service, "access")) == expected, 5.0)
        lines, events = _lines(service, "access"), _lines(service, "error")
        torn = [line for line in lines if not _ACCESS_LINE.fullmatch(line)]
        torn += [line for line in events if not _EVENT_LINE.fullmatch(line)]
        print(f"\n{way}: {nr} rotations in {_ROTATE_SECONDS:.0f} s; put off as a log was not there yet: {missed}")
        show_load(found)
        print(f"lines in {len(service.logs('access'))} files: {len(lines) - before}, torn: {len(torn)} {torn[:3]}")
        print(f"descriptors of an old file {_LET_GO:.0f} s later: {late.total()} {dict(late) or ''}")


def _lines(service: Service, kind: str) -> list[str]:
    return [line for path in service.logs(kind) for line in path.read_text().splitlines()]


def _count_late(service: Service, renamed: dict[tuple[int, int], float]) -> Counter[str]:
    """Who has a file open that was renamed a second ago or earlier."""
    limit = time.monotonic() - _LET_GO
    late = Counter[str]()
    for pid in service.members():
        with contextlib.suppress(OSError):
            for entry in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    status = entry.stat()
                    if renamed.get((status.st_dev, status.st_ino), limit) < limit:
                        late[f"pid {pid}"] += 1
    return late


# recycle


def run_recycle(gemload: Path, site: Site, workers: int) -> None:
    """Workers that leave after about 500 requests each."""
    with run(site, workers, "gemd-recycle", keys=f"max-requests = {_QUOTA}\n") as service:
        found = Load(gemload, service.port, _RECYCLE_SECONDS).finish()
        has_settled = waits_for(lambda: len(service.workers) == workers, LONGEST_WAIT)
        recycled = sum(" has answered " in line for line in service.events())
        print(f"\nmax-requests = {_QUOTA}: {recycled} workers recycled in {_RECYCLE_SECONDS:.0f} s")
        show_load(found)
        print(f"{len(service.workers)} workers at the end{'' if has_settled else ', not settled'}")
