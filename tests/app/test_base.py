"""Jetforce's public names, module by module: "change the import" is all that it takes.

Where the package is installed, the table is held to it, and so are the parameters of what it has.
"""

import ast
import dataclasses
import importlib
import inspect
from pathlib import Path

import pytest

from gemd.app.missing import MISSING

from .conftest import load_jetforce

# Those that a module of Jetforce 1.0 defines, and for the package itself those that it collects.
NAMES = {
    "jetforce": "CompositeApplication GeminiProtocol GeminiServer JetforceApplication RateLimiter Request Response "
    "RoutePattern StaticDirectoryApplication Status",
    "jetforce.app.base": "ApplicationCallable ApplicationResponse DeferredResponse EnvironDict JetforceApplication "
    "RateLimiter Request Response ResponseType RouteHandler RoutePattern Status WriteStatusCallable",
    "jetforce.app.composite": "ApplicationMap CompositeApplication",
    "jetforce.app.static": "CGISubprocessProtocol StaticDirectoryApplication",
    "jetforce.protocol": "GeminiProtocol",
    "jetforce.server": "ABOUT CYAN GeminiServer RESET",
    "jetforce.tls": "COMMON_NAME GeminiCertificateOptions generate_ad_hoc_certificate inspect_certificate",
}
EVERY_NAME = [(module, name) for module, names in NAMES.items() for name in names.split()]


def ours(module):
    """The module of gemd's that takes the place of one of Jetforce's."""
    return module.replace("jetforce", "gemd.app", 1).replace(".app.app", ".app", 1)


def import_name(module, name):
    space = {}
    exec(f"from {module} import {name}", space)
    return space[name]


def is_there(module, name):
    return name not in MISSING.get(ours(module), {})


@pytest.mark.parametrize(("module", "name"), [entry for entry in EVERY_NAME if is_there(*entry)])
def test_changing_the_import_is_enough(module, name):
    thing = import_name(ours(module), name)
    assert not inspect.isclass(thing) or thing.__name__ == name or thing is import_name("gemd.app", name)


@pytest.mark.parametrize(("module", "name"), [entry for entry in EVERY_NAME if not is_there(*entry)])
def test_what_cannot_be_there_says_what_is_in_its_place(module, name):
    with pytest.raises(ImportError, match=rf"^{ours(module)} has no {name}: \w.{{20}}"):
        import_name(ours(module), name)


def test_nothing_else_is_missing():
    assert {(module, name) for module, names in MISSING.items() for name in names} <= {
        (ours(module), name) for module, name in EVERY_NAME
    }


def test_a_name_is_one_thing_wherever_it_is_imported():
    for module, name in EVERY_NAME:
        if is_there(module, name) and (name in NAMES["jetforce"].split()):
            assert import_name(ours(module), name) is import_name("gemd.app", name)


@pytest.mark.parametrize("module", NAMES)
def test_the_table_is_that_of_the_package(module):
    root = Path(load_jetforce().__file__).parent
    path = root.joinpath(*module.split(".")[1:])
    tree = ast.parse((path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text())
    assert {name for node in tree.body for name in defined_by(node, module)} == set(NAMES[module].split())


def defined_by(node, module):
    """The public names that a statement of a module defines; a package's are also those that it imports."""
    if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
        names = [node.name]
    elif isinstance(node, ast.Assign):
        names = [target.id for target in node.targets]
    elif isinstance(node, ast.If):
        names = [name for inner in [*node.body, *node.orelse] for name in defined_by(inner, module)]
    elif isinstance(node, ast.ImportFrom) and module == "jetforce":
        names = [alias.name for alias in node.names]
    else:
        names = []
    return [name for name in names if not name.startswith("_") and (module != "jetforce.server" or name != "_reactor")]


def classes():
    return [
        (module, name)
        for module, name in EVERY_NAME
        if module != "jetforce" and is_there(module, name) and inspect.isclass(import_name(ours(module), name))
    ]


def parameters_of(function):
    """Names and defaults, as a caller sees them: how the others are called is the function's own."""
    return [
        (entry.name, entry.default, entry.kind)
        for entry in inspect.signature(function).parameters.values()
        if entry.kind is not entry.VAR_KEYWORD
    ]


# Twisted's reactor is none of ours; what a server of Twisted's may override is said in docs/JETFORCE.md.
OTHERS = {("GeminiServer", "__init__")}
NOT_THERE = {"GeminiServer": {"bind_interface", "buildProtocol", "initialize", "log_access", "log_message"}}
NOT_THERE["GeminiServer"] |= {"on_bind_interface"}


@pytest.mark.parametrize(("module", "name"), classes())
def test_classes_take_the_same_parameters(module, name):
    load_jetforce()
    theirs, own = import_name(module, name), import_name(ours(module), name)
    for method, function in vars(theirs).items():
        is_public = not method.startswith("_") or method in ("__init__", "__call__")
        if not is_public or not inspect.isfunction(function) or method in NOT_THERE.get(name, ()):
            continue
        expected, found = parameters_of(function), parameters_of(getattr(own, method))
        if (name, method) in OTHERS:
            names = [entry[0] for entry in expected]
            assert [entry[0] for entry in found][: len(names)] == names
        else:
            assert found == expected, method


@pytest.mark.parametrize("name", ["Response", "DeferredResponse", "RoutePattern"])
def test_records_have_the_same_fields(name):
    load_jetforce()

    def fields_of(module):
        return [(field.name, field.default) for field in dataclasses.fields(import_name(module, name))]

    assert fields_of("gemd.app.base") == fields_of("jetforce.app.base")


def test_requests_have_the_same_attributes(framework):
    request = framework.Request({"GEMINI_URL": "https://H.example:7/a%20b/c;d?e%2Bf#g"})
    found = {name: value for name, value in vars(request).items() if name != "environ"}
    assert found == {
        "url": "https://H.example:7/a%20b/c;d?e%2Bf#g",
        "scheme": "https",
        "hostname": "h.example",
        "port": 7,
        "path": "/a b/c",
        "params": "d",
        "query": "e+f",
        "fragment": "g",
    }


def test_a_star_brings_what_is_there():
    space = {}
    exec("from gemd.app.base import *", space)
    assert set(space) - {"__builtins__"} == set(importlib.import_module("gemd.app.base").__all__)
