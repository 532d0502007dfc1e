"""A script host as its master and its workers know it: what it is told when it begins, and how it is asked.

Rule: it ends when nobody is left who could ask, so that its scripts have their time while the last worker drains.
"""

import json
import os
import socket

import msgspec

import gemd
from gemd.system.confinement import Confinement
from gemd.system.privileges import Identity

READY = b"ready"  # what a host says to its master when it has become who it should be; all else is a complaint
SIGN = b"\n"  # what it is asked for a sign of life, and answers


class _Version(msgspec.Struct, frozen=True):
    """What is told by every version."""

    version: str


class Setup(msgspec.Struct, frozen=True):
    """What a script host is told: who it becomes, where it is shut in, and what scripts may touch. `version` is
    that of the master's code, which this has to be as well."""

    identity: Identity
    chroot: str | None
    confinement: Confinement | None
    version: str = gemd.__version__

    def write(self) -> int:
        """A file without a name that has it, open to be read; the caller's. Raises OSError."""
        descriptor = os.memfd_create("setup")
        with open(descriptor, "wb", closefd=False) as file:
            file.write(json.dumps(msgspec.to_builtins(self)).encode())  # JSON can say lone surrogates, of a path
        os.lseek(descriptor, 0, os.SEEK_SET)
        return descriptor

    @classmethod
    def read(cls, descriptor: int) -> "Setup":
        """What `write` wrote. Raises ValueError where it was none, or another version's."""
        with open(descriptor, "rb", closefd=False) as file:
            content = json.load(file)
        version = msgspec.convert(content, _Version).version
        if version != gemd.__version__:
            raise ValueError(f"gemd {gemd.__version__} has taken the place of {version}: gemctl upgrade")
        return msgspec.convert(content, cls)


class ScriptHost:
    """What leads to it: by `requests` workers ask, by `served` it hears. Whichever process it is: who asks while there
    is none waits for the next."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.requests, self.served = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    @property
    def user(self) -> str:
        """Whose scripts it runs."""
        return self.setup.identity.name

    def close(self) -> None:
        """Ask and hear no more."""
        self.requests.close()
        self.served.close()
