import os
import sys

import pytest

from gemd.config.settings import Location
from gemd.responders.app.load import AppLoadError, load_app, modules_read_anew


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


WRONG = {
    "load_three:nothing": (AttributeError, "nothing"),
    "load_three:number": (TypeError, "load_three:number is no application: it can't be called"),
    "load_three:number()": (TypeError, "load_three:number(): number can't be called"),
    "load_three:makes_none()": (TypeError, "is no application"),
    "no_such_module:app": (ModuleNotFoundError, "no_such_module"),
}


@pytest.mark.parametrize(("app", "error", "text"), [(app, *row) for app, row in WRONG.items()], ids=WRONG)
def test_what_is_no_application(write, app, error, text):
    with pytest.raises(error) as caught:
        load_app(Location(app=app, app_path=write("load_three", ECHO)))
    assert text in str(caught.value)


def test_a_name_that_another_directory_has_taken_is_refused(write):
    load_app(Location(app="load_same:app", app_path=write("load_same", ECHO)))
    with pytest.raises(ImportError, match="give one of them another name"):
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


def test_a_trace_is_of_the_applications_own_code(write):
    path = write("load_broken", "def fail():\n    1 / 0\nfail()\n")
    with pytest.raises(ZeroDivisionError) as caught:
        load_app(Location(app="load_broken:app", app_path=path))
    error = AppLoadError("it can't be loaded")
    error.__cause__ = caught.value
    trace = error.trace()
    assert [line for line in trace if "File " in line and "tests/responders" not in line] == [
        f'  File "{path}/load_broken.py", line 3, in <module>',
        f'  File "{path}/load_broken.py", line 2, in fail',
    ]
    assert AppLoadError("nothing caused it").trace() == []
