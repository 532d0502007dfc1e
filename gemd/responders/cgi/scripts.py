"""CGI: scripts that make answers (RFC 3875 as far as Gemini has it, and what Jetforce's scripts expect).

Rules: nothing below a CGI directory is ever served as a file; a script's output is an answer only if its first line is
a header; the client learns that a script failed, the error log why.
"""

import os
import socket
import stat
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from gemd.config.script_settings import find_script_settings
from gemd.config.settings import Answer, Config, Location
from gemd.protocol.characters import is_misleading
from gemd.protocol.errors import CGIError, NotFound, Overloaded
from gemd.protocol.peer import network_of
from gemd.protocol.request import Request
from gemd.protocol.url import split_path
from gemd.responders.cgi.environ import ScriptNames, build_environ
from gemd.responders.cgi.run import TOO_MANY, ScriptRun, Start
from gemd.responders.refusals import explain_error, open_root_of
from gemd.system.hosted_script import HostedScript
from gemd.system.log import error_log
from gemd.system.places import Places, find_share
from gemd.system.resolved import Resolved
from gemd.system.script import Script, ScriptLimits
from gemd.system.script_start import ScriptFile
from gemd.system.script_threads import SCRIPT_THREADS

if TYPE_CHECKING:  # both take the cryptography library along, which an application's program may not want yet
    from gemd.responders.protection import Protection
    from gemd.system.authorities import Authorities


class ScriptUser(msgspec.Struct, frozen=True):
    """Whom scripts run as: a home, and where they are asked for if not started here."""

    home: str = "/"
    requests: socket.socket | None = None


ScriptUsers = Mapping[str | None, ScriptUser]  # by name, or number, as configured; None is the workers' user
NO_USERS: ScriptUsers = MappingProxyType({None: ScriptUser()})


class CGI:
    """The responder for scripts. One in each worker, for which `limits.cgi` and `limits.cgi-per-address` hold."""

    def __init__(
        self,
        config: Config,
        authorities: "Authorities | None",
        protection: "Protection",
        users: ScriptUsers = NO_USERS,
    ) -> None:
        self._config = config
        self._protection = protection
        self._authorities = authorities
        self._users = users
        self._max_output = config.limits.cgi_output
        number = config.limits.cgi
        self._places = Places(number, min(find_share(number), config.limits.cgi_per_address))

    @property
    def has_room(self) -> bool:
        """Whether a script would be started at once."""
        return not self._places.are_taken

    def __call__(self, request: Request, location: Location) -> ScriptRun | None:
        """Run the script that the URL names; declines outside of the location's CGI directory.

        Raises NotFound (51), CGIError (42) for a file that is not executable, Overloaded (41), and GeminiError (40)
        where it can't be told at the moment what is there.
        """
        assert location.root is not None
        assert location.cgi is not None
        directory = (*location.mount, *split_path(location.cgi))
        names = request.url.names
        if names[: len(directory)] != directory:
            return None
        if not all(location.allows_name(part) and not is_misleading(part) for part in request.url.rule_names):
            raise NotFound

        owner = location

        def open_below(root: int, names: Sequence[str]) -> Resolved:
            nonlocal owner  # whose script it is, by whatever name
            opened = self._protection.open_script(root, names, location, request.peer)
            owner = next((other for other in opened.others if Answer.CGI in other.answers), location)
            return opened.resolved

        found = find_script(location, names, len(directory), open_below)
        script_name, path_info = split_script_path(request.url.segments, found.depth)
        path = os.path.join(str(location.root), *names[len(location.mount) : found.depth])
        file = ScriptFile(path, found.directory, found.name)
        is_over = True
        try:
            settings = find_script_settings(self._config, owner)
            user = settings.cgi.user
            if user is None and not os.access(found.name, os.X_OK, dir_fd=found.directory):
                error_log.error("script %s is not executable: chmod +x %s", script_name, path)
                raise CGIError("The script failed")
            script = ScriptNames(script_name, path_info, path, self._users[user].home)
            environ = build_environ(request, location, settings.cgi, script, self._authorities)
            if not self._places.has_share_left(network_of(request.peer.address)):
                raise Overloaded(TOO_MANY)
            is_over = False
        finally:
            if is_over:
                file.close()
        start = make_start(self._users[user].requests, ScriptLimits.of(settings.cgi))
        return ScriptRun(file, environ, start, script_name, settings, self._max_output, SCRIPT_THREADS, self._places)


def make_start(requests: socket.socket | None, limits: ScriptLimits) -> Start:
    """What starts a script with these limits: here, or where `requests` are heard."""
    if requests is None:
        return lambda file, environ: Script(file, environ, limits)
    return lambda file, environ: HostedScript(requests, file, environ, limits)


class FoundScript(NamedTuple):
    """The first `depth` names of a URL lead to a script, which has this name in an open directory, the caller's."""

    depth: int
    directory: int
    name: str


def find_script(
    location: Location, names: Sequence[str], depth: int, open_below: Callable[[int, Sequence[str]], Resolved]
) -> FoundScript:
    """The script that `names` lead to: the first regular file after the `depth` names of the CGI directory.

    `open_below` opens what names lead to below the open root. Raises NotFound (51) where there is none, GeminiError
    (40) where that can't be told at the moment, and what `open_below` raises.
    """
    mount = len(location.mount)
    root = open_root_of(location)
    try:
        for end in range(depth + 1, len(names) + 1):
            if "/" in names[end - 1]:
                break
            resolved = open_below(root, names[mount:end])
            try:
                if stat.S_ISREG(resolved.status.st_mode):
                    return FoundScript(end, resolved.open_parent(root), resolved.names[-1])
            finally:
                os.close(resolved.descriptor)
            if not stat.S_ISDIR(resolved.status.st_mode):
                break
    except OSError as error:
        raise explain_error(error, "/" + "/".join(names)) from None
    finally:
        os.close(root)
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
