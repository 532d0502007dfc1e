"""The house's rules: who may import whom, and what each wing may touch. The table is that of the design."""

import ast
import functools
import statistics
from pathlib import Path

import pytest

import gemd

PACKAGE = Path(gemd.__file__).parent

# From the ground up. Master and worker are side by side: the fork is between them, and nothing crosses it but `shared`.
FLOORS = {
    "protocol": 0,
    "config": 1,
    "system": 2,
    "responders": 3,
    "shared": 4,
    "master": 5,
    "worker": 5,
    "script_host": 5,
    "app_host": 5,
    "options": 6,
    "startup": 6,
}
TOP = 7  # the other modules beside the folders
TOP_FOLDERS = {"gemctl", "app"}  # a second command, and what applications import
FREE = {"gemd", "gemd.exit_codes", "gemd.requirements"}  # what belongs to nobody
# Who must not be imported by whom, whatever floor they are on.
WALLS = {
    "master": {"worker", "script_host", "app_host", "startup"},
    "worker": {"master", "script_host", "app_host", "startup"},
    "script_host": {"master", "worker", "app_host", "startup"},
    "app_host": {"master", "worker", "script_host", "startup"},
    "shared": {"master", "worker", "script_host", "app_host", "startup"},
    "gemctl": {"master", "worker", "script_host", "app_host", "startup", "shared", "app", "options"},
}

IMPURE = {"os", "socket", "ssl", "time", "logging", "select", "signal", "subprocess", "threading", "pathlib", "OpenSSL"}
ONLY_SYSTEM = {"OpenSSL", "cryptography", "ctypes", "mmap", "pwd", "grp", "syslog", "setproctitle", "daemon"}
ONLY_PROCESSES = {"os.fork", "os.forkpty", "os._exit", "select.epoll"}
PROCESSES = {"master", "worker", "app_host"}
# Where a process ends that others have forked.
ENDS_PROCESSES = {("gemd.system.forked", "os._exit")}
NO_NAMES = {"util", "utils", "common", "helpers", "base", "misc"}
JETFORCES_NAMES = {"gemd.app.base"}
MOST_LINES = 250
MEDIAN_LINES = 95
MOST_NAMES_TWICE = 9  # three of them are Jetforce's, for applications
MOST_BROAD = 4


