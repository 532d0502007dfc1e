"""Downloads of 40 seconds that live through changes.

Rules: the client reads 5 MB at 1 Mbit/s over a connection that buffers little, so that a worker is busy with it to the
end; what came is compared with what was there.
"""

import hashlib
import os
import signal
import socket
import ssl
import threading
import time
from pathlib import Path

from measure import ADDRESS, HOST, MeasureError
from prepare import Site
from service import LONGEST_WAIT, Load, Service, is_over, run, show_load, wait, waits_for

_SIZE, _RATE = 5_000_000, 125_000  # bytes, and bytes a second
_QUOTA = 500
_STEP = 10.0  # seconds from one change to the next


class _Download(threading.Thread):
    """5 MB at 1 Mbit/s over a connection that buffers little. `digest` is set if it came whole, with close_notify."""

    def __init__(self, port: int, path: str) -> None:
        super().__init__()
        self.port = port
        self.path = path
        self.received = 0
        self.seconds = 0.0
        self.digest: str | None = None
        self.fault = ""
        self.start()

    def run(self) -> None:
        """Read it to its end."""
        began = time.monotonic()
        try:
            self._read(began)
        except OSError as error:
            self.fault = repr(error)
        self.seconds = time.monotonic() - began

    def _read(self, began: float) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # an end without close_notify is an error
        with socket.socket() as sock:
            sock.settimeout(LONGEST_WAIT)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.connect((ADDRESS, self.port))
            with context.wrap_socket(sock, server_hostname=HOST, suppress_ragged_eofs=False) as tls:
                tls.sendall(f"gemini://{HOST}:{self.port}{self.path}\r\n".encode())
                header = b""
                while not header.endswith(b"\r\n") and (byte := tls.recv(1)):
                    header += byte
                content = hashlib.sha256()
                while chunk := tls.recv(16 * 1024):  # an end without close_notify is an error
                    content.update(chunk)
                    self.received += len(chunk)
                    time.sleep(max(0.0, began + self.received / _RATE - time.monotonic()))
                self.digest = content.hexdigest()


def run_download(gemload: Path, site: Site, workers: int) -> None:
    """Three downloads of 40 seconds: the first lives through a recycling, a reload and an upgrade, the last through the
    upgrade alone, so that each change meets a worker that serves one."""
    content = os.urandom(_SIZE)
    (site.root / "large").write_bytes(content)
    with run(site, workers, "gemd-download", keys=f"max-requests = {_QUOTA}\n") as service:
        began = time.monotonic()
        downloads: dict[_Download, int] = {}  # with the worker that has it

        first = _begin(service, downloads)
        load = Load(gemload, service.port, 5.0)
        wait(lambda: _state(service, first) == "draining", "the recycling of the worker")
        _show_change("recycled", began, downloads)
        found = load.finish()

        time.sleep(max(0.0, began + _STEP - time.monotonic()))
        _begin(service, downloads)
        reloads = service.status()["reloads"]
        service.send(signal.SIGHUP)
        wait(lambda: service.status()["reloads"] > reloads, "the reload")
        _show_change("reloaded", began, downloads)

        time.sleep(max(0.0, began + 2 * _STEP - time.monotonic()))
        _begin(service, downloads)
        old = service.pid
        service.send(signal.SIGUSR2)
        wait(lambda: service.pid != old, "the upgrade")
        _show_change("upgraded", began, downloads)

        for download in downloads:
            download.join()
        has_ended = waits_for(lambda: is_over(old), LONGEST_WAIT)
        show_load(found)
        for nr, download in enumerate(downloads, 1):
            is_same = download.digest == hashlib.sha256(content).hexdigest()
            print(
                f"download {nr}: {download.received} bytes in {download.seconds:.1f} s, SHA-256"
                f" {'equal' if is_same else 'NOT equal'}, close_notify {'yes' if download.digest else 'NO'}"
                f" {download.fault}"
            )
        print(f"the old master, which waits for its workers, is gone: {'yes' if has_ended else 'NO'}")


def _begin(service: Service, downloads: dict[_Download, int]) -> int:
    """Begin one more, and find the worker that has it."""
    download = _Download(service.port, "/large")
    busy: list[int] = []

    def is_seen() -> bool:
        busy[:] = [worker["pid"] for worker in service.status()["workers"] if worker["writing"]]
        return bool(set(busy) - set(downloads.values())) or bool(download.fault)

    wait(is_seen, "the download to be seen")
    if download.fault:
        raise MeasureError(f"the download did not begin: {download.fault}")
    downloads[download] = next(pid for pid in busy if pid not in downloads.values())
    return downloads[download]


def _state(service: Service, pid: int) -> str:
    """What the master says of a worker; "" when it is gone."""
    return next((worker["state"] for worker in service.status()["workers"] if worker["pid"] == pid), "")


def _show_change(what: str, began: float, downloads: dict[_Download, int]) -> None:
    each = [
        f"{download.received / 1e6:.1f} MB, its worker {'is gone' if is_over(pid) else 'goes on'}"
        for download, pid in downloads.items()
    ]
    print(f"{what} after {time.monotonic() - began:.1f} s: {'; '.join(each)}")
