"""CGI: scripts that make answers (RFC 3875 as far as Gemini has it, and what Jetforce's scripts expect).

Rules: nothing in a place of scripts is ever served as a file; a script's output is an answer only if its first line is
a header; the client learns that a script failed, the error log why.
"""

import copy
import os
import socket
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from gemd.config.cgi_settings import CGISettings
from gemd.config.host_settings import AnswerKind, Location
from gemd.config.script_settings import find_script_settings
from gemd.config.settings import Config
from gemd.protocol.characters import is_misleading
from gemd.protocol.errors import CGIError, NotFound, Overloaded
from gemd.protocol.request import Request
from gemd.protocol.response import Response
from gemd.protocol.status import Status
from gemd.protocol.upload import UploadBody
from gemd.responders.cgi.environ import ScriptNames, build_environ
from gemd.responders.cgi.find import (
    find_in_places,
    may_have_script,
    open_mounted,
    split_mounted_path,
    split_script_path,
)
from gemd.responders.cgi.http_dialect import choose_header
from gemd.responders.cgi.run import ScriptRun
from gemd.responders.cgi.start import TOO_MANY, Make, ScriptStart
from gemd.responders.normal_paths import redirect_to_directory
from gemd.responders.refusals import NOT_FOUND, explain_error
from gemd.system.hosted_script import HostedScript
from gemd.system.log import error_log
from gemd.system.places import Places, find_share
from gemd.system.resolved import Resolved
from gemd.system.script import Script
from gemd.system.script_limits import ScriptLimits
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
        self.places = Places(number, min(find_share(number), config.limits.cgi_per_address))

    @property
    def has_room(self) -> bool:
        """Whether a script would be started at once."""
        return not self.places.are_taken

    def beside(self, protection: "Protection") -> "CGI":
        """The same, with the same limits, for locations with another protection."""
        other = copy.copy(self)
        other._protection = protection
        return other

    def __call__(self, request: Request, location: Location) -> ScriptRun | Response | None:
        """Run the script that the URL names; declines where there is none, outside of the location's places of scripts.

        Raises NotFound (51), CGIError (42) for a file that is not executable, Overloaded (41), and GeminiError (40)
        where it can't be told at the moment what is there.
        """
        url = request.url
        depth = location.script_places.find_depth(url.names[len(location.mount) :])
        if not may_have_script(location, url, depth):
            return None
        if not all(location.allows_name(part) and not is_misleading(part) for part in url.rule_names):
            if depth is not None:
                raise NotFound
            return None
        owner = location

        def open_below(root: int, names: Sequence[str]) -> Resolved:
            nonlocal owner  # whose script it is, by whatever name
            opened = self._protection.open_script(root, names, location, request.peer)
            if any(other.cgi == () for other in opened.others):  # there are none, whatever leads there
                os.close(opened.resolved.descriptor)
                raise NotFound
            owner = next((other for other in opened.others if AnswerKind.CGI in other.answers), location)
            return opened.resolved

        found = find_in_places(location, url, open_below)
        if found is None:
            return None
        if found.index_names and not url.is_directory:
            os.close(found.directory)
            return redirect_to_directory(url)
        script_name, path_info = split_script_path(url.segments, found.depth)
        names = url.names[len(location.mount) : found.depth]
        if found.index_names:
            script_name, path_info = script_name.rstrip("/") + "/" + "/".join(found.index_names), ""
            names = (*names, *found.index_names)
        path = os.path.join(str(location.root), *names)
        file = ScriptFile(path, found.directory, found.name)
        return self._run(request, location, owner, file, script_name, path_info)

    def run_mounted(self, request: Request, location: Location) -> ScriptRun:
        """Run the location's own script, which answers its path and all that follows. Raises as a call does."""
        url, depth = request.url, len(location.names)
        is_allowed = all(location.allows_name(part) and not is_misleading(part) for part in url.rule_names)
        # An encoded slash divides no name of a script.
        if not is_allowed or url.names[:depth] != url.rule_names[:depth]:
            raise NotFound
        script_name, path_info = split_mounted_path(url.segments, depth)
        try:
            directory, name = open_mounted(location)
        except OSError as error:
            if error.errno not in NOT_FOUND:
                raise explain_error(error, str(location.script)) from None
            error_log.error("script %s can't be found: %s: %s", script_name or "/", location.script, error.strerror)
            raise CGIError("The script failed") from None
        file = ScriptFile(str(location.script), directory, name)
        return self._run(request, location, location, file, script_name, path_info)

    def _run(
        self, request: Request, location: Location, owner: Location, file: ScriptFile, script_name: str, path_info: str
    ) -> ScriptRun:
        """Run the script, whose directory is open, by the rules of its owner. Raises CGIError (42), Overloaded (41)."""
        name, is_over = script_name or "/", True
        try:
            settings = find_script_settings(self._config, owner)
            user = settings.cgi.user
            if user is None and not os.access(file.name, os.X_OK, dir_fd=file.open()):
                error_log.error("script %s is not executable: chmod +x %s", name, file.path)
                raise CGIError("The script failed")
            script = ScriptNames(script_name, path_info, file.path, self._users[user].home)
            environ = build_environ(request, location, settings.cgi, script, self._authorities)
            if not self.places.has_share_left(request.peer.client):
                raise Overloaded(TOO_MANY, reason="scripts")
            if request.upload is not None and request.upload.body is not None:
                file.body = _copy_body(request.upload.body)
            is_over = False
        finally:
            if is_over:
                file.close()
        make = find_maker(self._users[user].requests, settings.cgi)
        start = ScriptStart(file, environ, make, SCRIPT_THREADS, self.places)
        find_header = choose_header(settings.cgi.dialect, request, Status.CGI_ERROR)
        return ScriptRun(start, name, settings, self._max_output, SCRIPT_THREADS, find_header)


def _copy_body(body: UploadBody) -> int:
    """It, for a script that may go on for longer. Raises Overloaded (41) where no descriptor is free."""
    try:
        return os.dup(body.descriptor)
    except OSError:
        raise Overloaded(reason="descriptors") from None


def find_maker(requests: socket.socket | None, settings: CGISettings) -> Make:
    """What makes a script with the limits that are configured: here, or where `requests` are heard."""
    limits = ScriptLimits.of(settings)
    if requests is None:
        return lambda file, environ: Script(file, environ, limits)
    return lambda file, environ: HostedScript(requests, file, environ, limits, settings.after)
