"""Importing a module changes nothing for the process: programs of others import gemd.app and gemd.testing."""

import os
import subprocess
import sys

import pytest

from tests.test_layers import MODULES

LOOK = """
import importlib, locale, logging, os, resource, signal, socket, sys, threading, warnings

def look():
    umask = os.umask(0o22)
    os.umask(umask)
    signals = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
    return {
        "environment": dict(os.environ),
        "warnings": list(warnings.filters),
        "signals": [signal.getsignal(number) for number in signals],
        "blocked": signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        "umask": umask,
        "directory": os.getcwd(),
        "path": list(sys.path),
        "hooks": [sys.excepthook, threading.excepthook, sys.unraisablehook],
        "locale": locale.setlocale(locale.LC_ALL),
        "threads": (threading.active_count(), threading.stack_size()),
        "logging": (logging.root.level, list(logging.root.handlers)),
        "sockets": socket.getdefaulttimeout(),
        "limits": [resource.getrlimit(number) for number in range(16)],
        "streams": (sys.stdin, sys.stdout, sys.stderr),
    }

for name in sys.argv[1:]:
    before = look()
    importlib.import_module(name)
    after = look()
    changed = [what for what in before if before[what] != after[what]]
    if changed:
        print(name, *changed)
"""
# Which are programs, and never imported by anybody else.
PROGRAMS = {"gemd.__main__", "gemd.gemctl.__main__"}


def run(*arguments):
    env = {name: value for name, value in os.environ.items() if name != "OPENSSL_CONF"}
    command = [sys.executable, "-c", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=True).stdout


def test_no_module_changes_what_is_everybodys():
    assert run(LOOK, *sorted(set(MODULES) - PROGRAMS)) == ""


def test_such_a_change_would_be_found(tmp_path):
    (tmp_path / "changes.py").write_text("import os, warnings; os.environ['A'] = 'b'; warnings.simplefilter('error')")
    assert (
        run(f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n" + LOOK, "changes")
        == "changes environment warnings\n"
    )


@pytest.mark.parametrize("name", ["gemd.app", "gemd.gemctl.status", "gemd.gemctl.control_client", "gemd.config"])
def test_who_does_not_need_the_cryptography_library_does_not_load_it(name):
    assert run(f"import sys, {name}; print('cryptography' in sys.modules)") == "False\n"
