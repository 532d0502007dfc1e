import pytest

from gemd.config.settings import Limits
from gemd.protocol.errors import Overloaded
from gemd.responders.cgi.running import RunningScripts


def is_refused(running, address):
    try:
        running.enter(address)
    except Overloaded:
        return True
    return False


def test_a_client_is_a_network_as_everywhere():
    running = RunningScripts(Limits(cgi=10, cgi_per_address=1))
    running.enter("2001:db8::1")
    assert is_refused(running, "2001:db8::2")
    assert not is_refused(running, "2001:db8:0:1::2")
    running.enter("192.0.2.1")
    assert not is_refused(running, "192.0.2.2")


def test_all_together_have_a_limit():
    running = RunningScripts(Limits(cgi=2, cgi_per_address=2))
    running.enter("192.0.2.1")
    running.enter("192.0.2.2")
    with pytest.raises(Overloaded):
        running.enter("192.0.2.3")


def test_one_that_has_ended_makes_room():
    running = RunningScripts(Limits(cgi=1))
    leave = running.enter("192.0.2.1")
    assert is_refused(running, "192.0.2.2")
    leave()
    assert not is_refused(running, "192.0.2.2")
