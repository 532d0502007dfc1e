"""What every test may use."""

import gc
import logging
import os
import shutil
import signal
from dataclasses import dataclass

import hypothesis
import pytest

from gemd.system.openssl import load_openssl
from tests.support.skipping import MAY_SKIP

load_openssl()  # as gemd does: before any test imports what needs it

from gemd.system.landlock import find_version  # noqa: E402
from gemd.system.level import Level  # noqa: E402
from gemd.system.log import describe_error, error_log  # noqa: E402
from gemd.system.tally import name_events, tally  # noqa: E402

hypothesis.settings.register_profile("untimed", deadline=None)  # how long an example takes says how busy a machine is
hypothesis.settings.load_profile("untimed")

IS_ROOT = os.geteuid() == 0
# Other users' rights, mounts, and a look into a gemd process, which its own user is refused.
need_root = pytest.mark.skipif(not IS_ROOT, reason="needs root")
# What root may do anyway.
need_user = pytest.mark.skipif(IS_ROOT, reason="needs an ordinary user")
# A kernel that can confine scripts.
need_landlock = pytest.mark.skipif(not find_version(), reason="needs Landlock")


@pytest.fixture(scope="session", autouse=True)
def heed_signals():
    """Heed what a shell has its background jobs, and nohup its command, ignore: what a test starts would ignore it too,
    and wait for ever for a Ctrl-C."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


@pytest.fixture
def counted():
    """What events have been counted since, by their kind and value."""
    before = tally.read()
    return lambda: name_events([after - earlier for after, earlier in zip(tally.read(), before, strict=True)])


@pytest.fixture
def need_program():
    """Skip, with a reason, where a program is missing; fail where nothing may be missing."""

    def need(name: str) -> str:
        path = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin")))
        if path is None:
            if not MAY_SKIP:
                pytest.fail(f"{name} is not installed")
            pytest.skip(f"{name} is not installed")
        return path

    return need


@dataclass
class Record:
    """A message of the error log."""

    levelno: Level
    message: str
    error: BaseException | None

    @property
    def levelname(self) -> str:
        return self.levelno.name

    @property
    def exc_info(self) -> tuple[type[BaseException], BaseException] | None:
        return None if self.error is None else (type(self.error), self.error)

    def getMessage(self) -> str:  # noqa: N802, as the logging module has it
        return self.message


class Caught:
    """What was said in the error log, as pytest has it of the logging module, which gemd does not use."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def emit(self, level: Level, text: str, error: BaseException | None) -> None:
        self.records.append(Record(level, text, error))

    def pass_on(self, text: str, level: Level, _pid: int, *, goes_on: bool) -> None:
        self.records.append(Record(level, ("    " if goes_on else "") + text, None))

    def set_level(self, level: int | str, _logger: str = "") -> None:
        error_log.level = Level(level if isinstance(level, int) else logging.getLevelNamesMapping()[level])

    def clear(self) -> None:
        self.records.clear()

    @property
    def messages(self) -> list[str]:
        return [record.message for record in self.records]

    @property
    def text(self) -> str:
        """With the tracebacks."""
        lines: list[str] = []
        for record in self.records:
            lines += [record.message, *(describe_error(record.error) if record.error is not None else ())]
        return "".join(f"{line}\n" for line in lines)


@pytest.fixture
def caplog():
    """The error log: what is a warning, until `set_level` wants more."""
    caught, level = Caught(), error_log.level
    error_log.level = Level.WARNING
    error_log.emit, error_log.pass_on = caught.emit, caught.pass_on
    yield caught
    error_log.level = level
    del error_log.emit, error_log.pass_on


def pytest_collection_finish():
    """What was imported stays: looking for garbage among it would cost each look at descriptors a fifth of a second."""
    gc.collect()
    gc.freeze()
