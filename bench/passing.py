"""What a host costs that another gemd answers, whole or request by request: in front of it, behind it, and beside it.

    bench/passing.py            # five rounds: two minutes

Two gemd with one worker each. The load asks for `localhost`: directly, by way of the one in front, which passes it on,
by way of one that passes each request on (`proxy`), and, as a host that the front serves itself, with and without
another one that is passed on.
"""

import argparse
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import measure
import prepare
import programs
from measure import Running, Server
from prepare import FILE_SIZE, HOST, PAGE_SIZE, Site

_REQUESTS = 1500
_DOWNLOADS = 20
_MICROSECOND = 1000


def prepare_front(site: Site, port: int) -> Server:
    """A gemd that passes localhost on to this port."""
    server = prepare.prepare_gemd(site, 1, name="front")
    config = site.folder / "front.toml"
    served = config.read_text().replace(f'name = "{HOST}"', 'name = "front.example"')
    config.write_text(f'{served}[[host]]\nname = "{HOST}"\npass = "127.0.0.1:{port}"\n')
    return server


def prepare_beside(site: Site) -> Server:
    """A gemd that serves localhost, and passes another host on."""
    return prepare.prepare_gemd(site, 1, name="beside", host='[[host]]\nname = "other.example"\npass = "127.0.0.1:1"\n')


def prepare_proxy(site: Site, port: int) -> Server:
    """A gemd that passes each request for localhost on to this port."""
    return prepare.prepare_gemd(site, 1, name="proxy", host=f'proxy = {{ to = "gemini://127.0.0.1:{port}" }}\n')


class Bench:
    """The servers that run, and what was found."""

    def __init__(self, gemload: Path, running: dict[str, tuple[Server, Running]]) -> None:
        self.gemload = gemload
        self.running = running
        self.found: dict[str, list[float]] = {}

    def note(self, name: str, value: float) -> None:
        """One round's figure."""
        self.found.setdefault(name, []).append(value)

    def ask(self, name: str, path: str, size: int, requests: int, connections: int) -> tuple[dict[str, float], float]:
        """What each server's processes spend for a request, in microseconds, and how long all took, in seconds."""
        server, _ = self.running[name]
        before = {key: measure.cpu_nanoseconds(one.pid) for key, (_, one) in self.running.items()}
        began = time.monotonic()
        counted = measure.load(
            self.gemload, server.port, path, "-b", str(size), connections=connections, requests=requests
        )
        seconds = time.monotonic() - began
        if faults := measure.describe_faults(counted):
            raise measure.MeasureError(f"{name}: {faults}")
        time.sleep(0.1)  # the last connections are still being closed
        after = {key: measure.cpu_nanoseconds(one.pid) for key, (_, one) in self.running.items()}
        return {key: (after[key] - before[key]) / requests / _MICROSECOND for key in before}, seconds

    def measure_pages(self, requests: int) -> None:
        """A small page, four ways."""
        for name in ("back", "front", "proxy", "plain", "beside"):
            spent, _ = self.ask(name, "/page.gmi", PAGE_SIZE, requests, 16)
            self.note(f"page, {name}: CPU us a request", spent[name])
            if name in ("front", "proxy"):
                self.note(f"page, behind {name}: CPU us a request", spent["back"])

    def measure_downloads(self) -> None:
        """10 MiB, one after the other and four at a time."""
        for connections in (1, 4):
            for name in ("back", "front", "proxy"):
                spent, seconds = self.ask(name, "/file.txt", FILE_SIZE, _DOWNLOADS, connections)
                rate = _DOWNLOADS * FILE_SIZE / seconds / (1 << 20)
                self.note(f"10 MiB, {name}, {connections} at a time: MiB/s", rate)
                self.note(f"10 MiB, {name}, {connections} at a time: CPU ms", spent[name] / 1000)

    def show(self, write: Callable[[str], object]) -> None:
        """Medians, with the least and the most."""
        for name, values in self.found.items():
            write(f"{name:<45} {statistics.median(values):>9.1f}   ({min(values):.1f} to {max(values):.1f})\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-k", type=int, default=5, help="rounds (5)")
    parser.add_argument("-n", type=int, default=_REQUESTS, help=f"requests a round ({_REQUESTS})")
    options = parser.parse_args()
    gemload = programs.compile_program("gemload")
    with tempfile.TemporaryDirectory(prefix="gemd-bench-") as name:
        site = prepare.make_site(Path(name))
        back = prepare.prepare_gemd(site, 1, name="back", host="check-port = false\n")
        servers = {
            "back": back,
            "front": prepare_front(site, back.port),
            "proxy": prepare_proxy(site, back.port),
            "plain": prepare.prepare_gemd(site, 1, name="plain"),
            "beside": prepare_beside(site),
        }
        with contextlib.ExitStack() as stack:
            running = {key: (server, stack.enter_context(measure.run(server))) for key, server in servers.items()}
            bench = Bench(gemload, running)
            for _ in range(options.k):
                bench.measure_pages(options.n)
                bench.measure_downloads()
            bench.show(sys.stdout.write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
