"""CGI: scripts that make answers (RFC 3875 as far as Gemini has it, and what Jetforce's scripts expect).

Rules: nothing below a CGI directory is ever served as a file; a script's output is an answer only if its first line is
a header; the client learns that a script failed, the error log why.
"""

import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from gemd.config.settings import Config, Location
from gemd.protocol.characters import is_misleading
from gemd.protocol.errors import CGIError, NotFound
from gemd.protocol.request import Request
from gemd.protocol.response import MAX_META, BrokenBody, ClientLeft, Later, Response, encode_header
from gemd.protocol.status import has_body
from gemd.responders.cgi.environ import build_environ
from gemd.responders.cgi.running import RunningScripts
from gemd.system.beneath import open_beneath, open_root
from gemd.system.deadline import Deadline
from gemd.system.log import error_log
from gemd.system.script import Script, ScriptError, ScriptLimits

if TYPE_CHECKING:
    from gemd.system.client_certificates import Authorities

MAX_HEADER = MAX_META + len("20 \r\n")

_HEADER = re.compile(rb"(?P<status>[0-9]{2})(?: (?P<meta>[^\r\n]*))?\r?\n")
_MAX_LINES = 20
_MAX_LINE = 500


class CGI:
    """The responder for scripts. One in each worker, for which `limits.cgi` and `limits.cgi-per-address` hold."""

    def __init__(self, config: Config, authorities: "Authorities | None") -> None:
        settings = config.cgi
        self._config = config
        self._authorities = authorities
        self._rlimits = ScriptLimits(
            settings.nice, settings.cpu_seconds, settings.memory, settings.file_size, settings.processes
        )
        self._running = RunningScripts(config.limits)

    def __call__(self, request: Request, location: Location) -> Later | None:
        """Run the script that the URL names; declines outside of the location's CGI directory.

        Raises NotFound (51), and CGIError (42) for a file that is not executable.
        """
        if location.cgi is None or location.root is None:
            return None
        directory = (*location.mount, *filter(None, location.cgi.split("/")))
        names = request.url.names
        if names[: len(directory)] != directory:
            return None
        parts = [part for name in names for part in name.split("/")]  # an encoded slash is one to a script
        if any(map(is_misleading, parts)) or not all(map(location.allows_name, parts)) or {".", ".."} & set(parts):
            raise NotFound
        depth = find_script(location, names, len(directory))
        script_name, path_info = split_script_path(request.url.segments, depth)
        path = os.path.join(location.root, *names[len(location.mount) : depth])
        if not os.access(path, os.X_OK):
            error_log.error("script %s is not executable: chmod +x %s", script_name, path)
            raise CGIError("The script failed")

        def answer() -> Response:
            environ = build_environ(request, location, self._config, script_name, path_info, self._authorities)
            return self._run(path, environ, script_name, request)

        return Later(answer)

    def _run(self, path: str, environ: dict[str, str], name: str, request: Request) -> Response:
        """Runs in a thread."""
        leave = self._running.enter(request.peer.address)
        try:
            script = Script(path, environ, self._rlimits, request.peer.descriptor)
        except ScriptError as error:
            leave()
            error_log.error("script %s %s", name, error)
            raise CGIError("The script failed") from None
        run = ScriptRun(script, name, self._config, leave)
        try:
            return run.answer()
        except ScriptError as error:
            run.close()
            error_log.error("script %s %s", name, error)
            raise CGIError("The script failed") from None
        except ClientLeft:
            run.close()
            raise


class ScriptRun:
    """A started script as an answer: first `answer`, then it is the body, if there is one."""

    def __init__(self, script: Script, name: str, config: Config, leave: Callable[[], None]) -> None:
        self._script = script
        self._name = name
        self._deadline = Deadline(config.timeouts.cgi)
        self._header_deadline = Deadline(min(config.timeouts.cgi_header, config.timeouts.cgi))
        self._too_late = f"did not end within {config.timeouts.cgi:g} s (timeouts.cgi)"
        self._no_header = f"wrote no header within {config.timeouts.cgi_header:g} s (timeouts.cgi-header)"
        self._max_output = config.limits.cgi_output
        self._leave = leave
        self._rest = b""
        self._has_ended = False

    def answer(self) -> Response:
        """The header, with this object as the body of a success. Raises ScriptError and ClientLeft."""
        output = b""
        while b"\n" not in output and len(output) <= MAX_HEADER:
            data = self._script.read(self._header_deadline, self._no_header)
            if not data:
                self._finish()
                raise ScriptError("ended without a header" + (f": {_show(output)}" if output else ""))
            output += data
        status, meta, self._rest = parse_header(output)
        if has_body(status):
            return Response(status, meta, self)
        try:
            while self._script.read(self._deadline, self._too_late):
                pass
            self._finish()
        except ScriptError as error:
            error_log.warning("script %s %s after its answer %d", self._name, error, status)
        self.close()
        return Response(status, meta)

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield self._rest
            size = len(self._rest)
            while data := self._script.read(self._deadline, self._too_late):
                size += len(data)
                if size > self._max_output:
                    raise BrokenBody(f"script {self._name} wrote more than {self._max_output} bytes")
                yield data
            self._finish()
        except ScriptError as error:
            raise BrokenBody(f"script {self._name} {error}") from None

    def _finish(self) -> None:
        self._has_ended = True
        self._script.finish()

    def close(self) -> None:
        """End the script if it has not ended, and log what it said on stderr."""
        try:
            if not self._has_ended:
                self._has_ended = True
                self._script.abort()
        finally:
            self._leave()
        lines = self._script.stderr.decode("utf-8", "replace").splitlines()
        for line in lines[:_MAX_LINES]:
            error_log.warning("script %s says: %s", self._name, line[:_MAX_LINE])
        if len(lines) > _MAX_LINES:
            error_log.warning("script %s says %d lines more", self._name, len(lines) - _MAX_LINES)


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


def parse_header(output: bytes) -> tuple[int, str, bytes]:
    """Status, META and what follows the header line. Raises ScriptError, which quotes the line."""
    match = _HEADER.match(output)
    if match is None or match.end() > MAX_HEADER + 1:
        raise ScriptError(f"has to begin with a line such as '20 text/gemini', not {_show(output)}")
    try:
        status, meta = int(match["status"]), (match["meta"] or b"").decode()
        encode_header(status, meta)
    except ValueError as error:  # UnicodeDecodeError is one
        raise ScriptError(f"has a bad header {_show(output)}: {error}") from None
    return status, meta, output[match.end() :]


def _show(output: bytes) -> str:
    return repr(output.partition(b"\n")[0][:100])
