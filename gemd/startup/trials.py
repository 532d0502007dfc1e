"""Which applications have a process of their own: found by importing each in a fresh process, as the user that serves.

Rules: a key that says so wins; one that is written with the package jetforce has been promised one process, and one
that takes signals needs a main thread; two that can't be in one process, because of their modules or what they find
there, have one each. What can't be imported is told before anything has changed.
"""

import contextlib
import json
import os
import signal
import sys
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from gemd.config.app_settings import app_key, find_applications
from gemd.config.host_settings import Location
from gemd.config.mistake import about
from gemd.config.settings import Config
from gemd.master.deaths import describe_end
from gemd.responders.app.load import AppLoadError
from gemd.shared.app_host import AppSetup, TrialResult
from gemd.shared.host_process import write_setup
from gemd.system.attempt import attempt
from gemd.system.interpreter import interpreter_command

if TYPE_CHECKING:
    import subprocess

_PROGRAM = "gemd.app_host.trial"
_END_TIMEOUT = 1.0  # seconds from the end of what it could say a result by to its own
_MAX_RESULT = 16 * 1024 * 1024  # bytes

Setups = Mapping[object, AppSetup]  # of all applications, by `app_key`


def try_applications(config: Config, setups: Setups, *, tries_all: bool = False) -> tuple[str, ...]:
    """The paths of the keys of those applications that have a process of their own. One that has in any case is
    tried only if `tries_all`, and none that the master loads and has no other beside it. Raises AppLoadError."""
    results: dict[object, TrialResult] = {}
    for key, setup in setups.items():
        location = setup.location
        is_alone = location.preload and len(setups) == 1
        if not is_alone and (tries_all or location.app_process is not True):
            with about(setup.where):
                results[key] = _try(setup)
    own = {key for key, setup in setups.items() if _has_own(setup.location, results.get(key))}
    for one, other, reason in list(_find_clashes(setups, results, own)):
        own |= _part(setups, one, other, reason)
    return tuple(where for where, location in find_applications(config) if app_key(location) in own)


def describe_processes(config: Config, apart: Collection[str]) -> Iterator[str]:
    """Where each application runs, for people."""
    for where, location in find_applications(config):
        runs = "has a process of its own" if where in apart else "runs in each worker"
        yield f"the application {_name(location)} {runs}"


def _name(location: Location) -> str:
    """For people."""
    below = location.path if location.path != "/" else ""
    return f"{location.app} ({location.host}{below})"


def _has_own(location: Location, result: TrialResult | None) -> bool:
    if location.app_process is not None:
        return location.app_process
    if location.preload:
        return False
    needs_one = result is not None and (result.uses_jetforce or result.takes_signals)
    return location.app_user is not None or needs_one


def _find_clashes(
    setups: Setups, results: Mapping[object, TrialResult], own: set[object]
) -> Iterator[tuple[object, object, str]]:
    """Pairs of those that would share a process, and why they can't."""
    keys = [key for key in results if key not in own]
    for i, one in enumerate(keys):
        for other in keys[:i]:
            reason = _why_apart(setups[one].location, setups[other].location, results[one], results[other])
            if reason is not None:
                yield one, other, reason


def _why_apart(one: Location, other: Location, result: TrialResult, others: TrialResult) -> str | None:
    modules = (
        name for name in result.modules if others.modules.get(name, result.modules[name]) != result.modules[name]
    )
    if (module := min(modules, default=None)) is not None:
        return f"both have a module {module}: {others.modules[module]} and {result.modules[module]}"
    variables = (name for name in one.app_env if other.app_env.get(name, one.app_env[name]) != one.app_env[name])
    if (variable := next(variables, None)) is not None:
        return f"app-env.{variable} has another value there, and a process has one alone"
    if one.app_directory != other.app_directory:
        return "app-directory is another one there, and a process has one alone"
    return None


def _part(setups: Setups, one: object, other: object, reason: str) -> set[object]:
    """Which of the two gets a process of its own; both, unless a key says otherwise. Raises AppLoadError."""
    free = {
        key for key in (one, other) if setups[key].location.app_process is None and not setups[key].location.preload
    }
    if not free:
        text = f"can't be in one process with {_name(setups[other].location)}"
        with about(setups[one].where):
            raise AppLoadError(f"{text} ({reason}): set app-process = true for one of them")
    return free


def _try(setup: AppSetup) -> TrialResult:
    """Import it in a fresh process, which ends with all that the import has started. Raises AppLoadError."""
    import subprocess  # where there are applications

    name = setup.location.app
    out, its = os.pipe2(os.O_CLOEXEC)
    content = b""
    try:
        with attempt(f"the application {name} could not be loaded"), _start(setup, its) as child:
            # Up to the result and not to the end: a process that the import has forked keeps the pipe open.
            while not content.endswith(b"\n") and (data := os.read(out, 65536)) and len(content) < _MAX_RESULT:
                content += data
            if not content.endswith(b"\n"):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(_END_TIMEOUT)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
    finally:
        os.close(out)
    try:
        result = msgspec.convert(json.loads(content), TrialResult)
    except (ValueError, RecursionError):
        ended = f"its process {describe_end(child.returncode)} before it was imported"
        raise AppLoadError(f"the application {name} can't be loaded: {ended}") from None
    if result.error is not None:
        raise AppLoadError(result.error, result.lines)
    return result


def _start(setup: AppSetup, its: int) -> "subprocess.Popen[bytes]":
    """Start the process, the leader of a group, and leave the descriptor to it. Raises AppLoadError."""
    import subprocess

    try:
        descriptor = write_setup(setup)
        try:
            return subprocess.Popen(
                interpreter_command(_PROGRAM, its, os.getpid()),
                stdin=descriptor,
                pass_fds=[its],
                env={**os.environ, **setup.location.app_env},
                process_group=0,
            )
        finally:
            os.close(descriptor)
    except OSError as error:
        raise AppLoadError(f"{sys.executable} can't be executed: {error.strerror}") from None
    finally:
        os.close(its)
