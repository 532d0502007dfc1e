"""Scripts, for tests that start them without a thread."""

from gemd.system.script_output import ScriptError


def started(script):
    """This one, running; of one that can't be started nothing is left. Raises ScriptError."""
    try:
        script.start()
    except ScriptError:
        script.discard()
        raise
    return script
