"""Which key names a place that something is wrong with: an address to listen on, or the target of a log.

Rule: whoever opens several at once says which one it was, and not by which key.
"""

import contextlib
from collections.abc import Iterator

from gemd.config import Config
from gemd.config.mistake import Mistake
from gemd.config.tables import key_path


def find_place_key(config: Config, place: str) -> str:
    """The path of the first key that names it; nothing where none does."""
    for i, entry in enumerate(config.listen, 1):
        if str(entry.address) == place:
            return key_path("listen", i)
    for key, target in (("log.access", config.log.access), ("log.error", config.log.error)):
        if target == place:
            return key
    return next((key_path(each.where, "log") for each in config.locations if each.log == place), "")


@contextlib.contextmanager
def about_places(config: Config) -> Iterator[None]:
    """A mistake that is raised within is about the key that names its place, unless it is about another one."""
    try:
        yield
    except Mistake as mistake:
        if mistake.key is None and mistake.place is not None:
            mistake.key = find_place_key(config, mistake.place) or None
        raise
