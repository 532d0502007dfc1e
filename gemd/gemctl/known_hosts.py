"""The certificates that hosts have shown so far: trust on first use (TOFU).

Rules: a line is "host:port SHA256:<hex> SPKI-SHA256:<hex> <expiry>", as people can read and mend it, and may lack the
second fingerprint, as it did once; the file only grows, and the last line of a host holds; a line that makes no sense
is an error, for skipping it would mean trusting anew.
"""

import contextlib
import datetime
import os
import re
from pathlib import Path

import msgspec

from gemd.gemctl.failure import Failure
from gemd.protocol.fingerprint import parse_fingerprint
from gemd.protocol.quantities import format_size
from gemd.system.user_data import find_user_data

_HEAD = "# Certificates that gemctl has seen: host:port, fingerprints, expiry. The last line of a host holds.\n"
_PLACE = re.compile(r"(?:\[[0-9a-f:.]+\]|[a-z0-9_.-]+):[0-9]{1,5}")  # as `place` writes it; no other is ever found
_MOST_READ = 16 * 1024 * 1024  # bytes


class KnownHost(msgspec.Struct, frozen=True):
    """`host` is "name:port". Fingerprints are in lower-case hexadecimal, that of the public key (SPKI) is "" where
    nobody has written it down."""

    host: str
    fingerprint: str
    not_after: datetime.datetime
    public_key_fingerprint: str = ""


def default_path() -> Path:
    """The store of whoever runs this. Raises Failure for somebody without a home."""
    try:
        return find_user_data() / "known_hosts"
    except RuntimeError:
        raise Failure("there is no home directory to keep known hosts in: set XDG_DATA_HOME") from None


class KnownHosts:
    """The store in the file at `path`, which need not exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def find(self, host: str) -> KnownHost | None:
        """What is known of "name:port". Raises Failure when the file can't be read."""
        try:
            with os.fdopen(os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC), "rb") as file:
                octets = file.read(_MOST_READ + 1) or b""  # None of a pipe, which nobody waits for
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Failure(f"{self.path}: can't be read: {error.strerror}") from None
        if len(octets) > _MOST_READ:
            raise Failure(f"{self.path}: is larger than {format_size(_MOST_READ)}; remove lines that no host needs")
        try:
            lines = octets.decode("utf-8-sig").splitlines()
        except UnicodeDecodeError:
            raise Failure(f"{self.path}: is not UTF-8 text") from None
        known = [self._parse(line, nr) for nr, line in enumerate(lines, 1) if line.strip() and line[0] != "#"]
        return next((entry for entry in reversed(known) if entry.host == host), None)

    def _parse(self, line: str, nr: int) -> KnownHost:
        try:
            host, certificate, *keys, expiry = line.split()
            if not _PLACE.fullmatch(host):
                raise ValueError("no host and port as they are written here")
            moment = datetime.datetime.fromisoformat(expiry)
            if moment.tzinfo is None:
                raise ValueError("no time zone")
            found = [parse_fingerprint(text) for text in (certificate, *keys)]
            if [one.of for one in found] not in (["certificate"], ["certificate", "public key"]):
                raise ValueError("not the fingerprints of a certificate and its key")
            return KnownHost(host, found[0].digest, moment, found[1].digest if keys else "")
        except ValueError:
            expected = "expected host:port, SHA256:<hex>, SPKI-SHA256:<hex> and a time; mend or remove it"
            raise Failure(f"{self.path}:{nr}: {expected}") from None

    def remember(self, known: KnownHost) -> None:
        """Let this hold for its host from now on. Raises Failure when the file can't be written."""
        expiry = known.not_after.astimezone(datetime.UTC).replace(tzinfo=None).isoformat(timespec="seconds")
        key = f" SPKI-SHA256:{known.public_key_fingerprint}" if known.public_key_fingerprint else ""
        line = f"{known.host} SHA256:{known.fingerprint}{key} {expiry}Z\n".encode()
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(self.path, flags, 0o600), "rb+", buffering=0) as file:
                size = file.seek(0, os.SEEK_END)
                if not size:
                    line = _HEAD.encode() + line
                elif os.pread(file.fileno(), 1, size - 1) != b"\n":
                    line = b"\n" + line  # somebody's editor left the last line open
                if file.write(line) != len(line):
                    with contextlib.suppress(OSError):
                        file.truncate(size)
                    raise Failure(f"{self.path}: can't be written in full: is the disk full?")
        except OSError as error:
            raise Failure(f"{self.path}: can't be written: {error.strerror}") from None
