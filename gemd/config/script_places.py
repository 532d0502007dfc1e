"""Where scripts are: the entries of `cgi`, which name directories and files, or stand for several of them, or for all.

Rules: what is in a directory that an entry matches is matched as well; in a name `*` stands for any characters and `?`
for one, and the name `**` for any number of names; no pattern takes longer than its length times that of the path.
"""

import functools
import unicodedata
from collections.abc import Sequence

import msgspec

from gemd.protocol.url import split_path

EVERYWHERE = "."  # all of the root, where it is executable

Pattern = tuple[str, ...]  # the names of a path, with wildcards

_SEVERAL = "**"
_NO_LETTERS = frozenset({"Cc", "Cf", "Mn"})  # categories of what file systems that fold case take no notice of, or may


class ScriptPlaces(msgspec.Struct, frozen=True):
    """The entries of one location, by names below its root, and whether what is executable is a script anywhere. Those
    of `patterns` with wildcards are `globs`, those without `plain`."""

    patterns: tuple[Pattern, ...]
    plain: tuple[Pattern, ...]
    globs: tuple[Pattern, ...]
    is_everywhere: bool

    def find_depth(self, names: tuple[str, ...]) -> int | None:
        """How many of these names lead to what an entry matches, the fewest; None where none does."""
        best = None
        for plain in self.plain:
            depth = len(plain)
            if names[:depth] == plain and (best is None or depth < best):
                best = depth
        for glob in self.globs:
            found = find_depth(glob, names)
            if found is not None and (best is None or found < best):
                best = found
        return best


@functools.lru_cache(maxsize=1024)
def parse_places(cgi: str | tuple[str, ...] | None) -> ScriptPlaces:
    """The places that the value of the key names, which was judged."""
    entries = list_entries(cgi)
    patterns = tuple(split_path(entry) for entry in entries if entry != EVERYWHERE)
    globs = tuple(pattern for pattern in patterns if any(map(has_wildcard, pattern)))
    plain = tuple(pattern for pattern in patterns if pattern not in globs)
    return ScriptPlaces(patterns, plain, globs, EVERYWHERE in entries)


def list_entries(cgi: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """The entries, of which a text alone is one."""
    return (cgi,) if isinstance(cgi, str) else cgi or ()


def has_wildcard(name: str) -> bool:
    """Whether a name of a pattern may stand for several."""
    return "*" in name or "?" in name


def split_pattern(pattern: Pattern) -> tuple[Pattern, Pattern]:
    """The names that it begins with, up to the first wildcard, and the others."""
    end = next((end for end, name in enumerate(pattern) if has_wildcard(name)), len(pattern))
    return pattern[:end], pattern[end:]


def find_depth(pattern: Pattern, names: Sequence[str]) -> int | None:
    """How many of these names, one at least, the whole pattern matches, the fewest; None for none."""
    at = _skip_several(pattern, {0})  # how much of the pattern may have been matched
    for depth, name in enumerate(names, 1):
        several = {end for end in at if pattern[end : end + 1] == (_SEVERAL,)}
        at = several | {end + 1 for end in at - several if end < len(pattern) and match_name(pattern[end], name)}
        at = _skip_several(pattern, at)
        if len(pattern) in at:
            return depth
        if not at:
            break
    return None


def _skip_several(pattern: Pattern, at: set[int]) -> set[int]:
    """The same, as `**` may stand for no name as well."""
    found = set(at)
    for end, name in enumerate(pattern):
        if end in found and name == _SEVERAL:
            found.add(end + 1)
    return found


def match_name(pattern: str, name: str) -> bool:
    """Whether one name is matched, all of it. Of several stars only the last is tried again."""
    at = position = 0
    star, tried = -1, 0
    while position < len(name):
        if at < len(pattern) and pattern[at] == "*":
            star, tried = at, position
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", name[position]):
            at, position = at + 1, position + 1
        elif star >= 0:
            tried += 1
            at, position = star + 1, tried
        else:
            return False
    return not pattern[at:].strip("*")


@functools.lru_cache(maxsize=4096)
def fold_name(name: str) -> str:
    """What all names have in common that a file system which folds case may take for this one: for what protects."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
    return "".join(each for each in folded if unicodedata.category(each) not in _NO_LETTERS).rstrip(". ")


@functools.lru_cache(maxsize=1024)
def fold_pattern(pattern: Pattern) -> Pattern:
    """The same for a pattern, which matches folded names."""
    return tuple(fold_name(name) for name in pattern)
