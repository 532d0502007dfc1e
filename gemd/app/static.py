"""Files, listings and scripts from a directory, as an application: to build on, or to mount below another one.

Rules: what is opened is beneath the root, and not hidden; links that lead out are not followed. A location with `root`
does the same faster and at more places at once.
"""

import contextlib
import functools
import mimetypes
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from gemd.app.application import Application
from gemd.app.missing import missing_names_of
from gemd.app.rate_limiter import RateLimiter
from gemd.app.request import Request
from gemd.app.response import Environ, Response, Status
from gemd.app.route import RoutePattern
from gemd.app.script import run_script
from gemd.config.host_settings import Location
from gemd.protocol.errors import GeminiError, NotFound
from gemd.protocol.mime import GEMTEXT, UNKNOWN, write_languages
from gemd.protocol.url import Url, encode_path
from gemd.responders.cgi.find import find_script, split_script_path
from gemd.responders.listing import list_directory
from gemd.responders.static import is_file_name
from gemd.system.beneath import open_root
from gemd.system.mime_table import load_mime_table
from gemd.system.resolved import Resolved, identify, open_resolved

if not TYPE_CHECKING:
    __getattr__ = missing_names_of(__name__)


_MAX_ENTRIES = 50_000

_not_found = functools.partial(Response, Status.NOT_FOUND, "Not Found")


