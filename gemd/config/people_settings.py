"""The settings of user directories: where each user of this machine has one, and by which path it is served."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from gemd.config.types import Settings, Text
from gemd.protocol.url import split_path

_MARK = "~"  # at the end of `path`: it stands before each name, in the same segment


class UserDirectories(Settings, frozen=True):
    """A `user-directories` table. `path` is what comes before a name, and `directory` is below the user's home; `group`
    has everybody who may have one, None for no such group; `cgi` is where users' scripts are, below their directories,
    None for nowhere."""

    path: Text = _MARK
    directory: Text = "public_gemini"
    group: Text | None = None
    minimum_uid: Annotated[int, Meta(ge=1, le=2**31 - 1, description="a whole number, at least 1")] = 1000
    cgi: Text | tuple[Text, ...] | None = None

    @property
    def prefix(self) -> tuple[str, ...]:
        """The names of a URL before the one that a user is in."""
        names = split_path(self.path)
        return names[:-1] if self.mark else names

    @property
    def mark(self) -> str:
        """What that one begins with."""
        return _MARK if split_path(self.path)[-1:] == (_MARK,) else ""

    def find_user(self, names: Sequence[str]) -> str | None:
        """The user whose directory a path with these names leads to, or none that there could be; None where it leads
        elsewhere."""
        depth = len(self.prefix)
        if tuple(names[:depth]) != self.prefix or len(names) == depth or not names[depth].startswith(self.mark):
            return None
        return names[depth].removeprefix(self.mark)
