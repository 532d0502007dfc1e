"""A request as routes see it: the environ, and its URL taken apart."""

from functools import cached_property
from urllib.parse import unquote, urlsplit

from gemd.app.response import Environ
from gemd.app.upload import UploadedFile, find_upload
from gemd.protocol.host import bracket, decode_host, normalise_host


class Request:
    """The URL's parts are decoded, each as a whole: an encoded slash in `path` is a slash, and a "+" in `query` is a
    plus. `hostname` is in lower case and in its A-label form; `port` is None when the URL has none.

    `params` is what follows a semicolon in the last part of the path, in schemes that know such a thing; Gemini does
    not. `environ` is the application's own to change. `upload` is what is uploaded by Titan, None where nothing is, and
    `is_edit` whether a text is asked for to be edited.
    """

    environ: Environ
    url: str
    scheme: str
    hostname: str
    port: int | None
    path: str
    params: str
    query: str
    fragment: str

    def __init__(self, environ: Environ) -> None:
        """Take environ["GEMINI_URL"] apart. Raises ValueError for a URL without a scheme or host, with a port that is
        none, or, in the scheme gemini, with a user name."""
        self.environ = environ
        self.url = str(environ["GEMINI_URL"])
        parts = urlsplit(self.url)
        if not parts.scheme:
            raise ValueError("the URL has no scheme")
        if not parts.hostname:
            raise ValueError("the URL has no host")
        if parts.scheme == "gemini" and parts.username is not None:
            raise ValueError("a gemini URL has no user name")
        self.scheme = parts.scheme
        self.hostname = normalise_host(bracket(decode_host(parts.hostname)))
        self.port = parts.port
        path, params = _split_params(parts.scheme, parts.path)
        self.path = unquote(path)
        self.params = unquote(params)
        self.query = unquote(parts.query)
        self.fragment = unquote(parts.fragment)

    @cached_property
    def upload(self) -> UploadedFile | None:
        """What the body of the request is, where it has one."""
        return find_upload(self.environ)

    @property
    def is_edit(self) -> bool:
        """Whether the answer is to be the text as it is kept."""
        return self.environ.get("TITAN_EDIT") == "1"


def _split_params(scheme: str, path: str) -> tuple[str, str]:
    if scheme not in ("http", "https", "ftp"):
        return path, ""
    front, slash, last = path.rpartition("/")
    last, _, params = last.partition(";")
    return front + slash + last, params
