"""A clone without its libraries, or with a Python that is too old, says what to do."""

import subprocess
import sys

import pytest

from gemd import requirements
from gemd.requirements import explain_import_error
from tests.packaging.installing import PROJECT


@pytest.mark.parametrize(("module", "command"), [("gemd", "gemd"), ("gemd.gemctl", "gemctl")])
def test_a_bare_clone(module, command):
    run = [sys.executable, "-S", "-m", module]  # -S: nothing that was installed
    done = subprocess.run(run, cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{command}: the library ")
    assert done.stderr.count("\n") == 1
    assert "`make run`" in done.stderr
    assert "`pip install .`" in done.stderr


def test_a_python_that_is_too_old(monkeypatch):
    monkeypatch.setattr(requirements.sys, "version_info", (3, 9, 2))
    monkeypatch.setattr(requirements.sys, "version", "3.9.2 (default)")
    error = ImportError("no", name="gemd.config")
    assert explain_import_error(error) == "gemd needs Python 3.11 or later, and this is 3.9.2"


@pytest.mark.parametrize("name", ["gemd.config", None])
def test_a_fault_of_gemd_s_own_is_not_explained_away(name):
    error = ImportError("cannot import name", name=name)
    with pytest.raises(ImportError) as raised:
        explain_import_error(error)
    assert raised.value is error
