"""What is to be said of a script, or another program, when all of it has ended.

Rule: what it said itself is quoted in part, line by line.
"""

from gemd.config.script_settings import ScriptSettings
from gemd.system.log import error_log
from gemd.system.running_script import Remains

_MAX_LINES = 20
_MAX_LINE = 500


def log_what_went_on(who: str, settings: ScriptSettings, remains: Remains) -> None:
    """That it went on after its answer, and had to be ended."""
    if remains.processes:
        text = "%s went on after its answer and was ended (%s = %g): %d of its processes, or more"
        error_log.warning(text, who, settings.after_key, settings.cgi.after, remains.processes)


def log_strays(who: str, remains: Remains) -> None:
    """That others had to be ended, whosever they were."""
    if remains.strays:
        text = "with %s %d processes were ended that had left a script's session"
        error_log.warning(text, who, remains.strays)


def log_complaints(who: str, said: bytes) -> None:
    """What somebody said on standard error, or in its place."""
    lines = said.decode("utf-8", "replace").splitlines()
    for line in lines[:_MAX_LINES]:
        error_log.warning("%s says: %s", who, line[:_MAX_LINE])
    if len(lines) > _MAX_LINES:
        error_log.warning("%s says %d lines more", who, len(lines) - _MAX_LINES)
