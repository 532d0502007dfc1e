import socket

import pytest

from gemd.protocol.response import ResolveError
from gemd.system.addresses import look_up


def test_an_address_is_its_own():
    assert look_up("192.0.2.7", 1966) == [(int(socket.AF_INET), ("192.0.2.7", 1966))]
    assert look_up("::1", 1966) == [(int(socket.AF_INET6), ("::1", 1966, 0, 0))]


def test_each_comes_once_in_the_order_of_the_resolver(monkeypatch):
    def getaddrinfo(host, port, **_options):
        assert (host, port) == (b"b.internal", 1965)
        places = ["192.0.2.2", "192.0.2.1", "192.0.2.2"]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (place, port)) for place in places]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert [place for _, place in look_up("b.internal", 1965)] == [("192.0.2.2", 1965), ("192.0.2.1", 1965)]


@pytest.mark.parametrize("error", [socket.gaierror(socket.EAI_NONAME, "Name or service not known"), UnicodeError()])
def test_one_without_an_address(monkeypatch, error):
    def getaddrinfo(*_arguments, **_options):
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(ResolveError, match=r"it can't be looked up: (Name or service not known|no such name)"):
        look_up("b.internal", 1965)
