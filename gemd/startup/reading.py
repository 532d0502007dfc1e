"""Reading the configuration that the command line asks for, at the start and at each reload, and placing what is wrong.

Rule: where keys stand is kept as long as there may be something to tell of them, and no longer.
"""

import argparse
import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from gemd.config import Config, ConfigError, Problem, parse_config
from gemd.config.mistake import Mistake
from gemd.config.origins import Origins, find_origin
from gemd.options import read_tables
from gemd.startup.checks import check_machine
from gemd.system.attempt import attempt

Read = Callable[[], Config]  # of the configuration, anew each time; raises one of FAILURES


class ConfigReader:
    """Reads the configuration anew at each call. `origins` is where the keys stand of what it has read last."""

    def __init__(
        self, options: argparse.Namespace, directory: Path, variables: Mapping[str, str] | None = None
    ) -> None:
        """For a command line, started in `directory`, with these `variables` of the environment."""
        self.origins: Origins | None = None
        self._options = options
        self._directory = directory
        self._variables = variables

    def __call__(self) -> Config:
        """Raises ConfigError and UsageError."""
        options, directory = self._options, self._directory
        path = directory / options.config if options.config else None
        with attempt(f"the configuration {path or directory} could not be read"):
            tables, origins = read_tables(options, directory, self._variables)
            config = parse_config(
                tables,
                base=path.parent if path else directory,
                source=str(options.config) if options.config else None,
                cpus=len(os.sched_getaffinity(0)),
                origins=origins,
            )
        self.origins = origins
        with placing(self):
            check_machine(config, needs_default_cgi=options.cgi_dir is not None)
        return config

    def forget(self) -> None:
        """Nothing more is to be told of the last reading."""
        self.origins = None


@contextlib.contextmanager
def placing(read: Read) -> Iterator[None]:
    """What is raised within, of one of the keys that were read, is told with where that stands."""
    try:
        yield
    except (ConfigError, Mistake) as failure:
        origins = read.origins if isinstance(read, ConfigReader) else None
        if isinstance(failure, ConfigError):
            failure.origins = failure.origins or origins
        elif failure.key is not None and origins is not None:
            failure.origin = origins.locate(failure.key)
        raise


def say_where(read: Read, problem: Problem) -> str:
    """What is to be said of one of the keys that were read, with where that stands."""
    origins = read.origins if isinstance(read, ConfigReader) else None
    return find_origin(problem, origins).say(problem.text)
