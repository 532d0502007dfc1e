"""What a process for one application is told: which application, who it becomes, and how long it may go on."""

from collections.abc import Mapping

import msgspec

from gemd.config.host_settings import Location
from gemd.shared.host_process import HostProcess
from gemd.system.confinement import Confinement
from gemd.system.level import Level
from gemd.system.privileges import Identity


class AppSetup(msgspec.Struct, frozen=True):
    """What `gemd.app_host.main` reads. `location` has the application, as seen from within `chroot`, and `where` is the
    path of its key; `identity` is None where it stays who it is; `confinement` is what scripts that it runs may touch.
    `seconds` are for each answer.

    After so many requests, or with so much private memory, in bytes, another takes its place; 0 for never. `watches`
    says that a change of its files is told.
    """

    location: Location
    where: str
    identity: Identity | None
    chroot: str | None
    confinement: Confinement | None
    seconds: float
    max_requests: int
    max_memory: int
    watches: bool
    level: Level
    shows_queries: bool


class TrialResult(msgspec.Struct, frozen=True):
    """What came of importing an application: whether it is written with the package jetforce, whether it takes signals,
    and which modules of its own it has, their files by name; or else why it can't be loaded, and where its own code
    raised that."""

    uses_jetforce: bool = False
    takes_signals: bool = False
    modules: dict[str, str] = {}
    error: str | None = None
    lines: tuple[str, ...] = ()


class AppHost(HostProcess):
    """A process for one application. It can't be done without: nobody serves before it is ready."""

    kind = "application"
    program = "gemd.app_host.main"
    is_needed = True

    def __init__(self, setup: AppSetup, environ: Mapping[str, str]) -> None:
        super().__init__(setup.location.app or "", setup, environ)
