"""Applications that are asked by FastCGI or SCGI, and what they are told of a request: the variables of scripts.

Rules: how much of a path is SCRIPT_NAME is the configuration's to say; what follows is PATH_INFO, decoded. A file is
named only below a root, since there are applications that run whatever they are told to. What makes a process, its
PATH for one, is not sent: that is its own already; nor is what the configuration has for scripts (`cgi.environment`),
which may be a secret of theirs: `params` are for applications.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from gemd.config.gateway_settings import ApplicationTable
from gemd.config.host_settings import Location
from gemd.config.script_settings import find_script_settings
from gemd.config.settings import Config
from gemd.protocol.characters import is_misleading
from gemd.protocol.errors import NotFound
from gemd.protocol.request import Request
from gemd.protocol.status import Status
from gemd.responders.cgi.environ import ScriptNames, build_environ
from gemd.responders.cgi.find import split_mounted_path
from gemd.responders.cgi.http_dialect import choose_header
from gemd.responders.gateway.codec import Codec, RequestBody
from gemd.responders.gateway.exchange import RelayedRequest
from gemd.responders.gateway.upload_body import relay_body
from gemd.responders.gateway.upstreams import Upstreams
from gemd.system.authorities import Authorities

MakeCodec = Callable[[Mapping[bytes, bytes], RequestBody | None], Codec]
FindTable = Callable[[Location], ApplicationTable | None]

_OF_PROCESSES = ("HOME", "LANG", "PATH")
_OF_FILES = ("SCRIPT_FILENAME", "SCRIPT_PATH")


class ApplicationGateways:
    """The responder for all locations that one of the two protocols answers in; `kind` is its name."""

    def __init__(
        self, kind: str, config: Config, authorities: Authorities | None, find_table: FindTable, make_codec: MakeCodec
    ) -> None:
        self._config = config
        self._authorities = authorities
        self._find_table = find_table
        self._make_codec = make_codec
        self._upstreams: dict[str, Upstreams] = {}  # by where the location is in the file
        for host in config.hosts:
            for location in host.locations:
                table = find_table(location)
                if table is not None:
                    name = f"the application at {host.name}{location.path}"
                    self._upstreams[location.where] = Upstreams(kind, name, table.addresses, table.connections)

    @property
    def upstreams(self) -> Iterable[Upstreams]:
        """Those of all its locations."""
        return self._upstreams.values()

    def __call__(self, request: Request, location: Location) -> RelayedRequest:
        """An exchange that is still to begin. Raises NotFound (51) for what no application is told."""
        table = self._find_table(location)
        assert table is not None
        url = request.url
        depth = len(location.names) if table.strip is None else table.strip
        if any("/" in name for name in url.names[:depth]):  # an encoded slash divides no name of a script
            raise NotFound
        if not all(location.allows_name(part) and not is_misleading(part) for part in url.rule_names):
            raise NotFound
        script_name, path_info = split_mounted_path(url.segments, depth)
        path = "/".join((location.root or "", *url.names[len(location.mount) : depth]))
        scripts = find_script_settings(self._config, location).cgi
        settings = msgspec.structs.replace(scripts, environment={}, dialect=table.dialect or scripts.dialect)
        environ = build_environ(
            request, location, settings, ScriptNames(script_name, path_info, path, "/"), self._authorities
        )
        for name in (*_OF_PROCESSES, *(() if location.root is not None else _OF_FILES)):
            environ.pop(name, None)
        environ |= table.params
        params = {name.encode(): value.encode("utf-8", "surrogateescape") for name, value in environ.items()}
        limit = self._config.limits.cgi_output
        make_codec, upstreams = self._make_codec, self._upstreams[location.where]
        find_header = choose_header(settings.dialect, request, Status.PROXY_ERROR)
        upload = relay_body(request.upload)
        return RelayedRequest(
            upstreams, lambda _: make_codec(params, upload), table.timeout, limit, find_header, upload
        )
