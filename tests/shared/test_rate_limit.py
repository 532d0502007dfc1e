from types import SimpleNamespace

import pytest

from gemd.config.types import Budget
from gemd.protocol.errors import SlowDown
from gemd.protocol.peer import ClientCertificate, Peer
from gemd.shared.cells import Cells
from gemd.shared.rate_limit import RateLimit, join_limits


@pytest.fixture
def clock(monkeypatch):
    """The monotonic clock in seconds, as a list of one time."""
    now = [1000.0]
    monkeypatch.setattr("gemd.shared.cells.time.monotonic_ns", lambda: int(now[0] * 1e9))
    return now


def budget(count, seconds, burst=None, place="here", **keys):
    return Budget(place, count, seconds, count if burst is None else burst, **keys)


def limit_of(count, seconds, burst=None, cells=None, **keys):
    return RateLimit(cells or Cells(), budget(count, seconds, burst, **keys))


def peer(address="192.0.2.1", fingerprint=None, key="", v6_prefix=64):
    certificate = ClientCertificate(b"", fingerprint, key) if fingerprint is not None else None
    return Peer(address, 5, "::1", 1965, SimpleNamespace(client_certificate=certificate), v6_prefix)


def passes(check, *asker, **keys):
    try:
        (check.check if isinstance(check, RateLimit) else check)(peer(*asker, **keys))
    except SlowDown:
        return False
    return True


def test_the_whole_budget_at_once_then_one_part_after_the_other(clock):
    limit = limit_of(3, 60.0)
    assert [passes(limit) for _ in range(5)] == [True, True, True, False, False]
    clock[0] += 19.9
    assert not passes(limit)
    clock[0] += 0.2
    assert [passes(limit), passes(limit)] == [True, False]


@pytest.mark.parametrize("burst", [1, 2, 5])
def test_a_burst_is_how_many_may_come_at_once(clock, burst):
    limit = limit_of(3, 60.0, burst)
    assert [passes(limit) for _ in range(burst + 2)] == [True] * burst + [False] * 2
    clock[0] += 20.1
    assert [passes(limit), passes(limit)] == [True, False]
    clock[0] += 6000
    assert [passes(limit) for _ in range(burst + 1)] == [True] * burst + [False]


def test_the_budget_is_whole_again_after_its_time_and_never_more(clock):
    limit = limit_of(3, 60.0)
    while passes(limit):
        pass
    clock[0] += 6000
    assert [passes(limit) for _ in range(4)] == [True, True, True, False]


def test_a_refused_request_costs_nothing(clock):
    limit = limit_of(3, 60.0)
    while passes(limit):
        pass
    for _ in range(1000):
        passes(limit)
    clock[0] += 20.1
    assert passes(limit)


def test_the_text_is_the_seconds_to_wait(clock):
    limit = limit_of(3, 60.0)
    for _ in range(3):
        limit.check(peer())
    for seconds, text in ((0, "20"), (19.5, "1"), (0.49, "1")):
        clock[0] += seconds
        with pytest.raises(SlowDown) as caught:
            limit.check(peer())
        assert (caught.value.meta, caught.value.status) == (text, 44)


def test_who_waits_as_long_as_told_is_let_in(clock):
    limit = limit_of(7, 60.0)
    for _ in range(50):
        try:
            limit.check(peer())
        except SlowDown as error:
            clock[0] += int(error.meta)
            assert passes(limit)


def test_others_are_not_concerned(clock):
    limit = limit_of(1, 60.0)
    assert passes(limit, "192.0.2.1")
    assert [passes(limit, f"192.0.2.{i}") for i in range(2, 12)] == [True] * 10


def test_clients_are_networks_of_the_peers_prefix(clock):
    limit = limit_of(1, 60.0)
    assert passes(limit, "2001:db8:0:1::1", v6_prefix=56)
    assert not passes(limit, "2001:db8:0:2::2", v6_prefix=56)
    assert passes(limit, "2001:db8:0:100::1", v6_prefix=56)


@pytest.mark.parametrize("rate", [(1, 1.0), (999_999_999, 1.0), (1, 31_536_000.0), (999_999_999, 31_536_000.0)])
def test_the_widest_rates(clock, rate):
    limit = limit_of(*rate)
    assert passes(limit)
    assert passes(limit) == (rate[0] > 1)


def test_by_certificate_where_there_is_one(clock):
    limit = limit_of(1, 60.0, by="certificate")
    assert [passes(limit, "192.0.2.1", "ab"), passes(limit, "192.0.2.2", "ab")] == [True, False]
    assert [passes(limit, "192.0.2.1", "cd"), passes(limit, "192.0.2.1", "cd")] == [True, False]
    assert [passes(limit, "192.0.2.1"), passes(limit, "192.0.2.1"), passes(limit, "192.0.2.2")] == [True, False, True]


