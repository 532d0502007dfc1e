"""What a child found for the next generation, on its way to the master: types to be checked, and descriptors.

Rule: nothing is opened, read or looked up to unpack it.
"""

import os
import stat
from collections.abc import Mapping, Sequence

import msgspec

from gemd.config import Config
from gemd.config.app_settings import find_app_users
from gemd.config.script_settings import find_script_users
from gemd.config.types import Address
from gemd.master.report import Outcome
from gemd.shared.generation import Generation
from gemd.startup.files import Files, find_authorities
from gemd.startup.proxies import find_proxy_certificates, meets_servers
from gemd.startup.resources import Resources, close_new
from gemd.startup.upload_spool import needs_spool
from gemd.system.confinement import Confinement
from gemd.system.known_servers import KnownServers
from gemd.system.listener import Listener, take_over
from gemd.system.portable_certificate import (
    PortableCertificate,
    pack_certificate,
    pack_certificates,
    unpack_certificate,
    unpack_certificates,
)
from gemd.system.privileges import Identity
from gemd.system.spool_directory import SpoolDirectory


class ListenerFound(msgspec.Struct, frozen=True):
    """A listener: which one of the present generation's, or a new one, whose descriptor is the next."""

    address: Address
    present: int | None


class Findings(msgspec.Struct, frozen=True):
    """All of it. Certificates are by host name, those of proxies and authorities, in DER, by path. The descriptors of
    new listeners come first, then those of the log files at the paths `logs`, then that of servers that were met, whose
    path is `known_servers`, and that of the directory `upload_spool`, each "" where there is none. `warnings` are for
    the error log."""

    config: Config
    listeners: tuple[ListenerFound, ...]
    certificates: dict[str, PortableCertificate]
    proxy_certificates: dict[str, PortableCertificate]
    mime_table: dict[str, str]
    authorities: dict[str, tuple[bytes, ...]]
    users: dict[str, Identity]
    home: str
    private: tuple[str, ...]
    confinement: Confinement | None
    apart: tuple[str, ...]
    homes: dict[str, str]
    logs: tuple[str, ...]
    known_servers: str
    upload_spool: str
    warnings: tuple[str, ...]


class Unpacked(msgspec.Struct, frozen=True):
    """What was packed. `logs` are the descriptors of log files by their paths, for whoever takes it to close."""

    config: Config
    resources: Resources
    files: Files
    logs: Mapping[str, int]
    warnings: Sequence[str]


def pack_findings(
    generation: Generation, resources: Resources, files: Files, current: Generation, warnings: Sequence[str]
) -> Outcome:
    """What `generation` was made of, as far as `current` has it not; what is new is closed but for its copies."""
    present = list(current.listeners)
    known = current.logs.files()
    logs = {path: sink.fileno() for path, sink in generation.logs.files().items() if known.get(path) is not sink}
    new = [listener for listener in resources.listeners if listener not in present]
    known_servers, spool = resources.known_servers, resources.upload_spool
    findings = Findings(
        config=generation.config,
        listeners=tuple(
            ListenerFound(listener.address, None if listener in new else present.index(listener))
            for listener in resources.listeners
        ),
        certificates={name: pack_certificate(one) for name, one in resources.certificates.items()},
        proxy_certificates={path: pack_certificate(one) for path, one in resources.proxy_certificates.items()},
        mime_table=files.mime_table,
        authorities={path: pack_certificates(several) for path, several in files.authorities.items()},
        users=files.users,
        home=files.home,
        private=files.private,
        confinement=files.confinement,
        apart=files.apart,
        homes=files.homes,
        logs=tuple(logs),
        known_servers=known_servers.path if known_servers is not None else "",
        upload_spool=spool.path if spool is not None else "",
        warnings=tuple(warnings),
    )
    kept = [*logs.values(), *(each.fileno() for each in (known_servers, spool) if each is not None)]
    descriptors = [os.dup(listener.socket.fileno()) for listener in new] + list(map(os.dup, kept))
    generation.close_all_but(current)
    return Outcome(msgspec.to_builtins(findings), descriptors)


def unpack_findings(found: Outcome, current: Generation) -> Unpacked:
    """What was found, as `current` and the next generation share it.

    Takes the descriptors over; where it raises, all are closed. Raises ValueError for what nobody can have found,
    CertificateError and BindError.
    """
    left = list(found.descriptors)
    new: list[Listener] = []
    is_complete = False
    try:
        findings = msgspec.convert(found.content, Findings)
        _check(findings, len(left), len(current.listeners))
        listeners = []
        for listener in findings.listeners:
            if listener.present is None:
                if not stat.S_ISSOCK(os.fstat(left[0]).st_mode):
                    raise ValueError("a listener is no socket")
                new.append(take_over(left.pop(0), findings.config.timeouts.request, listener.address))
            listeners.append(new[-1] if listener.present is None else current.listeners[listener.present])
        certificates = {name: unpack_certificate(one) for name, one in findings.certificates.items()}
        proxy_certificates = {path: unpack_certificate(one) for path, one in findings.proxy_certificates.items()}
        authorities = {path: unpack_certificates(several) for path, several in findings.authorities.items()}
        spool = SpoolDirectory(left.pop(), findings.upload_spool) if findings.upload_spool else None
        known_servers = KnownServers(left.pop(), findings.known_servers) if findings.known_servers else None
        is_complete = True
    finally:
        if not is_complete:
            close_new(new, ())
            for descriptor in left:
                os.close(descriptor)
    return Unpacked(
        findings.config,
        Resources(listeners, certificates, proxy_certificates, known_servers, spool),
        Files(
            mime_table=findings.mime_table,
            authorities=authorities,
            users=findings.users,
            home=findings.home,
            private=findings.private,
            confinement=findings.confinement,
            apart=findings.apart,
            homes=findings.homes,
        ),
        dict(zip(findings.logs, left, strict=True)),
        findings.warnings,
    )


def _check(findings: Findings, descriptors: int, listeners: int) -> None:
    """Raise ValueError unless all belongs together, with so many descriptors and present listeners."""
    present = [listener.present for listener in findings.listeners]
    number = present.count(None) + len(findings.logs) + bool(findings.known_servers) + bool(findings.upload_spool)
    if number != descriptors or len(set(findings.logs)) != len(findings.logs):
        raise ValueError("another number of descriptors was needed")
    if any(number is not None and not 0 <= number < listeners for number in present):
        raise ValueError("there is no such listener")
    config = findings.config
    if bool(findings.known_servers) != meets_servers(config):
        raise ValueError("servers that were met are missing, or not asked for")
    if bool(findings.upload_spool) != needs_spool(config):
        raise ValueError("the directory for uploads is missing, or not asked for")
    if not set(find_proxy_certificates(config)) <= set(findings.proxy_certificates):
        raise ValueError("a proxy has no certificate")
    if config.uses_tls and not {host.name for host in config.hosts if host.has_certificate} <= set(
        findings.certificates
    ):
        raise ValueError("a host has no certificate")
    if not {path for _, path in find_authorities(findings.config)} <= set(findings.authorities):
        raise ValueError("there are authorities missing")
    if not {*find_script_users(findings.config), *find_app_users(findings.config)} <= set(findings.users):
        raise ValueError("a user is missing")
