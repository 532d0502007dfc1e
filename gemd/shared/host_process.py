"""A process beside the workers that does something for all of them, as its master and its workers know it: a script
host, or an application in a process of its own.

Rules: it is a fresh interpreter, so that no key was ever in its memory; it ends when nobody is left who could ask, so
that what it does has its time while the last worker drains.
"""

import json
import os
import socket
from collections.abc import Mapping
from typing import TypeVar

import msgspec

import gemd

# What it says to its master, a line each; all else is for the error log: see `gemd.shared.host_log`.
READY = b"ready"  # it has become who it should be, and takes what it is asked
LEAVE = b"leave "  # and why: another is to take its place
CHANGED = b"changed"  # a file that it is made of has; which one, it logs itself
FIGURES = b"figures "  # and a JSON object of numbers, which only the master's status shows
# What it is told.
SIGN = b"\n"  # is asked for, and answered, as a sign of life
END = b"e"  # take nothing more, and end when all is answered

T = TypeVar("T")


class _Told(msgspec.Struct, frozen=True):
    """What every version tells, and what only the same version can be sure to understand."""

    version: str
    setup: dict[str, object] = {}


def write_setup(setup: msgspec.Struct) -> int:
    """A file without a name that has what such a process is told, open to be read; the caller's. Raises OSError."""
    descriptor = os.memfd_create("setup")
    content = {"version": gemd.__version__, "setup": msgspec.to_builtins(setup)}
    with open(descriptor, "wb", closefd=False) as file:
        file.write(json.dumps(content).encode())  # JSON can say lone surrogates, of a path
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def read_setup(descriptor: int, kind: type[T]) -> T:
    """What `write_setup` wrote. Raises ValueError where it was none, or another version's."""
    with open(descriptor, "rb", closefd=False) as file:
        told = msgspec.convert(json.load(file), _Told)
    if told.version != gemd.__version__:
        raise ValueError(f"gemd {gemd.__version__} has taken the place of {told.version}: gemctl upgrade")
    return msgspec.convert(told.setup, kind)


class HostProcess:
    """What leads to it: by `requests` workers ask, by `served` it hears. Whichever process it is: who asks while there
    is none waits for the next.

    `kind` and `name` say which it is, and `title` is what the log calls it. `program` is the module whose `main` it
    runs, `setup` what it is told, and `environ` its environment. `is_needed` says that nobody is to serve before it is
    ready.
    """

    kind = ""
    program = ""
    is_needed = False

    def __init__(self, name: str, setup: msgspec.Struct, environ: Mapping[str, str]) -> None:
        self.name = name
        self.setup = setup
        self.environ = environ
        self.requests, self.served = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    @property
    def title(self) -> str:
        """As in "the application garden:app"."""
        return f"the {self.kind} {self.name}"

    def close(self) -> None:
        """Ask and hear no more."""
        self.requests.close()
        self.served.close()
