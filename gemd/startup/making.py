"""What a start makes or takes on this machine: sockets, certificates, the pid file with its lock, and log files.

Rule: whatever a start leaves behind goes through here, so that a start which is only looked at (`looking`) is the same
in all else.
"""

import contextlib
import select
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from gemd.config import Config, Host
from gemd.config.types import Address
from gemd.master.control import ControlSocket, bind_control
from gemd.startup.identity import find_user
from gemd.system import certificates
from gemd.system.certificates import ServerCertificate
from gemd.system.known_servers import KnownServers, open_known_servers
from gemd.system.listener import Listener, bind_all
from gemd.system.pid_file import PidFile, lock_pid_file
from gemd.system.privileges import Identity
from gemd.system.socket_file import SocketFile

Owner = tuple[int, int] | None  # uid and gid of who gets what is made


class Making:
    """Makes it. Each method raises what the function that it calls does."""

    def find_user(self, config: Config) -> Identity | None:
        """Who to become."""
        return find_user(config)

    def bind(
        self,
        addresses: Iterable[Address],
        request_timeout: float,
        present: Sequence[Listener],
        files: Mapping[str, SocketFile],
    ) -> list[Listener]:
        """The listeners at these addresses."""
        return bind_all(addresses, request_timeout, present, files)

    def load_configured(
        self, certificate: Path, key: Path, names: tuple[str, ...] = (), *, is_server: bool = True
    ) -> ServerCertificate:
        """One that is configured, for a host of these `names`, or a client's unless it `is_server`."""
        return certificates.load(certificate, key, names, is_server=is_server)

    def find_certificate(self, directory: Path, host: Host, owner: Owner) -> ServerCertificate:
        """The host's self-signed one."""
        return certificates.find_or_make(directory, host.certificate_names, owner)

    def open_servers(self, directory: Path, owner: Owner) -> KnownServers | None:
        """The file of the servers that were met."""
        return open_known_servers(directory, owner)

    def lock_pid_file(self, path: Path, owner: Owner) -> PidFile | None:
        """The pid file, which is this process's from then on."""
        return lock_pid_file(path, owner)

    def bind_control(self, path: str, poll: select.poll) -> ControlSocket | None:
        """The control socket."""
        return bind_control(path, poll)

    @contextlib.contextmanager
    def opening_logs(self, config: Config) -> Iterator[None]:
        """Inside, log files are opened."""
        yield


MAKING = Making()
