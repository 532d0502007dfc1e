"""The keys that servers had when they were first met: trust on first use (TOFU), for servers that gemd asks.

Rules: a line is "server name SPKI-SHA256:<hex> date", as people can read and mend it; the first line of a server holds,
so that of two processes which meet it at once only one is believed; a line that makes no sense is an error, for
skipping it would mean trusting anew. The file is opened once, while that is allowed, and shared by all workers.
"""

import contextlib
import datetime
import os
import re
import stat
from pathlib import Path
from urllib.parse import quote

from gemd.config.types import Address
from gemd.system.attempt import attempt
from gemd.system.certificates import CertificateError, make_private_directory
from gemd.system.makeable import check_directory_makeable

_HEAD = (
    "# Keys of servers that gemd passes requests on to (proxy), as it has met them: address, name, key, date.\n"
    "# To have a server met anew remove its line and reload.\n"
)
_LINE = re.compile(r"(?P<server>\S+ \S+) SPKI-SHA256:(?P<digest>[0-9a-f]{64}) [0-9-]{10}")
_NO_NAME = "-"  # in the place of one that nobody asked for
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_MOST_READ = 16 * 1024 * 1024  # bytes


class KnownServersError(Exception):
    """The file can't be used; the text says why."""


class KnownServers:
    """What is in the open file `descriptor`, which is this object's from then on; `path` is for people."""

    def __init__(self, descriptor: int, path: str) -> None:
        self.path = path
        self._descriptor = descriptor
        self._keys: dict[str, str] = {}
        self._read_to = 0
        self._line_number = 0

    def fileno(self) -> int:
        """The open file."""
        return self._descriptor

    def find(self, server: str) -> str | None:
        """The key that a server had, as `name_server` writes it: SHA-256 in lower-case hexadecimal; None for one that
        nobody has met. Raises KnownServersError."""
        self._read_on()
        return self._keys.get(server)

    def remember(self, server: str, digest: str) -> str:
        """Write the key of a server down that nobody had met. What holds for it: another key if somebody was faster.
        Raises KnownServersError."""
        line = f"{server} SPKI-SHA256:{digest} {datetime.datetime.now(datetime.UTC):%Y-%m-%d}\n"
        try:
            size = os.fstat(self._descriptor).st_size
            if not size:
                line = _HEAD + line
            elif os.pread(self._descriptor, 1, size - 1) != b"\n":
                line = "\n" + line  # somebody's editor left the last line open
            octets = line.encode()
            if os.write(self._descriptor, octets) != len(octets):  # which appends, whoever else does
                with contextlib.suppress(OSError):
                    os.ftruncate(self._descriptor, size)
                raise KnownServersError(f"{self.path} can't be written in full: is the disk full?")
        except OSError as error:
            raise KnownServersError(f"{self.path} can't be written: {error.strerror}") from None
        known = self.find(server)
        if known is None:
            raise KnownServersError(f"{self.path} was changed by somebody else just now")
        return known

    def _read_on(self) -> None:
        """What has been written since, by any process. Raises KnownServersError."""
        try:
            size = os.fstat(self._descriptor).st_size
            if size == self._read_to:
                return
            if size < self._read_to:  # somebody has removed lines
                self._keys, self._read_to, self._line_number = {}, 0, 0
            data = os.pread(self._descriptor, min(size - self._read_to, _MOST_READ), self._read_to)
        except OSError as error:
            raise KnownServersError(f"{self.path} can't be read: {error.strerror}") from None
        whole = data[: data.rfind(b"\n") + 1]
        lines = whole.decode(errors="backslashreplace").split("\n")[:-1]
        for number, line in enumerate(lines, self._line_number + 1):
            if line.strip() and not line.startswith("#"):
                self._read_line(line.strip(), number)
        self._read_to += len(whole)
        self._line_number += len(lines)

    def _read_line(self, line: str, number: int) -> None:
        match = _LINE.fullmatch(line)
        if match is None:
            expected = "expected a server, its name, SPKI-SHA256:<hex> and a date; mend or remove it"
            raise KnownServersError(f"{self.path}:{number}: {expected}")
        self._keys.setdefault(match["server"], match["digest"])

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def name_server(address: Address, name: str | None) -> str:
    """How the file names a server that is asked for `name`."""
    return f"{quote(str(address), safe='/:[]@,+~')} {name or _NO_NAME}"


def known_servers_path(directory: Path) -> str:
    """Where the file is, in the directory of certificates."""
    return str(directory / "known_servers")


def open_known_servers(directory: Path, owner: tuple[int, int] | None = None) -> KnownServers:
    """Open the file, and make it if there is none, for `owner` (uid, gid) if given. Raises CertificateError, also for
    lines that make no sense."""
    path = known_servers_path(directory)
    try:
        with attempt(f"{path} could not be opened"):
            make_private_directory(directory, owner)
            descriptor = os.open(path, _FLAGS | os.O_CREAT, 0o600)
    except OSError as error:
        raise _explain(path, error) from None
    return _read(KnownServers(descriptor, path), owner)


def look_for_known_servers(directory: Path) -> KnownServers | None:
    """The same where the file is there; None where it would be made. Nothing is. Raises CertificateError."""
    path = known_servers_path(directory)
    try:
        with attempt(f"{path} could not be looked at"):
            try:
                descriptor = os.open(path, _FLAGS)
            except FileNotFoundError:
                check_directory_makeable(directory)
                return None
    except OSError as error:
        raise _explain(path, error) from None
    return _read(KnownServers(descriptor, path), None)


def _explain(path: str, error: OSError) -> CertificateError:
    text = f"{path} can't be opened, which proxy needs without fingerprint or ca: {error.strerror}"
    return CertificateError(text)


def _read(known: KnownServers, owner: tuple[int, int] | None) -> KnownServers:
    descriptor, path = known.fileno(), known.path
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise CertificateError(f"{path} is no file")
        if owner is not None:
            os.fchown(descriptor, *owner)
        known.find("")
    except (OSError, KnownServersError) as error:
        known.close()
        raise CertificateError(str(error)) from None
    except CertificateError:
        known.close()
        raise
    return known
