"""What an application's code has raised, as its author is told of it.

Rules: one line says what it is, and frames are the application's own; where something can't work in a thread, a note
says where it does.
"""

import importlib
import os
import traceback
from concurrent import futures
from types import TracebackType

import gemd
from gemd.protocol.characters import escape

# Through whose code a traceback leads before it comes to the application's.
_LOADERS = ("<frozen importlib", *(os.path.dirname(str(m.__file__)) + os.sep for m in (importlib, futures, gemd)))
_ONLY_IN_MAIN_THREAD = "only works in main thread"  # signal.signal and the like, and what asyncio makes of it
_IN_A_PROCESS = "a worker has application code in threads; app-process = true gives it a main thread of its own"


def note_hint(error: BaseException | None) -> BaseException | None:
    """The error, with a note where it is known what would help. Runs no code of the application's, which has its own
    ideas of what an error's text is."""
    if error is None or type(error) not in (ValueError, RuntimeError) or hasattr(error, "__notes__"):
        return error
    if any(type(argument) is str and _ONLY_IN_MAIN_THREAD in argument for argument in error.args):
        error.add_note(_IN_A_PROCESS)
    return error


def leave_own_frames(error: BaseException) -> None:
    """Take from its traceback what leads to the application's own code: all of it, where there is none of that."""
    trace = error.__traceback__
    while trace is not None and _is_loaders(trace):
        trace = trace.tb_next
    error.__traceback__ = trace


def explain_fault(error: BaseException) -> str:
    """What it is, in one line, with its notes."""
    if isinstance(error, SyntaxError):
        return escape(f"{type(error).__name__}: {error.msg}, in {error.filename}, line {error.lineno}")
    text = "; ".join(line.rstrip("\n") for line in traceback.format_exception_only(error))
    return escape(f"it ends the process ({text})" if isinstance(error, SystemExit) else text)


def _is_loaders(trace: TracebackType) -> bool:
    return trace.tb_frame.f_code.co_filename.startswith(_LOADERS)
