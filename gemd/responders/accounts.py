"""Users by their names, as they were looked up a moment ago, and how an answer waits for one who was not.

Rules: names are looked up by threads, a few at once and those of clients in turn, so that a service of names which
hangs, or a client that tries names, leaves threads to the others; there is an end to how many are remembered; nobody
is told sooner that there is no such user than that there is one who has nothing to show.
"""

import time
from collections.abc import Callable, Collection

from gemd.config.people_settings import UserDirectories
from gemd.protocol.response import Answer, Helper
from gemd.protocol.upload import Intake
from gemd.responders.bounded import Bounded
from gemd.responders.judged import Unjudged
from gemd.responders.placed import Placed
from gemd.system.accounts import Account, FindAccount
from gemd.system.places import Places

_KEPT = 30.0  # seconds for which it holds who somebody is, or that there is nobody
_TIMEOUT = 10.0  # seconds for an answer to wait
_LEAST = 0.1  # seconds after which it is said that there is nobody, whoever knew that sooner
_AT_ONCE = 4  # names, of all clients
_WAITING = 16  # names of one client
_MAX_USERS = 1024
_MAX_OTHERS = 4096  # names that were tried

_Key = tuple[str, UserDirectories]
_Entry = tuple[float, Account | None]  # until when it holds, and who it is


class Accounts:
    """All that a worker knows of; `find_account` asks the machine. Those who try names don't have users forgotten."""

    def __init__(self, find_account: FindAccount) -> None:
        self._ask = find_account
        self._users: Bounded[_Key, _Entry] = Bounded(_MAX_USERS, of="accounts")
        self._others: Bounded[_Key, _Entry] = Bounded(_MAX_OTHERS, of="accounts")
        self.places = Places(_AT_ONCE, 1)

    def find(self, name: str, table: UserDirectories) -> Account | None:
        """The user who has a directory, None where there is none. Raises Unjudged where that takes a thread."""
        known = self._find((name, table))
        if known is None:
            raise UnknownUser(self, (name, table))
        return known[1]

    def _find(self, key: _Key) -> _Entry | None:
        entry = self._users.find(key) or self._others.find(key)
        return entry if entry is not None and time.monotonic() < entry[0] else None

    def look_up(self, key: _Key) -> Account | None:
        """Who it is, from memory or by asking. Runs in a thread."""
        known = self._find(key)
        if known is not None:  # others waited for the same one
            return known[1]
        account = self._ask(*key)
        kept, other = (self._users, self._others) if account is not None else (self._others, self._users)
        kept.keep(key, (time.monotonic() + _KEPT, account))
        other.forget(key)
        return account


class UnknownUser(Unjudged):
    """A name has to be looked up first."""

    def __init__(self, accounts: Accounts, key: _Key) -> None:
        super().__init__(lambda: accounts.look_up(key))
        self._accounts = accounts

    def wait(self, go_on: Callable[[], Answer | Intake]) -> "LookedUp":
        """The answer, once the name has been looked up."""
        return LookedUp(Placed(lambda: (self.judge(),), self._accounts.places, _WAITING, _TIMEOUT), go_on)


class LookedUp:
    """An answer that waits for a name."""

    descriptors: Collection[int] = ()

    def __init__(self, lookup: Placed[tuple[object]], go_on: Callable[[], Answer | Intake]) -> None:
        self._least = time.monotonic() + _LEAST
        self.deadline = lookup.deadline
        self._lookup = lookup
        self._go_on = go_on

    def begin(self, helper: Helper) -> None:
        """Have it looked up in this client's turn."""
        self._lookup.begin(helper)

    def settle(self) -> Answer | None:
        """The answer, once it is known who it is for. Raises Overloaded (41), GeminiError (40) when it takes too long,
        and what `go_on` does."""
        found = self._lookup.settle()
        if found is None:
            return None
        if found == (None,) and time.monotonic() < self._least:
            self.deadline = self._least
            return None
        return self._go_on()  # type: ignore[return-value]

    def close(self) -> None:
        """It is not begun, if it was not yet; a thread that is at work finishes it for who asks next."""
        self._lookup.close()
