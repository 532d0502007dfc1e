"""Where uploads wait that are for a program: the directory `upload-spool`, or the first that will do.

Rules: it is looked for only where a location needs it; which it is, is decided anew at each reload, by the one who
reads the configuration.
"""

import os
from collections.abc import Iterator

from gemd.config import Config, ConfigError, Problem
from gemd.config.upload_locations import find_uploads, is_for_program
from gemd.system.attempt import attempt
from gemd.system.permissions import why_not_changed
from gemd.system.privileges import Identity, PrivilegeError, find_identity
from gemd.system.spool_directory import SpoolDirectory, open_spool_directory

_KEY = "upload-spool"
_COMMON = ("/var/tmp", "/tmp")  # noqa: S108, a file there has no name


def needs_spool(config: Config) -> bool:
    """Whether a program may be sent an upload."""
    return any(is_for_program(location) for _, location, _ in find_uploads(config))


def open_upload_spool(config: Config) -> SpoolDirectory | None:
    """The directory, open; None where no location needs it. Raises ConfigError where there is none, and
    PrivilegeError for a user that there is not."""
    if not needs_spool(config):
        return None
    user = find_worker(config)
    reasons = []
    for path in _list_candidates(config):
        with attempt(f"the directory {path} for uploads could not be looked at"):
            reason = why_not_changed(path, user)
            if reason is None:
                return open_spool_directory(path)
        reasons.append(f"{path} {reason}")
    raise ConfigError([Problem(_KEY, "; ".join(reasons))], config.source)


def find_missing_spool(config: Config) -> list[Problem]:
    """A problem where one is needed, and there is none."""
    try:
        spool = open_upload_spool(config)
    except ConfigError as error:
        return error.problems
    except PrivilegeError:
        return []  # which is told already
    if spool is not None:
        spool.close()
    return []


def find_worker(config: Config) -> Identity | None:
    """Who the workers are, None where that is who runs this process already. Raises PrivilegeError."""
    service = config.service
    is_other = service.user not in (None, "root") and os.geteuid() == 0
    return find_identity(str(service.user), service.group) if is_other else None


def _list_candidates(config: Config) -> Iterator[str]:
    if config.service.upload_spool is not None:
        yield config.service.upload_spool
        return
    yield from dict.fromkeys(filter(None, (os.environ.get("TMPDIR"), *_COMMON)))
