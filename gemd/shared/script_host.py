"""What a script host is told: who it becomes, where it is shut in, and what scripts may touch."""

import msgspec

from gemd.shared.host_process import HostProcess
from gemd.system.confinement import Confinement
from gemd.system.privileges import Identity

_ENVIRON = {"LC_ALL": "C.UTF-8"}  # of the host; a script has its own


class ScriptSetup(msgspec.Struct, frozen=True):
    """What `gemd.script_host.main` reads."""

    identity: Identity
    chroot: str | None
    confinement: Confinement | None


class ScriptHost(HostProcess):
    """A process for the scripts of one user."""

    kind = "script host"
    program = "gemd.script_host.main"

    def __init__(self, setup: ScriptSetup) -> None:
        super().__init__(setup.identity.name, setup, _ENVIRON)

    @property
    def title(self) -> str:
        """As in "the script host of gemd"."""
        return f"the {self.kind} of {self.name}"
