from gemd.gemctl.rates import Rates
from gemd.gemctl.report import format_figure, render_status, summarise_status
from gemd.gemctl.status import parse_status
from gemd.protocol.figures import BYTES, DESCRIPTORS, MEMORY, REQUESTS

from .conftest import STATUS

REPORT = """\
gemd 0.2.0, master 123, serving, generation 3, up 3d 4h
  configuration  /etc/gemd.conf
  listening on   [::]:1965, unix:/run/gemd/gemd.sock
  requests       1,234,567, 5.0 GiB sent
  workers        1 of 2 serve
  connections    4 reading, 6 writing, 1 lingering, 5 passing, 2 uploading
  threads        3 at work
  memory         39.1 MiB
  open files     17 in the master
  reloads        2 done, 1 failed
  trouble        1 log line dropped, 12 connections refused, 2 worker deaths
  no handshake   20 left
  refusals       500 rate, 64 scripts

WORKER  PID  STATE     GEN  UPTIME   REQUESTS     SENT  READING  WRITING  LINGERING  PASSING  UPLOADING  THREADS    MEMORY      OWN  FILES  DROPPED  REFUSED  RECEIVED
     1  124  serving     3   3h 3m  1,234,000  2.9 MiB        4        6          0        5          2        1  19.1 MiB  2.2 MiB  1,021        1       12   1.0 MiB
     1   99  draining    2   1d 1h          0      0 B        0        0          0        0          0        2   4.8 MiB        -      9        0        0       0 B
     2  125  starting    3      0s          0      0 B        0        0          0        0          0        0         -        -      -        0        0       0 B
"""  # noqa: E501


def test_the_whole_report():
    assert render_status(parse_status(STATUS)) == REPORT


RATES = Rates(
    {"requests": 12.54, "bytes": 2048.0, "received": 0.0, "refused": 1234.5},
    {(124, 3): (12.5, 1024.0), (99, 2): (0, 0)},
)


def test_with_rates():
    report = render_status(parse_status(STATUS), RATES, ["  requests/s     ___", "12:00:00 a reload"])
    head, *lines = report.splitlines()
    assert head.startswith("gemd 0.2.0, master 123")
    assert lines[:2] == ["  requests/s     ___", "12:00:00 a reload"]
    assert "  requests       1,234,567 (12.5/s), 5.0 GiB sent (2.0 KiB/s)" in lines
    assert lines[11] == "  trouble        1 log line dropped, 12 connections refused (1,234.5/s), 2 worker deaths"
    assert [line[:68] for line in lines[15:]] == [
        "WORKER  PID  STATE     GEN  UPTIME  REQ/S   SENT/S   REQUESTS     SENT"[:68],
        "     1  124  serving     3   3h 3m   12.5  1.0 KiB  1,234,000  2.9 MiB"[:68],
        "     1   99  draining    2   1d 1h    0.0      0 B          0      0 B"[:68],
        "     2  125  starting    3      0s      -        -          0      0 B"[:68],
    ]


def test_watched_before_there_are_rates():
    report = render_status(parse_status(STATUS), None, ["x"])
    assert "  requests       1,234,567, 5.0 GiB sent\n" in report
    assert "     1  124  serving     3   3h 3m      -       -  1,234,000" in report


def test_in_one_line():
    assert summarise_status(parse_status(STATUS), RATES) == (
        "serving: 1,234,567 requests (12.5/s), 5.0 GiB sent (2.0 KiB/s), 1.0 MiB received (0 B/s), 18 connections, "
        "12 refused (1,234.5/s), 1 of 2 workers serve"
    )
    assert "1,234,567 requests, 5.0 GiB sent, 1.0 MiB received," in summarise_status(parse_status(STATUS), None)


def test_the_least_that_a_master_may_say():
    report = render_status(parse_status({"version": "9", "pid": 1, "state": "stopping"}))
    assert report.startswith("gemd 9, master 1, stopping, generation 0, up 0s\n  configuration  by flags\n")
    assert "  open files     - in the master\n" in report
    assert report.splitlines()[-1].startswith("WORKER")


def test_nothing_that_a_terminal_obeys():
    report = render_status(parse_status({**STATUS, "version": "\x1b[2J", "listeners": ["a\u202eb\n"]}))
    assert "gemd \\x1b[2J," in report
    assert "a\\u202eb\\x0a" in report


def test_a_figure_in_its_unit_and_one_that_is_not_known_yet():
    assert [format_figure(MEMORY, size) for size in (0, 1024)] == ["-", "1.0 KiB"]
    assert [format_figure(BYTES, size) for size in (0, 1024)] == ["0 B", "1.0 KiB"]
    assert [format_figure(DESCRIPTORS, number) for number in (0, 1024)] == ["-", "1,024"]
    assert [format_figure(REQUESTS, number) for number in (0, 1024)] == ["0", "1,024"]
