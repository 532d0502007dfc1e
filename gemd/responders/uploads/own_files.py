"""The files that gemd reads and nobody uploads: what it does is decided by them."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from gemd.config.host_settings import Host
from gemd.config.settings import Config
from gemd.config.types import CAFile
from gemd.config.upload_locations import find_uploads
from gemd.system.certificate_directory import find_certificate_directory
from gemd.system.certificates import CertificateError, certificate_paths
from gemd.system.pid_file import find_lock


def find_own_files(config: Config) -> Iterator[str]:
    """The configuration's files, certificates, the pid file and its lock, and the authorities that vouch for clients
    and servers. None of workers that are shut in: these are read before, and lie elsewhere or are other files by the
    same path."""
    if config.service.chroot is not None:
        return
    source = os.path.abspath(config.source) if config.source is not None else None  # as it was named to this process
    paths = [source, *config.included, config.tls.ca_file, config.tls.ca_path]
    if config.service.pid_file is not None:
        paths += [config.service.pid_file, str(find_lock(Path(config.service.pid_file)))]
    for host in config.hosts:
        paths.append(_find_certificate(host, config))
        for location in host.locations:
            if isinstance(location.client_certificate, CAFile):
                paths.append(location.client_certificate.ca)
            if location.proxy is not None:
                paths += [location.proxy.ca, location.proxy.certificate]
    paths += [titan.allow.ca for _, _, titan in find_uploads(config) if isinstance(titan.allow, CAFile)]
    yield from dict.fromkeys(path for path in paths if path is not None)


def _find_certificate(host: Host, config: Config) -> str | None:
    """The host's, which may be one that is made for it."""
    if host.certificate is None and host.has_certificate and config.uses_tls:
        with contextlib.suppress(CertificateError):  # there is no place for any
            return str(certificate_paths(find_certificate_directory(config), host.name)[0])
    return host.certificate
