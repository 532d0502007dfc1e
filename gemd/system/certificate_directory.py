"""Where self-signed certificates are made and kept.

Rule: `gemd` and `gemctl` look in the same place.
"""

import os
from pathlib import Path

from gemd.config import Config
from gemd.system.certificates import CertificateError
from gemd.system.user_data import find_user_data


def find_certificate_directory(config: Config) -> Path:
    """Where certificates are made and kept: as configured, else where systemd says, else /var/lib/gemd for a service
    and the user's data directory for anybody else. Raises CertificateError where there is none."""
    if config.tls.certificates:
        return Path(config.tls.certificates)
    state = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if state.startswith("/"):
        return Path(state)
    if os.geteuid() == 0 or config.service.user is not None:
        return Path("/var/lib/gemd")
    try:
        return find_user_data()
    except RuntimeError:
        raise CertificateError("there is no home directory to keep certificates in: set tls.certificates") from None
