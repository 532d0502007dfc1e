import os

from gemd.config.host_settings import Location
from gemd.shared.app_host import AppHost, AppSetup
from gemd.shared.host_process import read_setup, write_setup
from gemd.system.level import Level
from gemd.system.privileges import Identity

SETUP = AppSetup(
    location=Location(app="garden:app", app_path="/srv/garden", app_env={"A": "b"}, app_options={"c": 1, "d": True}),
    where="host[1].app",
    identity=Identity("alice", 1001, 1002, (1002,)),
    chroot=None,
    confinement=None,
    seconds=60.0,
    max_requests=1000,
    max_memory=0,
    watches=True,
    level=Level.WARNING,
    shows_queries=False,
)


def test_it_is_called_after_its_application_and_awaited():
    host = AppHost(SETUP, {})
    assert (host.name, host.title) == ("garden:app", "the application garden:app")
    assert host.is_needed
    host.close()


def test_a_setup_is_read_as_it_was_written():
    descriptor = write_setup(SETUP)
    assert read_setup(descriptor, AppSetup) == SETUP
    os.close(descriptor)
