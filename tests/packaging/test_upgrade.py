"""A gemd that runs while a newer one is installed, and then gives way to it."""

import json
import os
import re
import shutil
import time

import pytest

import gemd
from tests.packaging.installing import COMMANDS

pytestmark = pytest.mark.timeout(600)

LONGEST = 60.0  # seconds that anything may take
CONFIGURATION = """\
listen = ["127.0.0.1:0"]
workers = 2
{user}
pid-file = "gemd.pid"
control = "control.sock"

[tls]
certificates = "."

[[host]]
name = "localhost"
root = "."
"""


@pytest.fixture
def folder(installation):
    """For all that gemd has and makes, where its user may write."""
    folder = installation.top / "run"
    folder.mkdir()
    user = ""
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
        user = 'user = "nobody"'
    (folder / "gemd.conf").write_text(CONFIGURATION.format(user=user))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def control(installation, folder):
    """Run gemctl on it."""

    def control(*words):
        return installation.run("gemctl", "-c", folder / "gemd.conf", *words)

    return control


@pytest.fixture
def status(control):
    def status():
        return json.loads(control("status", "--json").stdout)

    return status


@pytest.fixture
def daemon(installation, folder, control):
    """The installed gemd, detached; stopped in the end."""
    done = installation.run("gemd", "-d", "-c", folder / "gemd.conf")
    assert done.returncode == 0, done.stderr
    yield
    pid = int((folder / "gemd.pid").read_text())
    assert control("stop").returncode == 0
    end = time.monotonic() + LONGEST
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < end:
        time.sleep(0.05)
    assert not os.path.exists(f"/proc/{pid}")


@pytest.fixture
def install_newer(installation):
    """Do what `make install` of a newer version does: a virtual environment beside the old one, then the link."""
    old, new = (installation.programs / "current").resolve(), installation.programs / "9.9.9-new"

    def point_to(release):
        link = installation.programs / ".current"
        link.symlink_to(release.name)
        link.replace(installation.programs / "current")

    def install_newer():
        shutil.copytree(old, new, symlinks=True)
        for command in COMMANDS:
            path = new / "bin" / command
            path.write_text(path.read_text().replace(old.name, new.name))
        module = next(new.glob("lib/python*/site-packages/gemd/__init__.py"))
        module.write_text(re.sub('__version__ = ".*"', '__version__ = "9.9.9"', module.read_text()))
        point_to(new)

    yield install_newer
    point_to(old)
    shutil.rmtree(new, ignore_errors=True)


def test_an_upgrade_runs_the_code_that_was_installed_last(install_newer, daemon, control, status):
    before = status()
    install_newer()
    done = control("upgrade")
    assert done.returncode == 0, done.stderr
    after = status()
    assert (before["version"], after["version"]) == (gemd.__version__, "9.9.9")
    assert before["pid"] != after["pid"]
