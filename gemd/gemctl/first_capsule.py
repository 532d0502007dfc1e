"""A first configuration and page, as texts and then as files.

Rules: no file is overwritten; where something can't be written, nothing of it stays.
"""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from gemd.gemctl.failure import Failure
from gemd.gemctl.former_servers import FormerServer
from gemd.gemctl.terminal import escape
from gemd.gemctl.toml_text import write_setting
from gemd.system.certificates import certificate_paths

CONFIGURATION = "gemd.conf"
PAGE = "index.gmi"
ROOT = "capsule"
CERTIFICATES = "certificates"
CONTROL = "control.sock"

_MAX_SOCKET_PATH = 107  # bytes, unix(7)
_SCRIPTS = "cgi-bin"


class Capsule(msgspec.Struct, frozen=True):
    """What is to be written to `directory`. `root` has pages already, or is to be made in it (None). `certificate` and
    key are files that are used where they are, `kept` those of a former server in PEM. `user` is whom root becomes,
    with uid and gid `owner`."""

    directory: Path
    name: str
    server: FormerServer
    root: Path | None = None
    certificate: tuple[Path, Path] | None = None
    kept: tuple[bytes, bytes] | None = None
    user: str | None = None
    owner: tuple[int, int] | None = None


def render_configuration(capsule: Capsule) -> str:
    """The file gemd.conf."""
    is_local = capsule.name == "localhost"
    lines = [
        f"# The configuration of gemd for {capsule.name}: TOML, as gemd.conf(5) describes it. Relative paths are taken",
        '# from the directory of this file. "gemd -t -c FILE" checks it, "gemd -T -c FILE" shows it with all defaults.',
        "",
        '# Where to listen; "[::]" is every address.',
        write_setting("listen", ["localhost:1965" if is_local else "[::]:1965"]),
    ]
    if capsule.user is not None:
        lines += ["# Whom to become when root starts gemd.", write_setting("user", capsule.user)]
    elif len(os.fsencode(capsule.directory.absolute() / CONTROL)) <= _MAX_SOCKET_PATH:
        lines += ['# For gemctl: "gemctl -c FILE reload" has changes take effect.', write_setting("control", CONTROL)]
    lines += [
        "",
        "[tls]",
        "# Where the certificate is kept, or made at the first start. Clients know a capsule by it: take it along.",
        write_setting("certificates", CERTIFICATES),
        "",
        "[[host]]",
        write_setting("name", capsule.name),
        write_setting("root", str(capsule.root) if capsule.root is not None else ROOT),
    ]
    if capsule.certificate is not None:
        lines += [
            write_setting(key, str(path)) for key, path in zip(("certificate", "key"), capsule.certificate, strict=True)
        ]
    lines += [write_setting(key, value) for key, value in capsule.server.settings]
    has_scripts = capsule.root is not None and (capsule.root / _SCRIPTS).is_dir()
    lines += ["# Where scripts are, below the root:", ("" if has_scripts else "#") + write_setting("cgi", _SCRIPTS)]
    if capsule.server.called:
        width = max(len(word) for word, _ in capsule.server.called)
        lines += ["", f"# What {capsule.server.title} has, and the keys for it here:"]
        lines += [f"#   {word:<{width}}  {keys}" for word, keys in capsule.server.called]
    return "\n".join(lines) + "\n"


def render_page(name: str) -> str:
    """The first page."""
    return f"""# {name}

This is the first page of a capsule that gemd serves. Write your own in its place: it is the file {PAGE}.

## How a page is written

A line is a paragraph. Lines that begin with "#" are headings, and those with "*" are items of a list:

* text
* links, one in a line, as the next one

=> gemini://geminiprotocol.net/docs/gemtext.gmi The whole of it, in a few minutes
"""


def write_capsule(capsule: Capsule) -> list[Path]:
    """Write it all, the configuration last; the files that are new. Raises Failure."""
    written: list[Path] = []
    with contextlib.ExitStack() as undo:
        try:
            _make_directory(capsule.directory, undo)
            root = capsule.root
            if root is None:
                root = capsule.directory / ROOT
                _make_directory(root, undo)
            if not any(root.iterdir()):
                written.append(_write(root / PAGE, render_page(capsule.name).encode(), undo))
            if capsule.kept is not None:
                directory = capsule.directory / CERTIFICATES
                _make_directory(directory, undo, mode=0o700, owner=capsule.owner)
                paths = certificate_paths(directory, capsule.name)
                for path, content, mode in zip(paths, capsule.kept, (0o644, 0o600), strict=True):
                    written.append(_write(path, content, undo, mode=mode, owner=capsule.owner))
            configuration = render_configuration(capsule).encode()
            written.append(_write(capsule.directory / CONFIGURATION, configuration, undo))
        except FileExistsError as error:
            raise Failure(f"{escape(str(error.filename))} is there already, so nothing was written") from None
        except OSError as error:
            place = escape(str(error.filename or capsule.directory))
            raise Failure(f"{place} can't be written: {error.strerror}; nothing was written") from None
        undo.pop_all()
    return written


def _make_directory(
    path: Path, undo: contextlib.ExitStack, *, mode: int = 0o755, owner: tuple[int, int] | None = None
) -> None:
    """Make a directory, and those above it, where there is none. Raises OSError."""
    if path.is_dir():
        return
    if not path.parent.is_dir():
        _make_directory(path.parent, undo)
    path.mkdir(mode=mode)
    undo.callback(_quietly, path.rmdir)
    if owner is not None:
        os.chown(path, *owner)


def _write(
    path: Path,
    content: bytes,
    undo: contextlib.ExitStack,
    *,
    mode: int = 0o644,
    owner: tuple[int, int] | None = None,
) -> Path:
    """Make a file that is not there. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    undo.callback(_quietly, path.unlink)
    with os.fdopen(descriptor, "wb") as file:
        if owner is not None:
            os.fchown(descriptor, *owner)
        file.write(content)
    return path


def _quietly(remove: Callable[[], None]) -> None:
    with contextlib.suppress(OSError):
        remove()
