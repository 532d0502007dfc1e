"""What only root can get: sockets below port 1024, keys, the pid file; and what a process was handed at its start.

Rule: it is acquired before root is given up, and nothing needs root afterwards.
"""

import os
import select
from collections.abc import Sequence
from pathlib import Path

import msgspec

from gemd.config import Config, ConfigError, Host
from gemd.config.keys import PREFIX
from gemd.config.listen import Listen, find_listen, is_loopback, parse_listen
from gemd.config.mistake import about
from gemd.config.tables import key_path
from gemd.master.control import ControlSocket
from gemd.master.handover import Handover, take_handover
from gemd.startup.making import MAKING, Making
from gemd.startup.proxies import load_proxy_certificates, open_servers_met
from gemd.startup.upload_spool import open_upload_spool
from gemd.system.certificate_directory import find_certificate_directory
from gemd.system.certificates import CertificateError, ServerCertificate
from gemd.system.known_servers import KnownServers
from gemd.system.listener import BindError, Listener, take_over
from gemd.system.pid_file import PidFile
from gemd.system.privileges import Identity, PrivilegeError
from gemd.system.socket_file import SocketFile, find_socket_file
from gemd.system.spool_directory import SpoolDirectory
from gemd.system.systemd import Notifier, take_listen_descriptors
from gemd.system.tls import TLSError


class Inherited:
    """Who started this process, and what was handed to it: by a shell, by systemd, or by a former master."""

    def __init__(self, directory: Path) -> None:
        """Takes what it finds from the environment, which is everybody's from then on."""
        self.handover = take_handover(os.environ)
        self.directory = Path(self.handover.directory) if self.handover is not None else directory
        self.notifier = Notifier(os.environ)
        self._given = take_listen_descriptors(os.environ)
        self.settings: dict[str, str] = {}

    def take_settings(self) -> dict[str, str]:
        """The variables that set keys of the configuration, which are neither an application's nor a script's."""
        for name in [name for name in os.environ if name.startswith(PREFIX)]:
            self.settings[name] = os.environ.pop(name)
        return self.settings

    def take_listeners(self, request_timeout: float) -> list[Listener]:
        """The listeners that were handed to this process. Raises BindError."""
        if self.handover is None:
            return [take_over(descriptor, request_timeout) for descriptor in self._given]
        return [
            take_over(descriptor, request_timeout, None if is_given else parse_listen(address))
            for descriptor, address, is_given in self.handover.listeners
        ]


class Resources(msgspec.Struct, frozen=True):
    """What only root can get: sockets below port 1024, and keys. `certificates` by host name; none where no listener
    uses TLS. Those of proxies are by path; `known_servers` is None where no server is trusted at first sight, and
    `upload_spool` where no program takes uploads."""

    listeners: Sequence[Listener]
    certificates: dict[str, ServerCertificate]
    proxy_certificates: dict[str, ServerCertificate] = {}
    known_servers: KnownServers | None = None
    upload_spool: SpoolDirectory | None = None


def acquire_resources(
    config: Config, present: Sequence[Listener], owner: Identity | None, hands: Making = MAKING
) -> Resources:
    """Bind what none of the listeners that are `present` serves, and load the certificates, or make them for `owner`.

    Raises BindError, PrivilegeError, CertificateError, TLSError and ConfigError, and then closes what it has bound.
    """
    addresses = [entry.address for entry in config.listen]
    listeners = hands.bind(addresses, config.timeouts.request, present, find_socket_files(config))
    served = [host for host in config.hosts if host.has_certificate] if config.uses_tls else []
    try:
        own = {host.name: load_certificate(host, config, owner, hands) for host in served}
        shown, known_servers = load_proxy_certificates(config, hands), open_servers_met(config, owner, hands)
        return Resources(listeners, own, shown, known_servers, open_upload_spool(config))
    except (CertificateError, TLSError, ConfigError, PrivilegeError):
        close_new(listeners, present)
        raise


def find_socket_files(config: Config) -> dict[str, SocketFile]:
    """What unix sockets are to be, by their paths. Raises PrivilegeError for an owner that there is not."""
    entries = [entry for entry in config.listen if entry.address.path]
    return {entry.address.path: find_socket_file(entry.mode, entry.owner) for entry in entries}


def apply_socket_files(config: Config, listeners: Sequence[Listener]) -> None:
    """The same for those that are bound already. Raises BindError."""
    files = find_socket_files(config)
    for listener in listeners:
        if listener.address.path in files and not listener.is_given:
            try:
                files[listener.address.path].apply(listener.address.path)
            except OSError as error:
                text = f"the mode or owner of {listener} can't be changed: {error.strerror}"
                raise BindError(f"{text}; that takes a restart, or master-user") from None


def find_settings(listeners: Sequence[Listener], config: Config) -> tuple[Listen, ...]:
    """What is configured for each. Raises BindError for a socket that was handed over and could be any of them, or
    would be without TLS where others could listen in."""
    found = []
    for listener in listeners:
        entry = find_listen(listener.address, config.listen)
        if entry is None:
            text = "was handed over, and `listen` has several kinds of entries but none for it: add one"
            with about("listen"):
                raise BindError(f"{listener} {text}")
        is_local = bool(listener.address.path) or (listener.local is not None and is_loopback(listener.local[0]))
        if listener.is_given and not (entry.tls or entry.force or is_local):
            text = "was handed over, and would be without TLS where others can read and change all"
            with about("listen"):
                raise BindError(f"{listener} {text}: that takes an entry of its own in `listen`, with force = true")
        found.append(entry)
    return tuple(found)


def close_new(listeners: Sequence[Listener], present: Sequence[Listener]) -> None:
    """Close those of `listeners` that are not among the `present` ones."""
    for listener in listeners:
        if listener not in present:
            listener.close()


def load_certificate(host: Host, config: Config, owner: Identity | None, hands: Making = MAKING) -> ServerCertificate:
    """The host's configured certificate, or its self-signed one, made if need be. Raises CertificateError."""
    if host.certificate is not None and host.key is not None:
        with about(key_path(host.where, "certificate")):
            return hands.load_configured(Path(host.certificate), Path(host.key), host.certificate_names)
    ids = (owner.uid, owner.gid) if owner is not None else None
    with about("tls.certificates"):
        return hands.find_certificate(find_certificate_directory(config), host, ids)


def take_pid_file(
    config: Config, handover: Handover | None, owner: Identity | None, hands: Making = MAKING
) -> PidFile | None:
    """The locked pid file, if there is to be one. Raises PidFileError."""
    if config.service.pid_file is None:
        return None
    path = Path(config.service.pid_file)
    if handover is not None and handover.lock is not None:
        return PidFile(path, handover.lock)
    is_users = owner is not None and config.service.master_user is None
    with about("pid-file"):
        return hands.lock_pid_file(path, (owner.uid, owner.gid) if owner is not None and is_users else None)


def take_control(
    config: Config, handover: Handover | None, poll: select.poll, hands: Making = MAKING
) -> ControlSocket | None:
    """The control socket, if there is to be one; `poll` is to wait for callers. Raises BindError."""
    path = config.service.control
    if handover is not None and handover.control is not None and handover.control[1] == path:
        return ControlSocket(take_over(handover.control[0], 1.0, parse_listen(f"unix:{path}")), poll)
    with about("control"):
        return hands.bind_control(path, poll) if path is not None else None
