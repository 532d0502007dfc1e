import pytest

from gemd.config import parse_config
from gemd.startup import tickets
from gemd.startup.tickets import IDLE, TOO_LATE, find_idle_tickets, gives_tickets, keep_to_loaded


def test_it_is_off_where_openssl_does_not_go_along(configure, tmp_path, monkeypatch):
    on, off = configure(tls={"session-tickets": True}), configure(tls={"session-tickets": False})
    monkeypatch.setattr(tickets, "has_tickets", lambda: False)
    assert keep_to_loaded(on) == (off, [TOO_LATE])
    assert keep_to_loaded(off) == (off, [])
    monkeypatch.setattr(tickets, "has_tickets", lambda: True)
    assert keep_to_loaded(on) == (on, [])
    assert keep_to_loaded(off) == (off, [])


@pytest.mark.parametrize("keys", [{"client-certificate": "any"}, {"titan": {"allow": "any"}}])
def test_hosts_that_may_ask_for_a_certificate_give_none(root, tmp_path, keys):
    location = {"path": "/m/", **keys}
    members = {"name": "m", "root": str(root), "location": [location]}
    others = {"name": "o", "root": str(root), "titan": {"public": True}}

    def configure(*hosts, is_on=True):
        tables = {"host": [*hosts], "tls": {"session-tickets": is_on}}
        return parse_config(tables, base=tmp_path, source=None, cpus=1)

    assert [gives_tickets(host) for host in configure(members, others).hosts] == [False, True]
    assert find_idle_tickets(configure(members, others)) == []
    assert find_idle_tickets(configure(members)) == [IDLE]
    assert find_idle_tickets(configure(members, is_on=False)) == []
