"""CGI: scripts that make answers (RFC 3875 as far as Gemini has it, and what Jetforce's scripts expect).

Rules: nothing below a CGI directory is ever served as a file; a script's output is an answer only if its first line is
a header; the client learns that a script failed, the error log why.
"""

import os
import stat
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gemd.config.settings import Config, Location
from gemd.protocol.characters import is_misleading
from gemd.protocol.errors import CGIError, NotFound, Overloaded
from gemd.protocol.peer import network_of
from gemd.protocol.request import Request
from gemd.protocol.url import split_path
from gemd.responders.cgi.environ import build_environ
from gemd.responders.cgi.run import TOO_MANY, ScriptRun
from gemd.system.beneath import open_beneath, open_root
from gemd.system.log import error_log
from gemd.system.places import Places, find_share
from gemd.system.script import ScriptLimits
from gemd.system.script_start import ScriptFile
from gemd.system.script_threads import SCRIPT_THREADS

if TYPE_CHECKING:
    from gemd.system.authorities import Authorities


class CGI:
    """The responder for scripts. One in each worker, for which `limits.cgi` and `limits.cgi-per-address` hold."""

    def __init__(self, config: Config, authorities: "Authorities | None") -> None:
        settings = config.cgi
        self._config = config
        self._authorities = authorities
        self._rlimits = ScriptLimits(
            settings.nice, settings.cpu_seconds, settings.memory, settings.file_size, settings.processes
        )
        number = config.limits.cgi
        self._places = Places(number, min(find_share(number), config.limits.cgi_per_address))

    @property
    def has_room(self) -> bool:
        """Whether a script would be started at once."""
        return not self._places.are_taken

    def __call__(self, request: Request, location: Location) -> ScriptRun | None:
        """Run the script that the URL names; declines outside of the location's CGI directory.

        Raises NotFound (51), CGIError (42) for a file that is not executable, and Overloaded (41).
        """
        assert location.root is not None
        assert location.cgi is not None
        directory = (*location.mount, *split_path(location.cgi))
        names = request.url.names
        if names[: len(directory)] != directory:
            return None
        if not all(location.allows_name(part) and not is_misleading(part) for part in request.url.rule_names):
            raise NotFound
        depth = find_script(location, names, len(directory))
        script_name, path_info = split_script_path(request.url.segments, depth)
        path = os.path.join(location.root, *names[len(location.mount) : depth])
        if not os.access(path, os.X_OK):
            error_log.error("script %s is not executable: chmod +x %s", script_name, path)
            raise CGIError("The script failed")

        environ = build_environ(request, location, self._config, script_name, path_info, self._authorities)
        if not self._places.has_share_left(network_of(request.peer.address)):
            raise Overloaded(TOO_MANY)
        file = ScriptFile(path)
        return ScriptRun(file, environ, self._rlimits, script_name, self._config, SCRIPT_THREADS, self._places)


def find_script(location: Location, names: Sequence[str], depth: int) -> int:
    """How many of `names` lead to the script: the first regular file after the `depth` names of the CGI directory.

    Raises NotFound (51) where there is none. The program is started by its path later, so whoever may change the CGI
    directory meanwhile decides what runs: as they may anyhow.
    """
    assert location.root is not None
    mount = len(location.mount)
    try:
        root = open_root(location.root)
        try:
            for end in range(depth + 1, len(names) + 1):
                if "/" in names[end - 1]:
                    break
                descriptor = open_beneath(root, names[mount:end], location.symlinks)
                try:
                    mode = os.fstat(descriptor).st_mode
                finally:
                    os.close(descriptor)
                if stat.S_ISREG(mode):
                    return end
                if not stat.S_ISDIR(mode):
                    break
        finally:
            os.close(root)
    except OSError:
        pass
    raise NotFound


def split_script_path(segments: Sequence[str], depth: int) -> tuple[str, str]:
    """SCRIPT_NAME and PATH_INFO (RFC 3875, 4.1.13 and 4.1.5), decoded, when the first `depth` names lead to the script.

    Empty segments before it mean nothing; those after it are the script's business and stay.
    """
    end = 0
    for index, segment in enumerate(segments):
        if segment and not depth:
            break
        depth -= bool(segment)
        end = index + 1
        if not depth:
            break
    rest = segments[end:]
    return "/" + "/".join(filter(None, segments[:end])), "/" + "/".join(rest) if rest else ""
