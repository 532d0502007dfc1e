"""What a master can be told to do, by a signal or by gemctl: in which roles it is done, and what is said otherwise.

Rules: what no table has is never done; what is refused is logged, and told to who waits for it.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from gemd.master.control import Command
from gemd.master.succession import Role
from gemd.system.level import Level
from gemd.system.log import error_log

M = TypeVar("M")

ENDING = frozenset({Role.RETIRED, Role.STOPPING})
STAYING = frozenset(Role) - ENDING

_REASONS = {
    Role.STARTING: "no worker serves yet",
    Role.SERVING: "it serves",
    Role.UPGRADING: "an upgrade is under way already",
    Role.RETIRED: "another master serves",
    Role.STOPPING: "gemd is stopping",
}


class Order(msgspec.Struct, Generic[M], frozen=True):
    """How a master of type M does it, given the moment and the command that waits for it, if one does; `intention` is
    logged before it is done, and `failure` when it is not."""

    act: Callable[[M, Command | None, float], None]
    roles: frozenset[Role] = frozenset(Role)
    intention: str = ""
    failure: str = ""

    def give(self, master: M, role: Role, origin: str, command: Command | None, now: float) -> None:
        """Have it done, or refuse it. `origin` says who asks."""
        if role in self.roles:
            if self.intention:
                error_log.info("%s: %s", origin, self.intention)
            self.act(master, command, now)
            return
        # One that ends is asked by those who have not heard of it yet: nobody has to act.
        level = Level.INFO if role in ENDING else Level.ERROR
        error_log.log(level, "%s: %s", self.failure, _REASONS[role])
        if command is not None:
            command.fail(_REASONS[role])
