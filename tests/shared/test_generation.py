"""What a generation closes, and what it leaves to the one after it."""

import dataclasses

import pytest

from gemd.shared.generation import Generation


@dataclasses.dataclass(eq=False)
class Closed:
    """A listener, or logs, and whether it was closed."""

    is_closed: bool = False
    kept: list = dataclasses.field(default_factory=list)

    def close(self):
        assert not self.is_closed, "once"
        self.is_closed = True

    def close_all_but(self, kept):
        self.kept.append(kept)


def generation(*listeners):
    values = dict.fromkeys(Generation.__struct_fields__)
    own = {"logs": Closed(), "hosts": (Closed(),), "known_servers": Closed(), "upload_spool": Closed()}
    return Generation(**{**values, "number": 1, "listeners": listeners, **own})


def test_for_good_all_is_closed():
    one, other = Closed(), Closed()
    last = generation(one, other)
    last.close_all_but(None)
    assert one.is_closed
    assert other.is_closed
    assert last.logs.kept == [None]
    assert last.hosts[0].is_closed
    assert last.known_servers.is_closed
    assert last.upload_spool.is_closed


def test_what_another_one_shares_stays_open():
    shared, own, new = Closed(), Closed(), Closed()
    former, current = generation(shared, own), generation(shared, new)
    former.close_all_but(current)
    assert [listener.is_closed for listener in (shared, own, new)] == [False, True, False]
    assert former.logs.kept == [current.logs]


def test_it_is_never_changed():
    with pytest.raises(AttributeError):
        generation().number = 2


def test_two_are_never_the_same_though_all_is_shared():
    """They are keys: of what a master wants, and of what is open."""
    assert len({generation(), generation()}) == 2
