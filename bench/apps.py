"""What applications cost: echo beside a static page and beside Jetforce, and many streams at once.

Rules: what is compared with one another is measured in the same round; each prints what it counted and asserts nothing.
"""

import itertools
import selectors
import socket
import ssl
import statistics
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import measure
import prepare
from measure import ADDRESS, HOST, Running, Server
from prepare import PAGE_SIZE, Site
from programs import HERE, Missing

# apps
_WARM_UP = 200
_WORK = 5  # milliseconds of computing, so that the load generator's share of the CPUs is small
_WORK_REQUESTS = 600

# streams
_STREAMS = 200
_LINES = 15
_LOAD_SECONDS = 8.0
_ANSWER_TIMEOUT = 30.0


def _mount(*names: str, threads: int = 1, apart: bool = False) -> str:
    """Locations of gemd for applications of echo.py, each at its own name: in the workers, or apart."""
    return "".join(
        f'[[host.location]]\npath = "/{name}"\napp = "echo:{name}"\napp-path = "{HERE}"\napp-threads = {threads}\n'
        f"app-process = {str(apart).lower()}\n"
        for name in names
    )


# apps


def run_apps(gemload: Path, site: Site, rounds: int, requests: int, connections: int) -> None:
    """Echo on gemd, in the workers and in a process of its own, beside gemd's static page and the same application on
    Jetforce; one worker and two."""
    mounted = _mount("echo", "work") + _mount("apart", apart=True)
    servers = {
        f"gemd, {count}": prepare.prepare_gemd(site, n, name=f"gemd-apps-{n}", host=mounted)
        for n, count in ((2, "2 workers"), (1, "1 worker"))
    }
    try:
        servers["jetforce"] = prepare.prepare_jetforce_app(site)
    except Missing as error:
        print(f"jetforce: {error}")
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    for _ in range(rounds):
        for name, server in servers.items():
            for what, figures in _measure_round(gemload, server, name, requests, connections).items():
                found.setdefault((name, what), []).append(figures)
    print(f"\n{requests} requests a round, {connections} connections at a time, median of {rounds} rounds\n")
    print(f"{'':<28}{'CPU µs/request':>15}{'req/s':>8}{'p50 ms':>8}{'p99 ms':>8}{'not ok':>8}")
    for (name, what), figures in found.items():
        cpu, rps, p50, p99 = (_median(figures, key) for key in ("cpu_us", "rps", "p50_ms", "p99_ms"))
        faults = sum(one["faults"] for one in figures)
        print(f"{f'{name}: {what}':<28}{cpu:>15.0f}{rps:>8.0f}{p50:>8.2f}{p99:>8.2f}{faults:>8.0f}")
    print()
    for name in servers:
        _show_ratio(found, "CPU of", (name, "echo"), (name, "static"), "cpu_us")
        _show_ratio(found, "CPU of", (name, "apart"), (name, "echo"), "cpu_us")
        _show_ratio(found, "CPU of", (name, "echo"), ("jetforce", "echo"), "cpu_us")
    for what in ("static", "echo", "work"):
        _show_ratio(found, "req/s of", ("gemd, 2 workers", what), ("gemd, 1 worker", what), "rps")


def _measure_round(
    gemload: Path, server: Server, name: str, requests: int, connections: int
) -> dict[str, dict[str, float]]:
    """One round of one server, by what was asked for. Raises MeasureError."""
    places = {"echo": ("/echo", requests)}
    if name != "jetforce":
        work = ("work", (f"/work?{_WORK}", _WORK_REQUESTS))
        places = dict([("static", ("/page.gmi", requests)), *places.items(), ("apart", ("/apart", requests)), work])
    rounds: dict[str, dict[str, float]] = {}
    with measure.run(server, "/echo") as running:
        for what, (path, count) in places.items():
            size = PAGE_SIZE if what == "static" else len(f"gemini://{HOST}:{server.port}{path}")
            measure.load(gemload, server.port, path, connections=connections, requests=min(_WARM_UP, count))
            counted, cpu = measure.load_and_count(gemload, server, running, path, size, count, connections)
            rounds[what] = {
                **counted,
                "cpu_us": cpu / count * 1e6,
                "faults": counted["requests"] - counted["ok"],
            }
    return rounds


def _median(figures: list[dict[str, float]], key: str) -> float:
    return statistics.median(one[key] for one in figures)


def _show_ratio(
    found: dict[tuple[str, str], list[dict[str, float]]],
    figure: str,
    one: tuple[str, str],
    other: tuple[str, str],
    key: str,
) -> None:
    """The ratio of each round, and their median; nothing where one of the two was not measured."""
    if one == other or one not in found or other not in found:
        return
    ratios = [a[key] / b[key] for a, b in zip(found[one], found[other], strict=True)]
    each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    print(f"{figure} {': '.join(one)} / {': '.join(other)}: {statistics.median(ratios):.2f} ({each})")


# streams


