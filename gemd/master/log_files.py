"""The log files of a generation, opened anew by a child for the master.

Rule: all of them, or none.
"""

import os

import msgspec

from gemd.master.report import Outcome, TaskError
from gemd.master.task import Task
from gemd.shared.generation import Generation
from gemd.system.log_file import LogError, log_files_opened, open_log_file

LogFiles = dict[str, int]  # descriptors by path


def reopening_task() -> Task[LogFiles]:
    """Has the logs of a generation go to files that are opened by their names: where they go from then on."""
    return Task("the log files could not be opened", open_all, move_logs)


def open_all(generation: Generation) -> Outcome:
    """The paths of its log files, and descriptors. Raises TaskError. Runs in a child."""
    paths = list(generation.logs.files())
    try:
        return Outcome(paths, [open_log_file(path) for path in paths])
    except LogError as error:
        raise TaskError(str(error)) from None


def move_logs(found: Outcome, generation: Generation) -> LogFiles:
    """Have its logs go to what was opened. Raises TaskError, and then they go where they went."""
    try:
        paths = msgspec.convert(found.content, list[str])
        with log_files_opened(dict(zip(paths, found.descriptors, strict=True))):
            generation.logs.reopen()
    except (LogError, ValueError) as error:
        raise TaskError(str(error)) from None
    finally:
        for descriptor in found.descriptors:
            os.close(descriptor)
    return {path: sink.fileno() for path, sink in generation.logs.files().items()}
