import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from gemd.config.host_settings import Location
from gemd.responders.app.load import (
    AppLoadError,
    NoApplicationError,
    explain_load_error,
    load_app,
    modules_read_anew,
)


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a module into a directory, which is given back; what the test imports is forgotten after it."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(os, "environ", {})
    monkeypatch.setattr("gemd.responders.app.load._read", set())

    def write(name, text, directory="a"):
        file = tmp_path / directory / f"{name}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return str(file.parent)

    yield write
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


ECHO = """
import os
X = os.environ.get("X")
def app(environ, send_status): pass
def factory(some_word="none"):
    return lambda environ, send_status: some_word
class Holder:
    inner = app
number = 1
def makes_none(): pass
"""


def test_it_is_imported_from_its_directory_with_its_environment(write):
    path = write("load_one", ECHO)
    app = load_app(Location(app="load_one:app", app_path=path, app_env={"X": "y"}))
    module = sys.modules["load_one"]
    assert (app, module.X, sys.path[0]) == (module.app, "y", path)
    load_app(Location(app="load_one:app", app_path=path))
    assert sys.path.count(path) == 1


def test_a_name_may_have_dots_and_a_factory_options(write):
    path = write("load_two", ECHO)
    assert load_app(Location(app="load_two:Holder.inner", app_path=path)) is sys.modules["load_two"].app
    made = load_app(Location(app="load_two:factory()", app_path=path, app_options={"some-word": "hi"}))
    assert made(None, None) == "hi"


CALLED = """
import functools
def one(environ): pass
def none(): pass
def three(environ, send_status, more): pass
def more(environ, send_status, more=None): pass
def any_number(*arguments): pass
def named(*, environ, send_status): pass
def wrapped(function):
    @functools.wraps(function)
    def call(environ, send_status): return function(environ)
    return call
decorated = wrapped(one)
class Instance:
    def __init__(self, limit=None): pass
    def __call__(self, environ, send_status): pass
class Answer:
    def __init__(self, environ, send_status): pass
    def __iter__(self): return iter(())
class Narrow:
    def __call__(self, environ): pass
class Broken:
    @property
    def app(self): return self.nothing
instance, narrow, broken = Instance(), Narrow(), Broken()
partial = functools.partial(three, more=1)
async def coroutine(environ, send_status): pass
number = 1
"""
CANNOT = "it can't be called as app(environ, send_status): "
WRONG = {
    "load_three:nothing": "load_three has no nothing",
    "load_three:instance.nothing": "load_three has no instance.nothing",
    "load_three:number": "it can't be called: it is an int",
    "load_three:number()": "number can't be called: it is an int",
    "load_three:none()": "it can't be called: it is a NoneType",
    "load_three:one": CANNOT + "too many positional arguments",
    "load_three:none": CANNOT + "too many positional arguments; if it makes the application, name it load_three:none()",
    "load_three:Instance": CANNOT
    + "too many positional arguments; if it makes the application, name it load_three:Instance()",
    "load_three:three": CANNOT + "missing a required argument: 'more'",
    "load_three:named": CANNOT + "too many positional arguments",
    "load_three:narrow": CANNOT + "too many positional arguments",
    "no_such_module:app": "there is no module no_such_module in {path}, nor installed",
    "load_three.below:app": "there is no module load_three.below in {path}, nor installed",
    "os:path": "it can't be called: it is a module",
}
RIGHT = ["more", "any_number", "decorated", "Instance()", "instance", "Answer", "partial", "coroutine"]


@pytest.mark.parametrize(("app", "text"), WRONG.items(), ids=WRONG)
def test_what_is_no_application(write, app, text):
    path = write("load_three", CALLED)
    with pytest.raises(NoApplicationError) as caught:
        load_app(Location(app=app, app_path=path))
    assert str(caught.value) == text.replace("{path}", path)


@pytest.mark.parametrize("name", RIGHT)
def test_what_can_be_called_as_one(write, name):
    assert callable(load_app(Location(app=f"load_three:{name}", app_path=write("load_three", CALLED))))


def test_what_does_not_tell_its_parameters_is_believed():
    assert load_app(Location(app="builtins:print")) is print
    assert load_app(Location(app="builtins:dict")) is dict


def test_without_a_directory_a_module_is_installed():
    with pytest.raises(NoApplicationError, match="there is no module no_such_module installed"):
        load_app(Location(app="no_such_module:app"))


def test_a_module_that_another_one_misses_is_its_own_fault(write):
    path = write("load_needs", "import no_such_module\n")
    with pytest.raises(ModuleNotFoundError):
        load_app(Location(app="load_needs:app", app_path=path))


def test_an_attribute_that_its_own_code_misses_is_its_fault(write):
    with pytest.raises(AttributeError, match="'Broken' object has no attribute 'nothing'"):
        load_app(Location(app="load_three:broken.app", app_path=write("load_three", CALLED)))


def test_a_name_that_another_directory_has_taken_is_refused(write):
    load_app(Location(app="load_same:app", app_path=write("load_same", ECHO)))
    with pytest.raises(NoApplicationError, match="give one of them a process of its own"):
        load_app(Location(app="load_same:app", app_path=write("load_same", ECHO, "b")))


def test_what_is_read_anew_comes_back_after_an_error(write):
    location = Location(app="load_anew:app", app_path=write("load_anew", "N = 1\ndef app(e, s): pass\n"))

    def load_anew():
        with modules_read_anew():
            load_app(location)

    load_anew()
    write("load_anew", "N = 22\ndef app(e, s): pass\n")
    load_anew()
    assert sys.modules["load_anew"].N == 22
    write("load_anew", "N = 333 / 0\n")
    with pytest.raises(ZeroDivisionError):
        load_anew()
    assert sys.modules["load_anew"].N == 22


def explain(location):
    with pytest.raises((ArithmeticError, ValueError)) as caught:
        load_app(location)
    return explain_load_error("host[1].app", location, caught.value)


def frames_of(error):
    """Those that are not this test's, which loads by a call of its own."""
    return [line for line in error.trace() if "File " in line and "tests/responders" not in line]


def test_a_trace_is_of_the_applications_own_code(write):
    path = write("load_broken", "def fail():\n    1 / 0\nfail()\n")
    error = explain(Location(app="load_broken:app", app_path=path))
    assert str(error) == ("app: the application load_broken:app can't be loaded: ZeroDivisionError: division by zero")
    assert isinstance(error.__cause__, ZeroDivisionError)
    assert frames_of(error)[-2:] == [
        f'  File "{path}/load_broken.py", line 3, in <module>',
        f'  File "{path}/load_broken.py", line 2, in fail',
    ]
    assert AppLoadError("nothing caused it").trace() == []


def test_a_hint_is_part_of_the_line(write):
    path = write("load_signal", "import signal\nsignal.signal(signal.SIGUSR1, signal.SIG_DFL)\n")
    location = Location(app="load_signal:app", app_path=path)
    with ThreadPoolExecutor(1) as executor:
        error = executor.submit(explain, location).result()
    assert "ValueError: signal only works in main thread" in str(error)
    assert "app-process = true" in str(error)
