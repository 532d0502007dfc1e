"""Where a log goes: one of a few words, or else a file.

Rule: a word that is meant for another one is no file's name by accident; a file that is called so has a slash before
it.
"""

import difflib

from gemd.config.tables import show
from gemd.config.types import LOG_WORDS

_JOURNAL = frozenset({"journal", "journald", "systemd"})
_MEANINGLESS = frozenset({"console", "default", "false", "file", "no", "none", "null", "on", "stdin", "true", "yes"})
_LIKE = 0.75  # as difflib counts it


def judge_target(target: str) -> str | None:
    """What is wrong with it; None where nothing is."""
    word = target.lower()
    if target in LOG_WORDS or "/" in target or "." in target:
        return None
    text = f'expected "stdout", "stderr", "syslog", "off" or the path of a file, not {show(target)}'
    if word in _JOURNAL:
        text += "; the journal has what a service writes to stdout and stderr"
    elif word not in _MEANINGLESS and not difflib.get_close_matches(word, LOG_WORDS, 1, _LIKE):
        return None
    return f"{text}; a file of this name is {show('./' + target)}"
