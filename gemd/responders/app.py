"""The application responder: Python code that answers everything below a location.

Rules: one room an application in each worker, however many locations it is mounted at; what it can't answer in time is
answered for it. Called by the router; opened by the worker before it serves.
"""

from gemd.config.settings import Config, Location
from gemd.protocol.errors import Overloaded
from gemd.protocol.request import Request
from gemd.responders.app_call import Call
from gemd.responders.app_environ import build_app_environ
from gemd.responders.app_room import AppRoom
from gemd.system.client_certificates import Authorities


class Applications:
    """All applications of a configuration. Raises AppLoadError for one that is loaded in the master, and can't be."""

    def __init__(self, config: Config, authorities: Authorities | None) -> None:
        self._authorities = authorities
        self._rooms: dict[object, AppRoom] = {}
        for host in config.hosts:
            for location in host.locations:
                if location.app is not None and _key(location) not in self._rooms:
                    room = AppRoom(location, config.timeouts.app)
                    if location.preload:
                        room.preload()
                    self._rooms[_key(location)] = room

    def open(self) -> None:
        """Load them. Runs in the worker. Raises AppLoadError."""
        for room in self._rooms.values():
            room.open()

    def end_by(self, moment: float) -> None:
        """Break answers off that are still going on at `moment`, in monotonic seconds: the worker ends."""
        for room in self._rooms.values():
            room.last_moment = min(moment, room.last_moment or moment)

    @property
    def are_stuck(self) -> bool:
        """Whether a thread did not come back, so that another worker has to take this one's place."""
        return any(room.is_stuck for room in self._rooms.values())

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._rooms)

    def __call__(self, request: Request, location: Location) -> Call | None:
        """A call that is still to begin; declines where no application is mounted.

        Raises Overloaded (41) where too many wait already.
        """
        if location.app is None:
            return None
        room = self._rooms[_key(location)]
        if not room.has_place():
            raise Overloaded("Too much is going on, try again later")
        return room.make_call(build_app_environ(request, location, self._authorities))


def _key(location: Location) -> object:
    """What makes two mounted applications the same one."""
    return location.app, location.app_threads, tuple(sorted(location.app_options.items()))
