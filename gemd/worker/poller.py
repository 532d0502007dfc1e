"""epoll(7), with whom to tell of each descriptor, and a way for other threads to be heard.

Rule: one descriptor has one owner; whoever is told gets what was registered with it, and the events.
"""

import os
import select
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_EVENTS = 64


class Poller(Generic[T]):
    """`T` is what a descriptor stands for. `woken` has what other threads have handed over, until it is taken."""

    def __init__(self) -> None:
        self.woken: deque[T] = deque()
        self._epoll = select.epoll()
        self._owners: dict[int, tuple[Callable[[T, int], None], T, int]] = {}
        self._readers: dict[int, Callable[[], None]] = {}
        self._wakeup = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._is_awaiting = False  # or about to
        self._epoll.register(self._wakeup, select.EPOLLIN | select.EPOLLET)  # each write is told once, and never read

    def watch(self, fd: int, act: Callable[[], None], events: int = select.EPOLLIN) -> None:
        """Have `act` called for a descriptor of the worker's own."""
        self._readers[fd] = act
        self._epoll.register(fd, events)

    def unwatch(self, fd: int) -> None:
        """Watch such a descriptor no longer."""
        del self._readers[fd]
        self._epoll.unregister(fd)

    def register(self, fd: int, events: int, act: Callable[[T, int], None], owner: T) -> None:
        """Have `act` called with the owner and the events that came."""
        self._epoll.register(fd, events)
        self._owners[fd] = (act, owner, events)

    def modify(self, fd: int, events: int, act: Callable[[T, int], None], owner: T) -> None:
        """The same, for a descriptor that is registered already."""
        before = self._owners[fd][2]
        self._owners[fd] = (act, owner, events)
        if events != before:
            self._epoll.modify(fd, events)

    def put(self, fd: int, events: int, act: Callable[[T, int], None], owner: T) -> None:
        """The same, whether the descriptor is registered or not."""
        if fd in self._owners:
            self.modify(fd, events, act, owner)
        else:
            self.register(fd, events, act, owner)

    def await_end(self, fd: int, act: Callable[[T, int], None], owner: T) -> None:
        """Have `act` called with an error, or the end of both directions. If the kernel was asked for input alone, that
        may be told too, until `modify` asks for less: mostly none comes, and the two calls are saved."""
        events = self._owners[fd][2]
        if events == select.EPOLLIN:
            self._owners[fd] = (act, owner, events)
        else:
            self.modify(fd, 0, act, owner)

    def watch_once(self, fd: int, events: int, act: Callable[[T, int], None], owner: T) -> None:
        """Have `act` called when one of the events comes, once; to hear of it again, call this again."""
        events |= select.EPOLLONESHOT
        try:
            if fd in self._owners:
                self._epoll.modify(fd, events)
            else:
                self._epoll.register(fd, events)
        except FileNotFoundError:  # it was closed since, and opened for something else
            self._epoll.register(fd, events)
        self._owners[fd] = (act, owner, events)

    def unregister(self, fd: int) -> None:
        """Watch a descriptor no longer; nothing happens if it is not watched, or closed.

        To be called before it is closed: the kernel forgets it only when no other process holds the same thing open,
        as a script does until its exec, and whatever an application forks for good.
        """
        if self._owners.pop(fd, None) is None:
            return
        try:
            self._epoll.unregister(fd)
        except OSError:
            return  # it is closed

    def wait(self, timeout: float) -> Iterator[tuple[Callable[[T, int], None], T, int]]:
        """What has happened to whom, after at most `timeout` seconds, or at once where somebody is woken; the worker's
        own descriptors are dealt with.

        Who is told of one event may well close what another one was about, which is then left out.
        """
        self._is_awaiting = True  # before that look: who wakes later writes
        happened = self._epoll.poll(0.0 if self.woken else timeout, MAX_EVENTS)
        self._is_awaiting = False
        for fd, events in happened:
            owner = self._owners.get(fd)
            if owner is not None:
                yield owner[0], owner[1], events
            elif fd in self._readers:
                self._readers[fd]()

    def wake(self, owner: T) -> None:
        """Hand something over to the event loop. May be called by any thread."""
        self.woken.append(owner)
        if self._is_awaiting:
            self._is_awaiting = False  # one write is enough
            os.eventfd_write(self._wakeup, 1)

    def close(self) -> None:
        """Close what it has opened."""
        self._epoll.close()
        os.close(self._wakeup)
