"""What else a generation needs of the machine's files: media types, and authorities that vouch for clients.

Rule: they are read by the user that they are for, after root is given up, and all in one place.
"""

from collections.abc import Iterator

import msgspec

from gemd.config import Config
from gemd.config.settings import CAFile
from gemd.system.authorities import read_authorities
from gemd.system.certificates import Certificates
from gemd.system.mime_table import load_mime_table


class Files(msgspec.Struct, frozen=True):
    """Media types by extension, and authorities by the path of the file or directory that has them."""

    mime_table: dict[str, str]
    authorities: dict[str, Certificates]


def read_files(config: Config) -> Files:
    """Read all that the configuration names. Raises CertificateError for authorities that can't be read."""
    return Files(load_mime_table(), {path: read_authorities(path) for path in authority_paths(config)})


def authority_paths(config: Config) -> Iterator[str]:
    """Where authorities are: for all scripts and applications, and for locations."""
    yield from (path for path in (config.tls.ca_file, config.tls.ca_path) if path)
    for host in config.hosts:
        for location in host.locations:
            if isinstance(location.client_certificate, CAFile):
                yield location.client_certificate.ca
