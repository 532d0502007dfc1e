"""Upstreams in the test's own thread, and the helper of an answer that asks them."""

from gemd.config.upstream import parse_upstream
from gemd.protocol.host import is_address
from gemd.responders.gateway.upstreams import Upstreams
from gemd.system.addresses import look_up

NAME = "the application at /a"


def upstreams_at(*places, connections=64):
    return Upstreams("fastcgi", NAME, list(map(parse_upstream, places)), connections)


class Helper:
    """What an answer may ask of the event loop. `addresses` are those of each name: None while they are not known."""

    def __init__(self, client="192.0.2.1"):
        self.client = client
        self.woken = 0
        self.addresses = None
        self.asked, self.forgotten = [], []

    def wake(self):
        self.woken += 1

    def resolve(self, host, port):
        if is_address(host):
            return look_up(host, port)
        self.asked.append((host, port))
        if isinstance(self.addresses, Exception):
            raise self.addresses
        return self.addresses

    def forget(self, host, port):
        self.forgotten.append((host, port))