class StaticDirectoryApplication(Application):
    """Serves what is below `root`. Every public method and attribute may be overridden."""

    CHUNK_SIZE = 16 * 1024

    def __init__(
        self,
        root_directory: str | os.PathLike[str] = "/var/gemini",
        index_file: str = "index.gmi",
        cgi_directory: str = "cgi-bin",
        default_lang: str | None = None,
        rate_limiter: RateLimiter | None = None,
    ) -> None:
        """`default_lang` is the language of gemtext. Raises FileNotFoundError where there is no such directory."""
        super().__init__(rate_limiter)
        self.root = Path(root_directory).resolve(strict=True)
        self.index_file = index_file
        self.cgi_directory = cgi_directory.strip("/") + "/"
        self.default_lang = default_lang
        self.mimetypes = mimetypes.MimeTypes()
        self.mimetypes.encodings_map = {}  # a compressed file is what its octets are
        for extension, media_type in load_mime_table().items():
            self.mimetypes.add_type(media_type, extension)
        self.routes.append((RoutePattern(), self.serve_static_file))

    def serve_static_file(self, request: Request) -> Response:
        """The file, listing or script that the path leads to, else 51. A slash after a file means nothing."""
        names = [name for name in request.path.split("/") if name]
        location = self._location
        if not all(is_file_name(name) and name != ".." and location.allows_name(name) for name in names):
            return _not_found()
        scripts = [name for name in self.cgi_directory.split("/") if name]
        if scripts and names[: len(scripts)] == scripts:
            return self._serve_script(request, names, len(scripts))
        try:
            mode = self._look_at(names)
            if stat.S_ISREG(mode):
                return self._serve_file(self.root.joinpath(*names), self.guess_mimetype(names[-1]))
            if not stat.S_ISDIR(mode):
                return _not_found()
            if request.path and not request.path.endswith("/"):
                _, mark, query = request.url.partition("?")
                return Response(Status.REDIRECT_PERMANENT, f"{encode_path(names)}/{mark}{query}")
            return self._serve_directory(names)
        except (OSError, ValueError):
            return _not_found()

    def _serve_file(self, path: Path, media_type: str) -> Response:
        """Raises OSError."""
        return Response(Status.SUCCESS, self.add_extra_parameters(media_type), self.load_file(path))

    def _serve_directory(self, names: list[str]) -> Response:
        index = [name for name in self.index_file.split("/") if name]
        try:
            has_index = stat.S_ISREG(self._look_at([*names, *index]))
        except FileNotFoundError:
            has_index = False
        path = self.root.joinpath(*names)
        if has_index:
            return self._serve_file(path.joinpath(*index), GEMTEXT)
        meta = self.add_extra_parameters(GEMTEXT)
        return Response(Status.SUCCESS, meta, self.list_directory(PurePath(*names), path))

    def _serve_script(self, request: Request, names: list[str], depth: int) -> Response:
        try:
            found = find_script(self._location, names, depth, self._open_below)
        except NotFound:
            return _not_found()
        except GeminiError as error:
            return Response(error.status, error.meta)
        os.close(found.directory)
        end = found.depth
        path = self.root.joinpath(*names[:end])
        if not os.access(path, os.X_OK):
            return _not_found()
        script_name, path_info = split_script_path(request.path.split("/")[1:], end)
        environ = {**request.environ, "SCRIPT_NAME": script_name, "PATH_INFO": path_info}
        return self.run_cgi_script(path, environ)

    def run_cgi_script(self, filesystem_path: str | os.PathLike[str], environ: Environ) -> Response:
        """Run a script with the upper-case entries of `environ`, as gemd runs its own, for at most 30 seconds.

        The application waits for its header; where scripts are slow, a location with `cgi` is the better place.
        """
        return run_script(os.fspath(filesystem_path), environ)

    def load_file(self, filesystem_path: Path) -> Iterator[bytes]:
        """The file in chunks of CHUNK_SIZE bytes. One below the root is opened so that no link leads out of it.

        Raises OSError, at once.
        """
        return self._read(self._open(filesystem_path))

    def _read(self, descriptor: int) -> Iterator[bytes]:
        return _Chunks(descriptor, self.CHUNK_SIZE)

    def list_directory(self, url_path: PurePath, filesystem_path: Path) -> Iterator[bytes]:
        """A directory as a gemtext page, in one piece. `url_path` has no leading slash."""
        names = tuple(part for part in url_path.parts if part != "/")
        url = Url("", "gemini", "", None, encode_path(names), (*names, ""), None)
        location = self._location
        if filesystem_path != self.root.joinpath(*names):
            location = Location(root=str(filesystem_path), mount=names, lang=self.default_lang)
        response = list_directory(url, location, _MAX_ENTRIES)
        assert isinstance(response.body, bytes)
        return iter((response.body,))

    def guess_mimetype(self, filename: str) -> str:
        """The media type of a file of this name, by the table `mimetypes`."""
        return self.mimetypes.guess_type(_as_name(filename))[0] or UNKNOWN

    def add_extra_parameters(self, meta: str) -> str:
        """The media type with the language, where it is gemtext."""
        if self.default_lang is None or not meta.startswith(GEMTEXT):
            return meta
        return f"{meta}; lang={write_languages(self.default_lang)}"

    def default_callback(self, request: Request, **groups: str | None) -> Response:
        """53 for another scheme, host or port than this server's, else 51."""
        environ = request.environ
        is_foreign = (
            request.scheme != "gemini"
            or request.hostname != environ["HOSTNAME"]
            or request.port not in (None, environ["SERVER_PORT"])
        )
        if is_foreign:
            return Response(Status.PROXY_REQUEST_REFUSED, "This server does not allow proxy requests")
        return _not_found()

    @property
    def _location(self) -> Location:
        """What gemd's own responders go by."""
        return Location(root=str(self.root), lang=self.default_lang, cgi=self.cgi_directory.rstrip("/") or None)

    def _look_at(self, names: list[str]) -> int:
        """The mode of what `names` lead to. Raises OSError."""
        descriptor = self._open(self.root.joinpath(*names))
        try:
            return os.fstat(descriptor).st_mode
        finally:
            os.close(descriptor)

    def _open_below(self, root: int, names: Sequence[str]) -> Resolved:
        location = self._location
        return open_resolved(root, str(location.root), names, location.symlinks)

    def _is_script(self, found: Resolved, root: int) -> bool:
        """Whether it lies in the directory of scripts."""
        if self.cgi_directory == "/":
            return False
        try:
            scripts = os.stat(self.cgi_directory, dir_fd=root)
        except FileNotFoundError:
            return False
        return identify(scripts) in found.trace(root)

    def _open(self, path: Path) -> int:
        """Open for reading, beneath the root if it is there; no script by way of a link. Raises OSError."""
        if not path.is_relative_to(self.root):
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        root = open_root(str(self.root))
        try:
            with contextlib.ExitStack() as on_failure:
                found = self._open_below(root, path.relative_to(self.root).parts)
                on_failure.callback(os.close, found.descriptor)
                if found.links and self._is_script(found, root):
                    raise FileNotFoundError(path)
                on_failure.pop_all()
                return found.descriptor
        finally:
            os.close(root)


class _Chunks(Iterator[bytes]):
    """An open file in chunks; closed at its end, or by who does not want the rest."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._file = open(descriptor, "rb", buffering=0)
        self._size = size

    def __next__(self) -> bytes:
        data = self._file.read(self._size) if not self._file.closed else b""
        if not data:
            self.close()
            raise StopIteration
        return data

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _as_name(filename: str) -> str:
    """What mimetypes takes for a name and never for a URL."""
    return filename.replace(":", "_")
