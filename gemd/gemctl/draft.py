"""A text that somebody edits, in a file of its own.

Rule: what was changed and not sent is never removed, however the command ends, and where it is is said.
"""

import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from gemd.gemctl.failure import Failure
from gemd.gemctl.terminal import complain, escape
from gemd.protocol.mime import GEMTEXT

_FALLBACK = "vi"  # which POSIX has everywhere
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


class Draft:
    """A context manager: the text is removed at the end, unless it has changes that were not sent. `url` is where it
    belongs; `name` tells, by its extension, how an editor shows it; `original` is the SHA-256 of what it was first."""

    def __init__(self, pieces: Iterable[bytes], name: str, url: str) -> None:
        """Write the text. Raises Failure, also that of the pieces."""
        self.is_sent = False
        self._url = url
        original = hashlib.sha256()
        try:
            self._directory = Path(tempfile.mkdtemp(prefix="gemctl-"))
        except OSError as error:
            raise Failure(f"there is no place for the text: {error.strerror}") from None
        self.path = self._directory / name
        try:
            with self.path.open("xb") as file:
                for piece in pieces:
                    original.update(piece)
                    file.write(piece)
        except OSError as error:
            self._remove()
            raise Failure(f"{self.path}: can't be written: {error.strerror}") from None
        except Failure:
            self._remove()
            raise
        self.original = original.digest()

    def __enter__(self) -> "Draft":
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_sent or not self.has_changes:
            self._remove()
            return
        complain(f"your text is kept in {self.path}")
        words = ["gemctl", "put", str(self.path), self._url]
        complain(f"to send it again, with the options that are needed: {escape(shlex.join(words))}")

    @property
    def has_changes(self) -> bool:
        """Whether there is another text than at first, and any at all. Raises Failure."""
        try:
            with self.path.open("rb") as file:
                return os.fstat(file.fileno()).st_size > 0 and (
                    hashlib.file_digest(file, "sha256").digest() != self.original
                )
        except FileNotFoundError:
            return False
        except OSError as error:
            raise Failure(f"{self.path}: can't be read: {error.strerror}") from None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left of it."""
        return not self.path.exists() or not self.path.stat().st_size

    def _remove(self) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)


def name_draft(name: str, media_type: str) -> str:
    """What a file is called in which an editor knows the text for what it is: as on the server, if that is plain."""
    plain = name if _PLAIN_NAME.fullmatch(name) else "page"
    return plain if "." in plain else plain + (".gmi" if media_type == GEMTEXT else ".txt")


def find_editor(environ: Mapping[str, str]) -> list[str]:
    """The command that the user edits texts with (environ(7)). Raises Failure."""
    typed = environ.get("VISUAL") or environ.get("EDITOR") or _FALLBACK
    try:
        words = shlex.split(typed)
    except ValueError:
        words = []
    if not words or shutil.which(words[0]) is None:
        raise Failure(f"there is no editor {escape(typed)}: set EDITOR to one")
    return words


def run_editor(editor: Sequence[str], path: Path) -> None:
    """Have the text edited. Ctrl-C is the editor's meanwhile. Raises Failure where it gives up."""
    previous = signal.signal(signal.SIGINT, lambda *_: None)  # and not SIG_IGN, which the editor would inherit
    try:
        ended = subprocess.run([*editor, str(path)], check=False).returncode
    except OSError as error:
        raise Failure(f"{escape(editor[0])} can't be started: {error.strerror}") from None
    finally:
        signal.signal(signal.SIGINT, previous)
    if ended:
        raise Failure(f"{escape(editor[0])} ended with {ended}, so that nothing is sent")
