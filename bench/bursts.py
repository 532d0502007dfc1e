"""What a static page costs in this folder's gemd, beside the floor and beside another folder's.

Rules: all servers run at once and only one is asked at a time, in short bursts by turns, so that what disturbs the
machine disturbs all of them; CPU is counted in nanoseconds, from schedstat. It prints and asserts nothing.
"""

import contextlib
import dataclasses
import statistics
import subprocess
import sys
import time
from pathlib import Path

import measure
import prepare
from measure import MeasureError, Server
from prepare import AS_ROOT, PAGE_SIZE, PROJECT, Site

_BURSTS = 40
_REQUESTS = 200
_CONNECTIONS = 16


def run_bursts(gemload: Path, site: Site, workers: int, before: Path | None) -> None:
    """40 bursts of 200 requests for each server, after one that does not count."""
    servers = {"floor": prepare.prepare_floor(site, workers), "gemd": prepare.prepare_gemd(site, workers)}
    if before is not None:
        servers["gemd before"] = _prepare_other(site, workers, before.resolve())
    costs: dict[str, list[float]] = {name: [] for name in servers}
    lost = dict.fromkeys(servers, 0.0)
    with contextlib.ExitStack() as stack:
        running = {name: stack.enter_context(measure.run(server)) for name, server in servers.items()}
        for burst in range(_BURSTS + 1):
            for name, server in servers.items():
                pid = running[name].pid
                start = measure.cpu_nanoseconds(pid)
                found = measure.load(
                    *(gemload, server.port, "/page.gmi", "-b", str(PAGE_SIZE)),
                    connections=_CONNECTIONS,
                    requests=_REQUESTS,
                )
                time.sleep(0.02)  # the last connections are still being closed
                lost[name] += found["requests"] - found["ok"]
                if burst:
                    costs[name].append((measure.cpu_nanoseconds(pid) - start) / _REQUESTS / 1e3)
    print(f"\n{_BURSTS} bursts of {_REQUESTS} requests, {_CONNECTIONS} connections at a time, {workers} workers\n")
    print(f"{'CPU µs/request':<16}{'median':>8}{'lowest quarter':>16}{'least':>8}{'not ok':>8}{'x floor':>9}")
    for name, found in costs.items():
        ratio = statistics.median(a / b for a, b in zip(found, costs["floor"], strict=True))
        quarter = statistics.quantiles(found)[0]
        print(f"{name:<16}{statistics.median(found):>8.0f}{quarter:>16.0f}{min(found):>8.0f}", end="")
        print(f"{lost[name]:>8.0f}{ratio:>9.2f}")
    if before is not None:
        ratios = [a / b for a, b in zip(costs["gemd"], costs["gemd before"], strict=True)]
        print(f"gemd / gemd before, burst by burst: {statistics.median(ratios):.3f}")


def _prepare_other(site: Site, workers: int, folder: Path) -> Server:
    """The gemd of another folder, with this Python and its libraries."""
    code = "import gemd; print(gemd.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    if not done.stdout.startswith(f"{folder}/") or folder == PROJECT:
        raise MeasureError(f"{folder} has no other gemd: {done.stdout.strip() or done.stderr.strip()}")
    server = dataclasses.replace(prepare.prepare_gemd(site, workers, name="gemd-before"), directory=folder)
    if not (folder / "gemd/system/privileges.py").exists():  # of a time when there was no key "user"
        config = site.folder / "gemd-before.toml"
        config.write_text(config.read_text().replace(AS_ROOT, ""))
    return server
