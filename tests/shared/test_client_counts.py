import os

import pytest

from gemd.shared import client_counts
from gemd.shared.client_counts import MOST, SIZE, ClientCounts
from gemd.shared.scoreboard import Scoreboard
from gemd.system.shared_memory import SharedMemory

ROWS = 3


@pytest.fixture
def memory():
    return SharedMemory(ROWS * SIZE)


@pytest.fixture
def workers(memory):
    return [ClientCounts(memory.octets, nr, b"secret") for nr in range(ROWS)]


def test_a_client_has_so_many_over_all_workers(workers):
    assert [worker.begin("a", 4, ROWS) for worker in (*workers, *workers)] == [True] * 4 + [False] * 2
    assert workers[1].begin("b", 4, ROWS)
    workers[2].end("a")
    assert [worker.begin("a", 4, ROWS) for worker in workers] == [True, False, False]


def test_who_is_refused_is_not_counted(workers, memory):
    workers[0].begin("a", 1, ROWS)
    before = bytes(memory.octets)
    assert not any(workers[0].begin("a", 1, ROWS) for _ in range(10))
    assert bytes(memory.octets) == before
    workers[0].end("a")
    assert workers[0].begin("a", 1, ROWS)


def test_nothing_is_left_when_all_have_left(workers, memory):
    for worker in workers:
        for nr in range(50):
            worker.begin(f"192.0.2.{nr}", 9, ROWS)
    for worker in workers:
        for nr in range(50):
            worker.end(f"192.0.2.{nr}")
        worker.clear()
        assert not worker._counts
    assert not any(memory.octets)


def test_what_a_worker_has_left_is_forgotten_and_no_others(workers):
    for worker in workers[:2]:
        assert worker.begin("a", 2, ROWS)
    assert not workers[2].begin("a", 2, ROWS)
    workers[0].clear()
    assert workers[2].begin("a", 2, ROWS)
    assert not workers[2].begin("a", 2, ROWS)


def test_parts_of_nobody_need_not_be_looked_at(workers):
    workers[2].begin("a", 1, ROWS)
    assert workers[0].begin("a", 1, 2)


def find_bucket_full(secret, number):
    """Clients that have the same cells."""
    by_bucket = {}
    counts = ClientCounts(SharedMemory(SIZE).octets, 0, secret)
    for nr in range(100_000):
        some = by_bucket.setdefault(counts._find_key(str(nr))[0], [])
        some.append(str(nr))
        if len(some) == number:
            return some
    raise AssertionError


def test_a_client_without_a_cell_is_counted_where_it_is(workers):
    *others, last = find_bucket_full(b"secret", 9)
    for client in others:
        assert workers[0].begin(client, 1, ROWS)
    assert [workers[0].begin(last, 1, ROWS) for _ in range(2)] == [True, False]
    assert workers[1].begin(last, 1, ROWS)
    workers[0].end(others[3])
    workers[0].end(last)
    assert workers[0].begin(last, 2, ROWS)
    assert not workers[2].begin(last, 2, ROWS)  # it has a cell by now
    assert all(not workers[1].begin(client, 1, ROWS) for client in (*others[:3], *others[4:]))


def test_counts_stay_within_their_bits(workers, monkeypatch):
    workers[0]._counts["a"] = MOST + 5
    workers[0]._publish("a")
    assert not workers[1].begin("a", MOST, ROWS)
    assert workers[1].begin("b", 1, ROWS)


@pytest.mark.parametrize("octet", [0xFF, 0x80, 0x01])
def test_nonsense_of_others_breaks_nothing(workers, memory, octet):
    memory.octets[:SIZE] = bytes([octet]) * SIZE
    assert workers[1].begin("a", 1, ROWS) in (True, False)
    workers[0].clear()
    assert not any(memory.octets[:SIZE])


def test_what_is_remembered_of_clients_has_an_end(workers):
    for nr in range(3000):
        workers[0].begin(str(nr), 1, ROWS)
        workers[0].end(str(nr))
    assert workers[0]._key_of.cache_info().currsize == 1024
    assert not workers[0]._counts


def test_a_worker_writes_its_own_part_alone():
    board = Scoreboard(2)
    pid = os.fork()
    if not pid:
        row = board.keep_to(1)
        ok = row.clients.begin("a", 1, 2)
        os._exit(7 if ok else 8)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    assert not board.row(0).clients.begin("a", 1, 2)
    pid = os.fork()
    if not pid:
        board.keep_to(1)
        board.row(0).clients.begin("b", 1, 2)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -11
    board.row(1).clear()
    assert board.row(0).clients.begin("a", 1, 2)


def test_parts_are_whole_pages():
    assert client_counts.SIZE % 4096 == 0
