"""Loading an application: from "package.module:name" to something that can be called.

Rules: its directory and its environment come first; a module is what its location says it is, or an error; what is
loaded again, in a process that has loaded it before, is read anew.
"""

import contextlib
import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from importlib.machinery import PathFinder

from gemd.config.host_settings import Location
from gemd.config.mistake import Mistake
from gemd.config.origin import Origin
from gemd.responders.app.contract import App
from gemd.responders.app.faults import explain_fault, leave_own_frames, note_hint
from gemd.system.file_watch import files_of_applications
from gemd.system.forked import end_if_forked

_read: set[str] = set()  # modules of applications that were imported in `modules_read_anew`


class AppLoadError(Mistake):
    """An application can't be loaded; the text says which and why. The cause is what its own code raised, if it did;
    where that was in another process, it has given the `lines` of its traceback."""

    def __init__(self, text: str, lines: Sequence[str] = ()) -> None:
        super().__init__(text)
        self._lines = list(lines)

    def trace(self) -> list[str]:
        """Where that was: the lines of a traceback."""
        cause = self.__cause__
        return self._lines if cause is None else "".join(traceback.format_tb(cause.__traceback__)).splitlines()


class NoApplicationError(Exception):
    """What is named is no application; the text says why."""


def explain_load_error(where: str, location: Location, error: BaseException) -> AppLoadError:
    """What to raise where `load_app` has raised `error`; `where` is the path of the location's key."""
    note_hint(error)
    reason = str(error) if isinstance(error, NoApplicationError) else explain_fault(error)
    explained = AppLoadError(f"the application {location.app} can't be loaded: {reason}")
    explained.key = where
    explained.origin = Origin("app", location.host, location.path if location.path != "/" else "")
    leave_own_frames(error)
    explained.__cause__ = error if error.__traceback__ is not None else None
    return explained


def load_named(location: Location, where: str) -> App:
    """`load_app`, for which AppLoadError is raised whatever its code raises; `where` is the path of its key."""
    pid = os.getpid()
    try:
        return load_app(location)
    finally:
        error = sys.exception()
        end_if_forked(pid, error)
        if error is not None:
            raise explain_load_error(where, location, error)


def load_app(location: Location) -> App:
    """Import the location's application, with its environment and its path, and call it if it is a factory.

    Raises NoApplicationError, or whatever its code raises.
    """
    assert location.app is not None
    os.environ.update(location.app_env)
    module_name, _, name = location.app.partition(":")
    if location.app_path is not None:
        if location.app_path not in sys.path:
            sys.path.insert(0, location.app_path)
        _check_name(module_name.partition(".")[0], location.app_path)
    thing: object = _import_module(module_name, location.app_path)
    for part in name.removesuffix("()").split("."):
        try:
            thing = getattr(thing, part)
        except AttributeError as error:
            if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
                raise  # by its own code
            raise NoApplicationError(f"{module_name} has no {name.removesuffix('()')}") from None
    if name.endswith("()"):
        if not callable(thing):
            raise NoApplicationError(f"{name.removesuffix('()')} can't be called: it is {_describe(thing)}")
        options = {key.replace("-", "_"): value for key, value in location.app_options.items()}
        thing = thing(**options)
    return _check_callable(thing, location.app)


def _import_module(name: str, directory: str | None) -> object:
    """Raises NoApplicationError where there is no such module, and whatever its code raises."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        place = f"in {directory}, nor installed" if directory is not None else "installed"
        raise NoApplicationError(f"there is no module {error.name} {place}") from None


def _check_callable(thing: object, app: str) -> App:
    """Raises NoApplicationError for what can't be called as an application is."""
    if not callable(thing):
        raise NoApplicationError(f"it can't be called: it is {_describe(thing)}")
    try:
        # Not of what a decorator wraps, whose own parameters count.
        signature = inspect.signature(thing, follow_wrapped=False)
    except (TypeError, ValueError):
        return thing  # written in C, it may not tell
    try:
        signature.bind({}, thing)
    except TypeError as error:
        reason = f"it can't be called as app(environ, send_status): {error}"
        if not app.endswith("()") and _is_factory(signature):
            reason += f"; if it makes the application, name it {app}()"
        raise NoApplicationError(reason) from None
    return thing


def _is_factory(signature: inspect.Signature) -> bool:
    try:
        signature.bind()
    except TypeError:
        return False
    return True


def _describe(thing: object) -> str:
    kind = type(thing).__name__
    return f"a{'n' if kind[0].lower() in 'aeiou' else ''} {kind}"


def _check_name(name: str, directory: str) -> None:
    """Raise NoApplicationError where another location's module has taken the name of one that is in `directory`."""
    spec, loaded = PathFinder.find_spec(name, [directory]), sys.modules.get(name)
    if spec is None or spec.origin is None or loaded is None:
        return
    origin = getattr(loaded, "__file__", None)
    if origin is None or not os.path.samefile(origin, spec.origin):
        remedy = "give one of them a process of its own (app-process = true)"
        raise NoApplicationError(f"{spec.origin} can't be loaded beside {origin}: {remedy}")


@contextlib.contextmanager
def modules_read_anew() -> Iterator[None]:
    """Inside, modules that were imported so before are imported as if for the first time; on an error they come back.

    For a process that loads applications again: the master, when it reloads.
    """
    former = {name: sys.modules[name] for name in _read & sys.modules.keys()}
    for name in former:
        del sys.modules[name]
    importlib.invalidate_caches()
    others = sys.modules.keys() - former.keys()
    is_complete = False
    try:
        yield
        is_complete = True
    finally:
        _read.update(files_of_applications().keys() - others)
        if not is_complete:
            sys.modules.update(former)
