"""Files that a converter makes pages of: which those are, what is known already, and how a program is run.

Rules: the name by which a file was asked for says whether it is converted, and where another location's rules hold for
it as well, that one's converters come first; what was opened is what the program reads; nothing of a request reaches
it.
"""

import os
import re
import time
from typing import NamedTuple

from gemd.config.convert_settings import Converter, complete, find_extension
from gemd.config.host_settings import Location
from gemd.config.script_settings import ScriptSettings, find_script_settings
from gemd.config.settings import Config
from gemd.protocol.errors import CGIError, Overloaded
from gemd.protocol.mime import add_parameters
from gemd.protocol.response import Answer
from gemd.protocol.status import Status
from gemd.responders.cgi.scripts import ScriptUsers, find_maker
from gemd.responders.cgi.start import TOO_MANY, ScriptStart
from gemd.responders.convert.conversion import FAILED, Conversion
from gemd.responders.convert.converted import Converted, Works
from gemd.responders.convert.pages import ConvertedPage, ConvertedPages
from gemd.responders.protection import Found
from gemd.system.file_state import find_state, is_settled
from gemd.system.log import error_log
from gemd.system.places import Places
from gemd.system.programs import ProgramError, find_program
from gemd.system.resolved import Resolved
from gemd.system.script_start import ScriptFile
from gemd.system.script_threads import SCRIPT_THREADS

_CHARSET = re.compile(r'; *charset *= *"?([^";\s]*)', re.IGNORECASE)
_UTF8 = frozenset({"utf-8", "utf8", "us-ascii"})


class _Way(NamedTuple):
    """How files are converted: by whom, under which rules."""

    converter: Converter
    settings: ScriptSettings


class Converters:
    """Those of all locations. One in each worker; its programs have their `places` among the scripts, and run as these
    `users`."""

    def __init__(self, config: Config, users: ScriptUsers, places: Places) -> None:
        self._config = config
        self._users = users
        self._places = places
        self._pages = ConvertedPages()
        self._works: Works = {}
        self._ways = {location.where: _find_ways(config, location) for location in config.locations if location.convert}

    def __call__(self, found: Found, name: str, location: Location) -> Answer | None:
        """The page of an open file that was asked for by this name, which is taken over; None where it is sent as it
        is."""
        extension = find_extension(name)
        for owner in (*found.others, location):
            way = self._ways.get(owner.where, {}).get(extension)
            if way is not None:
                return self._convert(found.resolved, location, way)
        return None

    def _convert(self, resolved: Resolved, location: Location, way: _Way) -> Answer:
        converter, settings = way
        meta = add_parameters(
            converter.type, lang=location.lang, charset=location.charset, is_forced=location.force_charset
        )
        charset = _CHARSET.search(meta)
        is_utf8 = meta.startswith("text/") and (charset is None or charset[1].lower() in _UTF8)
        key = find_state(resolved.status), converter.command, settings.cgi.user, is_utf8
        page = self._pages.find(key)
        if page is not None:
            os.close(resolved.descriptor)
            return ConvertedPage(Status.SUCCESS, meta, page)
        path = resolved.path_from(str(location.root))
        who = f"the converter {converter.command[0]} of {path}"
        began = time.time_ns()

        def start(client: str) -> Conversion:
            if not self._places.has_share_left(client):
                raise Overloaded(TOO_MANY, reason="converters")
            return self._start(resolved.descriptor, way, who, is_utf8=is_utf8)

        def keep(page: bytes) -> None:
            if find_state(os.fstat(resolved.descriptor)) == key[0] and is_settled(resolved.status, began):
                self._pages.keep(key, page)

        return Converted(self._works, key, meta, resolved.descriptor, start, keep)

    def _start(self, descriptor: int, way: _Way, who: str, *, is_utf8: bool) -> Conversion:
        """Raises CGIError (42) and Overloaded (41)."""
        (program, *arguments), settings = way.converter.command, way.settings
        try:
            path = find_program(program, settings.cgi.path)
        except ProgramError as error:
            error_log.error("%s can't be started: %s", who, error)
            raise CGIError(FAILED) from None
        try:
            body = os.dup(descriptor)
        except OSError:
            raise Overloaded(reason="descriptors") from None
        user = self._users[settings.cgi.user]
        environ = {"PATH": settings.cgi.path, "LANG": settings.cgi.lang, "HOME": user.home}
        file = ScriptFile(path, body=body, arguments=arguments)
        make = find_maker(user.requests, settings.cgi)
        start = ScriptStart(file, environ, make, SCRIPT_THREADS, self._places)
        return Conversion(start, who, settings, self._config.limits.cgi_output, SCRIPT_THREADS, is_utf8=is_utf8)


def _find_ways(config: Config, location: Location) -> dict[str, _Way]:
    """By extension."""
    settings = find_script_settings(config, location)
    return {extension: _Way(complete(entry), settings) for extension, entry in location.convert.items()}
