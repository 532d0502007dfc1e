"""A route's pattern: which requests it is for."""

import re
from dataclasses import dataclass

from gemd.app.request import Request


@dataclass
class RoutePattern:
    """`path` is a regular expression for the whole decoded path, whose slashes at the end, all of them, are left out
    first unless `strict_trailing_slash`: the root is then "". `scheme` "" is any.

    The host has to be `hostname`, or that which the server is asked for; the port the server's, if the URL names one.
    """

    path: str = ".*"
    scheme: str | None = "gemini"
    hostname: str | None = None
    strict_hostname: bool = True
    strict_port: bool = True
    strict_trailing_slash: bool = False

    def match(self, request: Request) -> re.Match[str] | None:
        """The match, whose named groups become the route's keyword arguments."""
        if self.scheme and request.scheme != self.scheme:
            return None
        wanted = request.environ["HOSTNAME"] if self.hostname is None else self.hostname
        if self.strict_hostname and request.hostname != wanted:
            return None
        if self.strict_port and request.port not in (None, request.environ["SERVER_PORT"]):
            return None
        path = request.path if self.strict_trailing_slash else request.path.rstrip("/")
        return re.fullmatch(self.path, path)
