"""What an HTTP server is asked for a URL of Gemini, and where it is that its redirects lead to.

Rules: the target has no octet but those of RFC 3986, and begins with one slash; each field is ours, since a client of
Gemini sends none; a redirect within the server is one within the location.
"""

import base64
import re
from collections.abc import Collection
from urllib.parse import quote, urljoin, urlsplit

import msgspec

from gemd.protocol.host import bracket, is_address, place, write_authority
from gemd.protocol.peer import Peer
from gemd.protocol.url import Url, cut_path

HTTP_PORT = 80

_SAFE = "%/:@!$&'()*+,;=~"  # octets of a path that stay, beside letters, digits and "-._"
_ENCODED_DOT = re.compile("%2[Ee]")
_SAFE_IN_QUERY = f"{_SAFE}?"


class HTTPQuestion(msgspec.Struct, frozen=True):
    """`target` is what is asked of `host`; `prefix` is what was taken off the front of the path."""

    target: str
    host: str
    prefix: str = ""

    def translate_redirect(self, reference: str, own_hosts: Collection[str]) -> str:
        """Where a redirect leads to: a path of Gemini if that is within this server, which has these names as well, and
        else a URL as it is. Raises ValueError."""
        try:
            url = urljoin(f"http://{self.host}{self.target}", reference)
            parts = urlsplit(url)
        except ValueError:
            raise ValueError("is no URL") from None
        if parts.scheme != "http" or _without_port(parts.netloc) not in {self.host, *own_hosts}:
            return url
        path = f"{self.prefix}/{_resolve_dots(parts.path).lstrip('/')}"
        return f"{path}?{parts.query}" if parts.query else path


def _resolve_dots(path: str) -> str:
    """A path without dot segments, or what a client would take for some: none may lead out of the location."""
    plain = _ENCODED_DOT.sub(".", path).lstrip("/")
    return urlsplit(urljoin("http://h/", f"/{plain}")).path


def _without_port(netloc: str) -> str:
    """A host and its port, without the one that need not be said."""
    return netloc.lower().removesuffix(f":{HTTP_PORT}")


def make_host(name: str, port: int = HTTP_PORT) -> str:
    """A value of Host."""
    return bracket(name) if port == HTTP_PORT else place(name, port)


def make_question(url: Url, host: str, strip: int) -> HTTPQuestion:
    """What `host` is asked for a URL, without the first `strip` names of its path. Raises NotFound (51) where an
    encoded slash is in the way."""
    prefix, path = cut_path(url, strip)
    target = "/" + quote(path, safe=_SAFE).lstrip("/")
    if url.query is not None:
        target += f"?{quote(url.query, safe=_SAFE_IN_QUERY)}"
    return HTTPQuestion(target, host, quote(prefix, safe=_SAFE))


def make_forwarded(url: Url, peer: Peer) -> list[tuple[str, str]]:
    """The fields that say for whom a request is: Forwarded (RFC 7239), X-Forwarded-For, and Client-Cert (RFC 9440)."""
    host = write_authority(url.host, url.port)
    has_address = is_address(peer.address)
    client = f'"{bracket(peer.address)}"' if has_address else "unknown"
    fields = [("Forwarded", f'for={client};host="{host}";proto={url.scheme}')]
    if has_address:
        fields.append(("X-Forwarded-For", peer.address))
    certificate = peer.tls.client_certificate
    if certificate is not None:
        fields.append(("Client-Cert", f":{base64.b64encode(certificate.der).decode()}:"))
    return fields