@dataclass(slots=True)
class _Stream:
    """What one client was sent: of each line when it was made and when it came, on the same clock."""

    lines: list[tuple[float, float]] = field(default_factory=list)
    is_whole: bool = False
    text: bytes = b""

    def take(self, data: bytes, now: float) -> None:
        """The header has no meaning here, all other lines are times."""
        *lines, self.text = (self.text + data).split(b"\n")
        self.lines += [(float(line), now) for line in lines if not line.endswith(b"\r")]

    def longest_gap(self) -> float:
        """Seconds between two lines' arrivals."""
        came = [now for _, now in self.lines]
        return max((b - a for a, b in itertools.pairwise(came)), default=0.0)

    def longest_delay(self, since: float) -> float:
        """Seconds from a line's making to its arrival, of those made when all streams were read already."""
        return max((now - made for made, now in self.lines if made >= since), default=0.0)


def run_streams(gemload: Path, site: Site, workers: int) -> None:
    """200 clients have a line a second from an application, and one asks for a static page meanwhile."""
    for apart, title in ((False, "in the workers"), (True, "in a process of its own")):
        print(f"\n{title}")
        _run_streams(gemload, site, workers, apart=apart)


def _run_streams(gemload: Path, site: Site, workers: int, *, apart: bool) -> None:
    # Either worker may get all of them, and one client may have half as many answers that take their time.
    settings = f"[limits]\nthreads = {2 * _STREAMS + 2}\n[timeouts]\napp = {2 * _ANSWER_TIMEOUT:.0f}"
    host = _mount("tick", threads=_STREAMS, apart=apart)
    server = prepare.prepare_gemd(site, workers, name="gemd-streams", settings=settings, host=host)
    with measure.run(server) as running:
        print(f"\n{'':<32}{'p50 ms':>8}{'p99 ms':>8}{'max ms':>8}{'req/s':>8}{'not ok':>8}{'PSS MiB':>9}{'threads':>9}")
        _show_client(gemload, server.port, running, "one client, nobody else")
        streams = [_Stream() for _ in range(_STREAMS)]
        connections = [_open_stream(server.port) for _ in streams]
        since = time.monotonic()
        reader = threading.Thread(target=_read_streams, args=(connections, streams))
        reader.start()
        _show_client(gemload, server.port, running, f"one client, {_STREAMS} streams")
        reader.join()
        _show_client(gemload, server.port, running, "one client afterwards")
    whole = sum(stream.is_whole and len(stream.lines) == _LINES for stream in streams)
    gaps, delays = [s.longest_gap() for s in streams], [s.longest_delay(since) for s in streams]
    print(f"streams that got all {_LINES} lines and close_notify: {whole} of {_STREAMS}")
    print(f"longest gap between two lines: {max(gaps):.3f} s, of the median stream {statistics.median(gaps):.3f} s")
    print(f"longest from a line's making to its arrival: {max(delays) * 1e3:.0f} ms", end="")
    print(f", of the median stream {statistics.median(delays) * 1e3:.1f} ms")


def _show_client(gemload: Path, port: int, running: Running, title: str) -> None:
    found = measure.load(gemload, port, "/page.gmi", connections=1, seconds=_LOAD_SECONDS)
    faults = found["requests"] - found["ok"]
    print(
        f"{title:<32}{found['p50_ms']:>8.2f}{found['p99_ms']:>8.2f}{found['max_ms']:>8.1f}{found['rps']:>8.0f}"
        f"{faults:>8.0f}{measure.memory(running.pid).pss:>9.1f}{measure.count_threads(running.pid):>9}"
    )


def _open_stream(port: int) -> ssl.SSLSocket:
    """A connection that has asked for a stream."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # an end without close_notify is an error
    sock = socket.create_connection((ADDRESS, port), _ANSWER_TIMEOUT)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection = context.wrap_socket(sock, server_hostname=HOST, suppress_ragged_eofs=False)
    connection.sendall(f"gemini://{HOST}:{port}/tick?{_LINES}\r\n".encode())
    connection.setblocking(False)
    return connection


def _read_streams(connections: list[ssl.SSLSocket], streams: list[_Stream]) -> None:
    """Read them all to their ends. Runs in a thread of its own."""
    with selectors.DefaultSelector() as selector:
        for connection, stream in zip(connections, streams, strict=True):
            selector.register(connection, selectors.EVENT_READ, stream)
        end = time.monotonic() + _LINES + _ANSWER_TIMEOUT
        while selector.get_map() and time.monotonic() < end:
            for key, _ in selector.select(1.0):
                if not _read_what_is_there(key.fileobj, key.data):
                    selector.unregister(key.fileobj)
    for connection in connections:
        connection.close()


def _read_what_is_there(connection: ssl.SSLSocket, stream: _Stream) -> bool:
    """Whether more may come."""
    try:
        while data := connection.recv(4096):
            stream.take(data, time.monotonic())
    except ssl.SSLWantReadError:
        return True
    except OSError:
        return False
    stream.is_whole = True
    return False
