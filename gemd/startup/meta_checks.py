"""What is wrong in `.meta` files, as far as -t looks: in the directories of locations that have them.

Rule: each mistake is said once, as a warning: it costs its line, and nothing else.
"""

import errno
import os
from collections.abc import Iterator

from gemd.config import Config, Problem
from gemd.config.host_settings import META_NAME, AnswerKind, Location
from gemd.config.tables import key_path
from gemd.responders.meta_files import read_presets
from gemd.system.attempt import attempt
from gemd.system.beneath import open_beneath, open_root

_LINKS = frozenset({errno.ELOOP, errno.EXDEV})


def find_meta_warnings(config: Config) -> Iterator[Problem]:
    """All of them."""
    directories: set[str] = set()
    for location in config.locations:
        names = location.names[len(location.mount) :]
        directory = os.path.join(str(location.root), *names)
        if location.meta_files and AnswerKind.FILES in location.answers and directory not in directories:
            directories.add(directory)
            where = key_path(location.where, "meta-files")
            yield from (Problem(where, text) for text in _look_into(location, names, directory))


def _look_into(location: Location, names: tuple[str, ...], directory: str) -> list[str]:
    path = os.path.join(directory, META_NAME)
    try:
        with attempt(f"{path} could not be read"):
            root = open_root(str(location.root))
            try:
                descriptor = open_beneath(root, (*names, META_NAME), location.symlinks)
            finally:
                os.close(root)
            try:
                return read_presets(descriptor, os.fstat(descriptor), path)[1]
            finally:
                os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):  # the location may be a file
        return []
    except OSError as error:
        if error.errno in _LINKS:
            return [
                f"{path} is left alone: it is, or is reached by, a symbolic link that must not be followed (symlinks)"
            ]
        return [f"{path} can't be read: {error.strerror}"]
