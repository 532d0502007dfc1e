import pytest

from gemd.config.types import Budget
from gemd.protocol.networks import build_rule
from gemd.shared.cells import Cells
from gemd.shared.rate_limit import RateLimit
from gemd.shared.scoreboard import Scoreboard
from gemd.worker.admission import Admission, ConnectionLimit


class AccessLogOf:
    def write_address(self, address):
        return f"<{address}>"


@pytest.fixture
def lines(monkeypatch):
    """What the error log is told; `time` is what the clock shows."""
    lines = []
    monkeypatch.setattr("gemd.worker.admission.error_log.info", lambda text, *args: lines.append(text % args))
    return lines


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("gemd.worker.admission.time.monotonic", lambda: now[0])
    return now


def few(count=1):
    return RateLimit(Cells(), Budget("here", count, 86400.0, count))


def test_who_has_had_its_handshakes_is_refused_and_counted(lines):
    admission = Admission(AccessLogOf(), handshakes=few(2))
    assert [admission.enter("192.0.2.1") is not None for _ in range(4)] == [True, True, False, False]
    assert admission.enter("192.0.2.2") is not None
    assert admission.refused == 2
    assert lines == ["<192.0.2.1>: closed before TLS: too many (limits.handshakes)"]


def test_one_of_them_a_second_is_named(lines, clock):
    admission = Admission(AccessLogOf(), handshakes=few())
    admission.enter("192.0.2.1")
    for moment in (100.0, 100.9, 101.0, 101.5, 102.1):
        clock[0] = moment
        assert admission.enter("192.0.2.1") is None
    assert (len(lines), admission.refused) == (3, 5)


@pytest.mark.parametrize(("prefix", "passes"), [(64, [True, False, True]), (56, [True, False, False])])
def test_ipv6_clients_are_counted_by_network(lines, prefix, passes):
    admission = Admission(AccessLogOf(), handshakes=few(), v6_prefix=prefix)
    addresses = ["2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:0:2::1"]
    assert [admission.enter(address) is not None for address in addresses] == passes


def test_leaving_means_nothing_where_nobody_counts_who_is_there():
    leave = Admission(AccessLogOf(), handshakes=few()).enter("unix")
    leave()
    leave()


@pytest.fixture
def row():
    row = Scoreboard(1).row(0)
    row.clear()
    return row


def test_what_workers_of_any_row_have_counts(lines):
    """As many as there are now may be in later rows than the first: who came before them, and were more, had those."""
    board = Scoreboard(10)
    for nr in range(10):
        board.row(nr).clear()
    first, last = (Admission(AccessLogOf(), connections=ConnectionLimit(board.row(nr), 3)) for nr in (8, 9))
    assert [each.enter("192.0.2.1") is not None for each in (first, last, first, last)] == [True, True, True, False]


def test_whose_network_may_not_come_spends_nothing(lines, row):
    limit = few()
    rule = build_rule(None, ["192.0.2.0/24"])
    admission = Admission(AccessLogOf(), rule, ConnectionLimit(row, 1), limit)
    assert [admission.enter("192.0.2.1") for _ in range(3)] == [None] * 3
    assert lines == ["<192.0.2.1>: closed before TLS: not for its network (access)"]
    assert admission.refused == 3
    assert limit.admits("192.0.2.1")
    assert not row.clients._counts
    assert admission.enter("198.51.100.1") is not None


def test_a_client_has_so_many_connections_until_they_end(lines, row):
    admission = Admission(AccessLogOf(), connections=ConnectionLimit(row, 2))
    leave, _, refused = (admission.enter("2001:db8::1") for _ in range(3))
    assert refused is None
    assert admission.enter("2001:db8:0:1::1") is not None
    assert lines == ["<2001:db8::1>: closed before TLS: too many at once (limits.connections-per-address)"]
    leave()
    assert [admission.enter("2001:db8::2") is not None for _ in range(2)] == [True, False]


def test_who_has_had_its_handshakes_takes_no_place(lines, row):
    admission = Admission(AccessLogOf(), connections=ConnectionLimit(row, 9), handshakes=few())
    admission.enter("192.0.2.1")
    assert [admission.enter("192.0.2.1") for _ in range(3)] == [None] * 3
    assert row.clients._counts["192.0.2.1"] == 1
