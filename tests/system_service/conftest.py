"""The slow tests: gemd installed in a container with a real systemd. They run when GEMD_SYSTEM_TEST is set, which
`make test-system` does; where they can't, they say why, and fail only where nothing may be missing."""

from pathlib import Path

import pytest

from tests.support.skipping import MAY_SKIP, WANTS_SYSTEM
from tests.system_service.machine import CannotRun, booted
from tests.system_service.service import Service, install

collect_ignore_glob = [] if WANTS_SYSTEM else ["test_*.py"]


def cannot_run(reason: CannotRun):
    if not MAY_SKIP:
        pytest.fail(str(reason), pytrace=False)
    pytest.skip(str(reason))


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(900))  # the first one has debootstrap to wait for


@pytest.fixture(scope="session")
def machine():
    """The booted machine, with gemd installed."""
    try:
        with booted() as machine:
            install(machine)
            yield machine
    except CannotRun as reason:
        cannot_run(reason)


@pytest.fixture
def service(machine):
    """gemd as a service of that machine, for one story."""
    service = Service(machine)
    yield service
    service.finish()
