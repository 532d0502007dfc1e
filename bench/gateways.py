"""What an answer costs that another process gives: by FastCGI, SCGI, HTTP and Gemini, beside a script, an application's
process and a file.

    bench/gateways.py           # five rounds: two minutes

One worker of gemd, and an application that answers at once, with 1 KB or with 10 MiB; a gemd behind by Gemini. What
is printed is of the gemd in front alone.
"""

import argparse
import contextlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import measure
import prepare
import programs
from measure import HOST, Running, Server
from prepare import FILE_SIZE, PAGE_SIZE, SCRIPT_SIZE, Site

from gemd.protocol.fastcgi import ParamsReader, RecordType, encode_end, encode_stream

_REQUESTS = 1500
_DOWNLOADS = 20
_MICROSECOND = 1000
_LINE = b"The quick brown fox jumps over the lazy dog, and then goes home.\n"
_LARGE = (_LINE * (FILE_SIZE // len(_LINE) + 1))[:FILE_SIZE]
_KINDS = ("fastcgi", "scgi", "http")
_LOCATIONS = """
[[host.location]]
path = "/cgi"
root = "{root}/cgi-bin"
cgi = "."
[[host.location]]
path = "/app"
app = "echo:apart"
app-path = "{here}"
app-process = true
[[host.location]]
path = "/fastcgi"
fastcgi = {{ to = "unix:{folder}/fastcgi" }}
[[host.location]]
path = "/scgi"
scgi = {{ to = "unix:{folder}/scgi" }}
[[host.location]]
path = "/http"
proxy = {{ to = "http+unix:{folder}/http", strip = 1 }}
[[host.location]]
path = "/gemini"
proxy = {{ to = "gemini://127.0.0.1:{port}", ca = "{certificate}", sni = "{host}", rewrite-host = true, strip = 1 }}
"""


# The application


def serve(kind: str, path: str) -> None:
    """Answer for ever, one request after the other, by what is made before."""
    read, encode = {
        "fastcgi": (_read_fastcgi, _encode_fastcgi),
        "scgi": (_read_scgi, lambda body: b"20 text/plain\r\n" + body),
        "http": (_read_http, _encode_http),
    }[kind]
    page, large = encode(_LARGE[:PAGE_SIZE]), encode(_LARGE)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(128)
        while True:
            sock, _ = listener.accept()
            with sock, contextlib.suppress(OSError):
                sock.sendall(large if read(sock) == b"/file.txt" else page)


def _read_fastcgi(sock: socket.socket) -> bytes:
    reader = ParamsReader()
    while not reader.feed(sock.recv(65536)):
        pass
    assert reader.params is not None
    return reader.params[b"PATH_INFO"]


def _encode_fastcgi(body: bytes) -> bytes:
    return encode_stream(RecordType.STDOUT, b"20 text/plain\r\n" + body) + encode_end()


def _read_scgi(sock: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\0,"):
        data += sock.recv(65536)
    values = data.partition(b":")[2].split(b"\0")
    return values[values.index(b"PATH_INFO") + 1]


def _read_http(sock: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += sock.recv(65536)
    return data.split(b" ")[1]


def _encode_http(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


@contextlib.contextmanager
def run_applications(folder: Path) -> Iterator[None]:
    """One of each kind, until the block ends."""
    with contextlib.ExitStack() as stack:
        for kind in _KINDS:
            path = folder / kind
            process = stack.enter_context(subprocess.Popen([sys.executable, __file__, "--serve", kind, str(path)]))
            stack.callback(process.kill)
            end = time.monotonic() + 15
            while not path.exists():
                if time.monotonic() > end:
                    raise measure.MeasureError(f"the application by {kind} does not listen")
                time.sleep(0.01)
        yield


# The measurement


class Bench:
    """What was found of a server that runs."""

    def __init__(self, gemload: Path, server: Server, running: Running) -> None:
        self.gemload = gemload
        self.server = server
        self.running = running
        self.found: dict[str, list[float]] = {}

    def ask(self, path: str, size: int | None, requests: int, connections: int) -> tuple[float, float]:
        """What gemd spends for a request, in microseconds, and how long all took, in seconds."""
        before = measure.cpu_nanoseconds(self.running.pid)
        began = time.monotonic()
        checks = () if size is None else ("-b", str(size))
        counted = measure.load(
            self.gemload, self.server.port, path, *checks, connections=connections, requests=requests
        )
        seconds = time.monotonic() - began
        if faults := measure.describe_faults(counted):
            raise measure.MeasureError(f"{path}: {faults}")
        time.sleep(0.1)  # the last connections are still being closed
        return (measure.cpu_nanoseconds(self.running.pid) - before) / requests / _MICROSECOND, seconds

    def measure_answers(self, requests: int) -> None:
        """A small answer, in each way. Those of scripts and applications have their own processes counted."""
        cases = {
            "a file": ("/page.gmi", PAGE_SIZE),
            "a script": ("/cgi/hello", SCRIPT_SIZE),
            "app-process": ("/app", None),
        }
        cases |= {kind: (f"/{kind}/page.gmi", PAGE_SIZE) for kind in (*_KINDS, "gemini")}
        for name, (path, size) in cases.items():
            spent, _ = self.ask(path, size, requests, 8)
            self.found.setdefault(f"{name}: CPU us a request", []).append(spent)

    def measure_downloads(self) -> None:
        """10 MiB, one after the other."""
        for name in ("", *(f"/{kind}" for kind in (*_KINDS, "gemini"))):
            spent, seconds = self.ask(f"{name}/file.txt", FILE_SIZE, _DOWNLOADS, 1)
            rate = _DOWNLOADS * FILE_SIZE / seconds / (1 << 20)
            label = name.removeprefix("/") or "a file"
            self.found.setdefault(f"10 MiB, {label}: MiB/s", []).append(rate)
            self.found.setdefault(f"10 MiB, {label}: CPU ms", []).append(spent / 1000)

    def show(self, write: Callable[[str], object]) -> None:
        """Medians, with the least and the most."""
        for name, values in self.found.items():
            write(f"{name:<34} {statistics.median(values):>9.1f}   ({min(values):.1f} to {max(values):.1f})\n")


def prepare_front(site: Site, port: int) -> Server:
    """A gemd with a location of each kind; by Gemini it asks the one at this port."""
    locations = _LOCATIONS.format(
        root=site.root, here=programs.HERE, folder=site.folder, port=port, certificate=site.certificate, host=HOST
    )
    limits = "[limits]\ncgi-per-address = 16\n"
    return prepare.prepare_gemd(site, 1, name="front", settings=limits, host=locations)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("-k", type=int, default=5, help="rounds (5)")
    parser.add_argument("-n", type=int, default=_REQUESTS, help=f"requests a round ({_REQUESTS})")
    parser.add_argument("--serve", nargs=2, metavar=("KIND", "PATH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(*options.serve)
    gemload = programs.compile_program("gemload")
    with tempfile.TemporaryDirectory(prefix="gemd-bench-") as name, contextlib.ExitStack() as stack:
        site = prepare.make_site(Path(name))
        prepare.add_script(site)
        back = prepare.prepare_gemd(site, 1, name="back", host="check-port = false\n")
        front = prepare_front(site, back.port)
        stack.enter_context(run_applications(site.folder))
        stack.enter_context(measure.run(back))
        bench = Bench(gemload, front, stack.enter_context(measure.run(front)))
        for _ in range(options.k):
            bench.measure_answers(options.n)
            bench.measure_downloads()
        bench.show(sys.stdout.write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
