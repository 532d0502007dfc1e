"""Who to become, by who started and what the configuration says. Nobody is changed."""

import pytest

from gemd.startup import identity
from gemd.startup.identity import become, find_user
from gemd.system.privileges import Identity, PrivilegeError

GEMD = Identity("gemd", 990, 991, (991,))


@pytest.fixture
def started_by(monkeypatch):
    """Pretend to be started by a user with this uid, on a machine that knows gemd."""

    def started_by(uid):
        monkeypatch.setattr(identity.os, "geteuid", lambda: uid)
        monkeypatch.setattr(identity, "find_identity", lambda user, group: GEMD)
        monkeypatch.setattr(identity, "is_current", lambda wanted: uid == wanted.uid)

    return started_by


CASES = {
    "a user, who stays": (1000, {}, None),
    "root, to serve as gemd": (0, {"user": "gemd"}, GEMD),
    "root, to serve as root": (0, {"user": "root"}, None),
    "gemd itself": (990, {"user": "gemd"}, None),
}
FAULTS = {
    "root, without a word": (0, {}, 'started as root: set user = "gemd"'),
    "a user, to serve as root": (1000, {"user": "root"}, "only root can stay root"),
    "a user, to serve as another": (1000, {"user": "gemd"}, "only root can become the user gemd"),
}


@pytest.mark.parametrize(("uid", "keys", "expected"), CASES.values(), ids=CASES)
def test_who_to_become(configure, started_by, uid, keys, expected):
    started_by(uid)
    assert find_user(configure(**keys)) == expected


@pytest.mark.parametrize(("uid", "keys", "reason"), FAULTS.values(), ids=FAULTS)
def test_who_nobody_can_become(configure, started_by, uid, keys, reason):
    started_by(uid)
    with pytest.raises(PrivilegeError, match=reason):
        find_user(configure(**keys))


@pytest.fixture
def dropped(monkeypatch):
    """Who this process has become."""
    dropped = []
    monkeypatch.setattr(identity, "drop_privileges", dropped.append)
    return dropped


def test_root_is_given_up_at_once(configure, dropped):
    assert become(configure(user="gemd"), GEMD) is None
    assert dropped == [GEMD]


def test_a_master_that_stays_root_leaves_it_to_the_workers(configure, dropped):
    assert become(configure(user="gemd", master_user="root"), GEMD) == GEMD
    assert dropped == []


def test_who_is_right_already_stays(configure, dropped):
    assert become(configure(), None) is None
    assert dropped == []