def name_of(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


MODULES = {name_of(path): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(text) for name, text in MODULES.items()}

EVERY_MODULE = pytest.mark.parametrize("name", MODULES)


def floor_of(name):
    parts = name.split(".")
    return FLOORS.get(parts[1], TOP) if len(parts) > 1 else TOP


def is_in(name, wing):
    return name == f"gemd.{wing}" or name.startswith(f"gemd.{wing}.")


@functools.cache
def imports_of(name):
    """Every module that is imported, also within functions; `from gemd import startup` is gemd.startup."""
    found = set()
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {full if full in MODULES else node.module for full in names}
    return frozenset(found)


def test_the_modules_are_found():
    assert {"gemd", "gemd.__main__", "gemd.protocol.url", "gemd.master.master"} <= set(MODULES)


def test_every_folder_is_a_wing():
    folders = {path.parent.name for path in PACKAGE.glob("*/*.py")}
    assert folders == set(FLOORS) - {"options"} | TOP_FOLDERS


@EVERY_MODULE
def test_imports_only_downwards(name):
    ours = {module for module in imports_of(name) if module.split(".")[0] == "gemd"} - FREE
    assert not {module for module in ours if floor_of(module) > floor_of(name)}


def reached_from(name):
    """Every module of gemd that is loaded when this one is."""
    found, waiting = set(), [name]
    while waiting:
        module = waiting.pop()
        if module in MODULES and module not in found:
            found.add(module)
            waiting += imports_of(module)
    return found


@pytest.mark.parametrize(("folder", "barred"), WALLS.items())
def test_the_walls_hold(folder, barred):
    crossed = {
        (name, other)
        for name in MODULES
        if is_in(name, folder)
        for other in reached_from(name)
        if any(is_in(other, wing) for wing in barred)
    }
    assert crossed == set()


def test_no_module_imports_itself_by_way_of_others():
    circles = {name for name in MODULES if any(name in reached_from(other) for other in imports_of(name) - {name})}
    assert circles == set()


@pytest.mark.parametrize("name", [name for name in MODULES if is_in(name, "protocol")])
def test_the_protocol_is_pure(name):
    assert not {module.split(".")[0] for module in imports_of(name)} & IMPURE


@pytest.mark.parametrize("name", [name for name in MODULES if not is_in(name, "system")])
def test_only_the_system_wing_asks_the_machine(name):
    assert not {module.split(".")[0] for module in imports_of(name)} & ONLY_SYSTEM


def test_only_contexts_and_connections_use_the_tls_library():
    users = {name for name in MODULES for module in imports_of(name) if module == "OpenSSL.SSL"}
    users |= {
        name
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "OpenSSL" and "SSL" in {a.name for a in node.names}
    }
    callers = {
        "openssl_binding",
        "openssl_calls",
        "openssl_direct",
        "openssl_public",
        "tls_client",
        "tls_context",
        "versions",
    }
    assert users == {f"gemd.system.{name}" for name in callers}


def test_private_names_of_the_tls_library_are_used_in_one_module():
    users = {
        name for name in MODULES for module in imports_of(name) if module.startswith("cryptography.hazmat.bindings")
    }
    assert users == {"gemd.system.openssl_calls"}
    assert [name for name in MODULES if users & set(imports_of(name))] == ["gemd.system.openssl_direct"]


@pytest.mark.parametrize("name", [name for name in MODULES if not any(is_in(name, p) for p in PROCESSES)])
def test_only_master_and_worker_fork_and_poll_for_all(name):
    used = {(name, ast.unparse(node)) for node in ast.walk(TREES[name]) if isinstance(node, ast.Attribute)}
    assert not {attribute for _, attribute in used - ENDS_PROCESSES} & ONLY_PROCESSES


def test_broad_except_clauses_are_few_and_say_why():
    broad = []
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler) and (
                node.type is None
                or {"Exception", "BaseException"} & {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)}
            ):
                broad.append((name, MODULES[name].splitlines()[node.lineno - 1]))
    assert 0 < len(broad) <= MOST_BROAD, broad
    assert all("boundary" in line for _, line in broad)


@EVERY_MODULE
def test_no_module_is_called_after_nothing(name):
    assert name in JETFORCES_NAMES or not set(name.split(".")) & NO_NAMES


def test_modules_are_short_as_a_rule():
    lengths = [text.count("\n") for text in MODULES.values()]
    assert statistics.median(lengths) <= MEDIAN_LINES


def test_public_names_are_few_that_stand_twice():
    where = {}
    for name, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                where.setdefault(node.name, []).append(name)
    twice = {name: modules for name, modules in where.items() if len(modules) > 1}
    assert len(twice) <= MOST_NAMES_TWICE, twice


@EVERY_MODULE
def test_no_module_is_too_long(name):
    assert MODULES[name].count("\n") <= MOST_LINES


# Whose modules each have a test file of their own; the others are to follow.
TESTED = (
    *(
        "protocol",
        "config",
        "system",
        "responders",
        "gemctl",
        "app",
        "shared",
        "master",
        "worker",
        "app_host",
        "startup",
    ),
)


def test_every_module_has_a_test_of_its_own():
    """In the same folder below tests/. What a package or a program has of its own is in `__init__` and `__main__`."""
    tests = Path(__file__).parent
    paths = [path.relative_to(PACKAGE) for wing in TESTED for path in (PACKAGE / wing).rglob("*.py")]
    modules = [path for path in paths if path.stem not in ("__init__", "__main__")]
    assert len(modules) > 50
    assert [str(path) for path in modules if not (tests / path.parent / f"test_{path.name}").exists()] == []


@EVERY_MODULE
def test_every_module_says_what_it_is(name):
    docstring = ast.get_docstring(TREES[name])
    assert docstring
    assert docstring.count("\n") < 12
