"""Loading an application: from "package.module:name" to something that can be called.

Rules: its directory and its environment come first; a module is what its location says it is, or an error; what is
loaded again, in a process that has loaded it before, is read anew.
"""

import contextlib
import importlib
import os
import sys
import traceback
from collections.abc import Iterator
from concurrent import futures
from importlib.machinery import PathFinder

import gemd
from gemd.config.settings import Location
from gemd.responders.app.contract import App
from gemd.system.file_watch import files_of_applications

# Through whose code a traceback leads before it comes to the application's.
_LOADERS = ("<frozen importlib", *(os.path.dirname(str(m.__file__)) + os.sep for m in (importlib, futures, gemd)))


_read: set[str] = set()  # modules of applications that were imported in `modules_read_anew`


class AppLoadError(Exception):
    """An application can't be loaded; the text says which and why. What it raised is the cause."""

    def trace(self) -> list[str]:
        """Where the application's own code raised it: the lines of a traceback; none when it was not found at all."""
        found = traceback.extract_tb(self.__cause__.__traceback__) if self.__cause__ is not None else []
        own = [frame for frame in found if not frame.filename.startswith(_LOADERS)]
        return "".join(traceback.format_list(own)).splitlines()


def load_app(location: Location) -> App:
    """Import the location's application, with its environment and its path, and call it if it is a factory.

    Raises whatever its code raises.
    """
    assert location.app is not None
    os.environ.update(location.app_env)
    module_name, _, name = location.app.partition(":")
    if location.app_path is not None:
        if location.app_path not in sys.path:
            sys.path.insert(0, location.app_path)
        _check_name(module_name.partition(".")[0], location.app_path)
    thing: object = importlib.import_module(module_name)
    for part in name.removesuffix("()").split("."):
        thing = getattr(thing, part)
    if name.endswith("()"):
        if not callable(thing):
            raise TypeError(f"{location.app}: {name.removesuffix('()')} can't be called")
        options = {key.replace("-", "_"): value for key, value in location.app_options.items()}
        thing = thing(**options)
    if not callable(thing):
        raise TypeError(f"{location.app} is no application: it can't be called")
    return thing


def _check_name(name: str, directory: str) -> None:
    """Raise ImportError where another location's module has taken the name of one that is in `directory`."""
    spec, loaded = PathFinder.find_spec(name, [directory]), sys.modules.get(name)
    if spec is None or spec.origin is None or loaded is None:
        return
    origin = getattr(loaded, "__file__", None)
    if origin is None or not os.path.samefile(origin, spec.origin):
        raise ImportError(f"{spec.origin} can't be loaded beside {origin}: give one of them another name")


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
