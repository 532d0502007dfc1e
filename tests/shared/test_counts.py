import faulthandler
import os
import signal

import pytest

from gemd.protocol.counters import BOUNDS, BUCKETS, FAILURES, NOBODY, OTHERS
from gemd.responders.attribution import NOWHERE, CountPlace
from gemd.shared.counts import AllCounts, HostSlots, make_slots
from gemd.system.tally import Tally

EVENTS = {"handshake_failures": {}, "refusals": {}, "evictions": {}}
SLOTS = make_slots(["a.example", "b.example"])


def bucket(nr, number=1):
    return [number if at == nr else 0 for at in range(BUCKETS)]


def test_nothing_has_been_counted():
    described = AllCounts(2, SLOTS).sum_up(2, SLOTS).describe()
    assert described == {
        "responses": {NOBODY: {}, "a.example": {}, "b.example": {}},
        "durations": {},
        "events": EVENTS,
    }


def test_a_response_is_counted_by_host_and_by_responder():
    board = AllCounts(2, SLOTS)
    first, second = board.of(0), board.of(1)
    a = SLOTS.find(["a.example"])["a.example"]
    first.count(CountPlace(a, "root"), 20, 0.02)
    first.count(CountPlace(a, "cgi"), 42, 3.0)
    second.count(CountPlace(a, "root"), 51, 0.02)
    second.count(NOWHERE, 59, 0.001)
    second.count(NOWHERE, 0, 70.0)
    described = board.sum_up(2, SLOTS).describe()
    assert described["responses"] == {
        NOBODY: {"none": 1, "5x": 1},
        "a.example": {"2x": 1, "4x": 1, "5x": 1},
        "b.example": {},
    }
    assert described["durations"] == {
        "none": {"seconds": pytest.approx(70.001), "none": bucket(12), "5x": bucket(0)},
        "cgi": {"seconds": 3.0, "4x": bucket(8)},
        "root": {"seconds": pytest.approx(0.04), "2x": bucket(1), "5x": bucket(1)},
    }


@pytest.mark.parametrize(("seconds", "nr"), [(0.0, 0), *((bound, nr) for nr, bound in enumerate(BOUNDS)), (60.1, 12)])
def test_a_bound_belongs_to_its_bucket(seconds, nr):
    board = AllCounts(1, SLOTS)
    board.of(0).count(NOWHERE, 20, seconds)
    assert board.sum_up(1, SLOTS).describe()["durations"]["none"]["2x"] == bucket(nr)


def test_events_are_counted_in_the_same_part():
    board = AllCounts(3, SLOTS)
    for nr in range(3):
        tally = Tally()
        tally.use(board.of(nr).events)
        tally.count(FAILURES, "left")
    assert board.sum_up(2, SLOTS).describe()["events"] == {**EVENTS, "handshake_failures": {"left": 2}}


def test_no_worker_at_all():
    assert AllCounts(1, SLOTS).sum_up(0, SLOTS).describe()["durations"] == {}


def test_hosts_keep_their_slots_when_others_come_and_go():
    slots = make_slots(["a.example", "b.example"])
    before = slots.find(["a.example", "b.example"])
    board = AllCounts(1, slots)
    board.of(0).count(CountPlace(before["a.example"], "root"), 20, 0.1)
    slots.add(["c.example", "b.example"])
    slots.add(["c.example"])
    slots.add(["d.example", "c.example"])
    assert slots.find(["a.example", "b.example"]) == before
    assert len(set(slots.find(["a.example", "b.example", "c.example", "d.example"]).values())) == 4
    assert board.sum_up(1, slots).describe()["responses"]["a.example"] == {"2x": 1}


def test_hosts_for_which_there_is_no_room_are_counted_together():
    names = [f"{nr}.example" for nr in range(1000)]
    slots = make_slots(["a.example", "b.example"])
    slots.add(names)
    assert len(slots.names) == slots.room
    found = slots.find(names)
    assert found["999.example"] == slots.names.index(OTHERS)
    board = AllCounts(1, slots)
    board.of(0).count(CountPlace(found["999.example"], "root"), 20, 0.1)
    board.of(0).count(CountPlace(slots.room - 1, "root"), 20, 0.1)
    described = board.sum_up(1, slots).describe()["responses"]
    assert described[OTHERS] == described[slots.names[-1]] == {"2x": 1}


def test_five_hundred_hosts_take_little_memory():
    slots = make_slots([f"{nr}.example" for nr in range(500)])
    board = AllCounts(1, slots)
    assert board.sum_up(1, slots).describe()["responses"]["499.example"] == {}
    assert len(board.of(0).events.obj) <= 76 * 1024  # of which a worker touches what it counts


def test_without_hosts_there_is_room_for_the_rest():
    board = AllCounts(1, HostSlots())
    board.of(0).count(NOWHERE, 20, 0.1)
    assert board.sum_up(1, HostSlots()).describe()["responses"] == {NOBODY: {"2x": 1}}


def test_a_worker_writes_its_own_part_alone():
    board = AllCounts(3, SLOTS)
    pid = os.fork()
    if not pid:
        faulthandler.disable()
        board.keep_to(1)
        board.of(1).count(NOWHERE, 20, 0.1)
        board.of(2).count(NOWHERE, 20, 0.1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGSEGV
    assert board.sum_up(3, SLOTS).describe()["responses"][NOBODY] == {"2x": 1}


def test_what_a_spoilt_worker_has_left_ends_nobody_else():
    board = AllCounts(2, SLOTS)
    cells = board.of(1).events.obj
    spoilt = memoryview(cells)[len(cells) // 2 :]
    spoilt[:] = b"\xff" * len(spoilt)
    pid = os.fork()
    if not pid:
        board.keep_to(1)
        worker, tally = board.of(1), Tally()
        tally.use(worker.events)
        tally.count(FAILURES, "left")
        worker.count(CountPlace(2, "root"), 20, 0.1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    described = board.sum_up(2, SLOTS).describe()
    assert described["responses"] == {NOBODY: {}, "a.example": {"2x": 1}, "b.example": {}}
    assert described["events"]["handshake_failures"] == {"left": 1}
