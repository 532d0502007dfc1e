"""What every test may use."""

import os
import shutil
import signal

import pytest

from gemd.system.openssl import load_openssl

load_openssl()  # as gemd does: before any test imports what needs it

IS_ROOT = os.geteuid() == 0
# Other users' rights, mounts, and a look into a gemd process, which its own user is refused.
need_root = pytest.mark.skipif(not IS_ROOT, reason="needs root")
# What root may do anyway.
need_user = pytest.mark.skipif(IS_ROOT, reason="needs an ordinary user")


@pytest.fixture(scope="session", autouse=True)
def heed_signals():
    """Heed what a shell has its background jobs, and nohup its command, ignore: what a test starts would ignore it too,
    and wait for ever for a Ctrl-C."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


@pytest.fixture
def need_program():
    """Skip, with a reason, where a program is missing; fail where nothing may be missing."""

    def need(name: str) -> str:
        path = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin")))
        if path is None:
            if os.environ.get("GEMD_TESTS_MAY_SKIP") == "no":
                pytest.fail(f"{name} is not installed")
            pytest.skip(f"{name} is not installed")
        return path

    return need