def test_certificates_with_one_key_are_one(clock):
    """A location for those with a certain key (SPKI-SHA256) takes any certificate that is made with it."""
    limit = limit_of(1, 60.0, by="certificate")
    names = (("ab", "key"), ("cd", "key"), ("ef", "another"), ("unreadable", ""), ("unreadable too", ""))
    assert [passes(limit, "192.0.2.1", *name) for name in names] == [True, False, True, True, True]


def test_by_address_whatever_the_certificate(clock):
    limit = limit_of(1, 60.0)
    assert [passes(limit, "192.0.2.1", name) for name in ("ab", "cd")] == [True, False]


def test_who_is_exempt_is_not_counted(clock):
    limit = limit_of(1, 60.0, exempt=("192.0.2.0/24", "unix"))
    assert all(passes(limit, address) for address in ("192.0.2.1", "192.0.2.1", "unix", "unix"))
    assert [passes(limit, "198.51.100.1") for _ in range(2)] == [True, False]


def test_all_processes_share_the_cells(clock):
    """The memory is anonymous and shared: a fork would inherit it, not copy it."""
    cells = Cells()
    assert passes(limit_of(1, 60.0, cells=cells))
    assert cells._cells.obj.__class__.__name__ == "mmap"


def test_the_same_budget_made_anew_forgives_nobody_and_another_rate_begins_anew(clock):
    cells = Cells()
    same = {"count": 1, "seconds": 60.0, "cells": cells}
    assert passes(limit_of(**same))
    assert not passes(limit_of(**same))
    assert not passes(limit_of(**same, exempt=("198.51.100.0/24",)))
    for other in ({"count": 2}, {"seconds": 61.0}, {"burst": 2}, {"by": "certificate"}, {"place": "there"}):
        assert passes(limit_of(**{**same, **other}))


def test_what_has_no_answer_is_admitted_or_not(clock):
    limit = limit_of(2, 1.0)
    assert [limit.admits("192.0.2.1") for _ in range(3)] == [True, True, False]
    assert limit.admits("192.0.2.2")
    clock[0] += 0.51
    assert [limit.admits("192.0.2.1") for _ in range(2)] == [True, False]


def test_what_is_remembered_has_an_end_and_is_ones_own(clock):
    limit = limit_of(1, 86400.0)
    for number in range(3000):
        assert passes(limit, f"10.0.{number >> 8}.{number % 256}")
    assert limit._key_of.cache_info().currsize == 1024
    refused = [not passes(limit, f"10.0.{number >> 8}.{number % 256}") for number in range(3000)]
    assert sum(refused) > 2990  # a bucket may have been full


# Several at once


def test_each_of_several_budgets_is_spent(clock):
    check = join_limits(Cells(), [budget(5, 60.0, place="a"), budget(2, 60.0, place="b")])
    assert [passes(check) for _ in range(3)] == [True, True, False]
    clock[0] += 30.1
    assert [passes(check), passes(check)] == [True, False]


@pytest.mark.parametrize("narrow", ["a", "b"])
def test_what_one_refuses_costs_none_of_the_others(clock, narrow):
    cells = Cells()
    budgets = [budget(1 if place == narrow else 3, 60.0, place=place) for place in ("a", "b")]
    both = join_limits(cells, budgets)
    wide = join_limits(cells, [one for one in budgets if one.place != narrow])
    assert [passes(both) for _ in range(5)] == [True, False, False, False, False]
    assert [passes(wide) for _ in range(3)] == [True, True, False]


def test_the_seconds_are_those_of_the_longest(clock):
    check = join_limits(Cells(), [budget(1, 60.0, place="a"), budget(1, 3600.0, place="b")])
    assert passes(check)
    with pytest.raises(SlowDown, match=r"^3600$"):
        check(peer())


def test_what_another_worker_takes_meanwhile_is_not_spent_twice(clock, monkeypatch):
    cells = Cells()
    budgets = [budget(3, 60.0, place="a"), budget(1, 60.0, place="b")]
    both, first, second = (join_limits(cells, some) for some in (budgets, budgets[:1], budgets[1:]))
    wait = RateLimit.wait

    def wait_and_be_overtaken(self, key, now):
        found = wait(self, key, now)
        if self._slack == 0:  # the second budget's
            monkeypatch.setattr(RateLimit, "wait", wait)
            second(peer())
        return found

    monkeypatch.setattr(RateLimit, "wait", wait_and_be_overtaken)
    assert not passes(both)
    assert [passes(first) for _ in range(4)] == [True, True, True, False]


def test_who_is_exempt_from_one_is_counted_by_the_other(clock):
    check = join_limits(Cells(), [budget(1, 60.0, place="a", exempt=("192.0.2.1",)), budget(2, 60.0, place="b")])
    assert [passes(check) for _ in range(3)] == [True, True, False]
    exempt = join_limits(Cells(), [budget(1, 60.0, place=place, exempt=("192.0.2.1",)) for place in "ab"])
    assert all(passes(exempt) for _ in range(5))
