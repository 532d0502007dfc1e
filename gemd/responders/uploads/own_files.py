"""The files that gemd reads and nobody uploads: what it does is decided by them."""

import os
from collections.abc import Iterator

from gemd.config.settings import Config
from gemd.config.types import CAFile
from gemd.config.upload_locations import find_uploads


def find_own_files(config: Config) -> Iterator[str]:
    """The configuration, certificates, and the authorities that vouch for clients and servers. None of workers that are
    shut in: these are read before, and lie elsewhere or are other files by the same path."""
    if config.service.chroot is not None:
        return
    source = os.path.abspath(config.source) if config.source is not None else None  # as it was named to this process
    paths = [source, config.tls.ca_file, config.tls.ca_path, config.service.pid_file]
    for host in config.hosts:
        paths.append(host.certificate)
        for location in host.locations:
            if isinstance(location.client_certificate, CAFile):
                paths.append(location.client_certificate.ca)
            if location.proxy is not None:
                paths += [location.proxy.ca, location.proxy.certificate]
    paths += [titan.allow.ca for _, _, titan in find_uploads(config) if isinstance(titan.allow, CAFile)]
    yield from dict.fromkeys(path for path in paths if path is not None)
