import json
import re
import time
import unicodedata

import msgspec
import pytest

from gemd.system import access_log
from gemd.system.access_log import AccessLog, Entry, address_writer
from gemd.system.line_log import NoLog
from tests.support.tables import check_table

FORMATS = ["jetforce", "common", "combined", "condensed", "legacy", "json"]
POLICIES = ["full", "truncated", "hashed", "none"]
SECRET = b"s" * 16

ENTRY = Entry(
    address="192.0.2.77",
    host="h",
    url="gemini://h/a",
    status=20,
    meta="text/gemini; lang=en",
    size=1234,
    seconds=0.0123456,
    complete=True,
    user="Jane Doe",
    certificate="ab" * 32,
    port=50123,
)

HOSTILE = {
    "lines": "a\r\nb\nc\rd\x0be\x0cf\x1cg\x1dh\x1ei\x85j\u2028k\u2029l",
    "quotes": '"a" "b\\" \\',
    "terminal": "\x1b[2J\x1b]0;title\x07\x9b31m\x08",
    "directions": "\u202egpj.exe\u2066\u2069\u200f",
    "NUL": "a\0b",
    "stray octets": "\udcff\udc80\ud800",
    "blanks": " a\tb ",
    "format": "%s %d {0} %",
}

# Categories that can end a line or steer a terminal, and characters that turn text around.
_BAD = {"Cc", "Zl", "Zp", "Cs"}
_TURNS = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}


class Lines(list):
    """A log that keeps its lines."""

    def write(self, line, level=20):
        self.append(line)

    def close(self):
        pass


@pytest.fixture
def write(monkeypatch):
    """The one line of an entry."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr("gemd.system.access_log.time.time", lambda: 1_700_000_000.9)

    def write(entry, log_format="common", addresses="full", queries="none"):
        log = AccessLog(Lines(), log_format, addresses, SECRET, queries)
        log.write(entry)
        assert len(log.log) == 1
        return log.log[0]

    yield write
    monkeypatch.undo()
    time.tzset()


LINES = {
    "jetforce": '192.0.2.77 [14/Nov/2023:22:13:20 +0000] "gemini://h/a" 20 "text/gemini; lang=en" 1234',
    "common": '192.0.2.77 - Jane_Doe [14/Nov/2023:22:13:20 +0000] "gemini://h/a" 20 1234',
    "combined": '192.0.2.77 - Jane_Doe [14/Nov/2023:22:13:20 +0000] "gemini://h/a" 20 1234 "-" "-"',
    "condensed": "2023-11-14T22:13:20+00:00 192.0.2.77 Jane_Doe h gemini://h/a 0 1234 20 text/gemini; lang=en",
    "legacy": "192.0.2.77:50123 GET gemini://h/a 20 text/gemini; lang=en",
}


@pytest.mark.parametrize(("log_format", "line"), LINES.items())
def test_a_line(write, log_format, line):
    assert write(ENTRY, log_format) == line


def test_a_line_of_json(write):
    assert json.loads(write(ENTRY, "json")) == {
        "time": "2023-11-14T22:13:20+00:00",
        "address": "192.0.2.77",
        "host": "h",
        "url": "gemini://h/a",
        "status": 20,
        "meta": "text/gemini; lang=en",
        "bytes": 1234,
        "seconds": 0.012346,
        "complete": True,
        "user": "Jane Doe",
        "certificate": "ab" * 32,
    }


PASSED = Entry("192.0.2.77", "b.example", "", 0, "", 871, 1.5, True, received=654, port=50123)
LINES_OF_PASSED = {
    "jetforce": '192.0.2.77 [14/Nov/2023:22:13:20 +0000] "- b.example 654" 0 "-" 871',
    "common": '192.0.2.77 - - [14/Nov/2023:22:13:20 +0000] "- b.example 654" 0 871',
    "combined": '192.0.2.77 - - [14/Nov/2023:22:13:20 +0000] "- b.example 654" 0 871 "-" "-"',
    "condensed": "2023-11-14T22:13:20+00:00 192.0.2.77 - b.example - 654 871 0 -",
    "legacy": "192.0.2.77:50123 GET - 0 b.example 654",
}


@pytest.mark.parametrize(("log_format", "line"), LINES_OF_PASSED.items(), ids=LINES_OF_PASSED)
def test_a_connection_that_was_passed_on(write, log_format, line):
    assert write(PASSED, log_format) == line


def test_a_blank_in_a_host_is_none_between_fields(write):
    line = write(Entry("192.0.2.77", "a - 1 2 3.h", "", 0, "", 871, 1.5, True, received=654), "condensed")
    assert line.split(" ")[3:7] == ["a%20-%201%202%203.h", "-", "654", "871"]


def test_a_connection_that_was_passed_on_in_json(write):
    told = json.loads(write(PASSED, "json"))
    assert (told["host"], told["url"], told["status"], told["sent"], told["received"]) == (
        "b.example",
        "-",
        0,
        871,
        654,
    )


def test_nothing_but_an_address(write):
    entry = Entry("192.0.2.77", "", "", 59, "", 4, 0.0, complete=True)
    assert write(entry, "common") == '192.0.2.77 - - [14/Nov/2023:22:13:20 +0000] "" 59 4'
    assert write(entry, "condensed").split(" ")[1:8] == ["192.0.2.77", "-", "-", "-", "0", "4", "59"]
    assert write(entry, "legacy") == "192.0.2.77:0 GET - 59 "


# gmid 2.1.1: asprintf("%s:%s GET %s %d %s") and asprintf("%s - %s [%s] \"%s\" %d 0 \"-\" \"\"").


def test_legacy_is_what_gmid_writes(write):
    entry = msgspec.structs.replace(ENTRY, address="2001:db8::7", status=51, meta="not found")
    assert write(entry, "legacy") == "2001:db8::7:50123 GET gemini://h/a 51 not found"


def test_combined_differs_from_gmid_in_bytes_and_agent(write):
    gmid = '192.0.2.77 - Jane [14/Nov/2023:22:13:20 +0000] "gemini://h/a" 20 0 "-" ""'
    ours = write(msgspec.structs.replace(ENTRY, user="Jane"), "combined")
    assert ours == gmid.replace(' 20 0 "-" ""', ' 20 1234 "-" "-"')


@pytest.mark.parametrize("addresses", ["truncated", "hashed", "none"])
def test_a_port_tells_nobody_from_others(write, addresses):
    """Not of one either whose address looks as if it were cut."""
    line = write(msgspec.structs.replace(ENTRY, address="192.0.2.0"), "legacy", addresses)
    assert line.split(" ")[0].endswith(":0")
    assert "50123" not in line


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("addresses", POLICIES)
@pytest.mark.parametrize("log_format", FORMATS)
def test_a_hostile_text_makes_one_harmless_line(write, log_format, addresses, text):
    entry = msgspec.structs.replace(ENTRY, url=text, meta=text, user=text, certificate=text)
    line = write(entry, log_format, addresses)
    assert is_harmless(line)
    assert line.encode()


@pytest.mark.parametrize("log_format", FORMATS)
def test_the_host_came_from_the_client_too(write, log_format):
    assert is_harmless(write(msgspec.structs.replace(ENTRY, host="a\nb"), log_format))


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("log_format", ["jetforce", "common", "combined"])
def test_a_hostile_text_makes_no_further_field(write, log_format, text):
    expected = re.findall(r'"[^"]*"|\[[^]]*\]|[^ ]+', write(ENTRY, log_format))
    hostile = msgspec.structs.replace(ENTRY, url=text, meta=text, user=text)
    assert len(re.findall(r'"[^"]*"|\[[^]]*\]|[^ ]+', write(hostile, log_format))) == len(expected)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_json_keeps_what_was_sent(write, text):
    assert json.loads(write(msgspec.structs.replace(ENTRY, url=text), "json"))["url"] == text


def is_harmless(text):
    return not any(unicodedata.category(c) in _BAD or unicodedata.bidirectional(c) in _TURNS for c in text)


LONG = {
    "a name of 30 KB": {"user": "x" * 30_000},
    "a name of escapes": {"user": "\x1b" * 30_000},
    "a name beyond the BMP": {"user": "\U0001f600" * 30_000},
    "a line of controls": {"url": "\x1b" * 1024},
    "a line of stray octets": {"url": "\\xff" * 1024},
    "a text of quotes": {"meta": '"' * 1024},
    "everything": {"url": "\\xff" * 1024, "meta": '"' * 1024, "user": '"' * 30_000, "host": "h" * 253},
}


@pytest.mark.parametrize("values", LONG.values(), ids=LONG)
@pytest.mark.parametrize("log_format", FORMATS)
def test_what_a_client_chose_pushes_nothing_out_of_the_line(write, log_format, values):
    """A sink cuts lines at 4096 bytes."""
    line = write(msgspec.structs.replace(ENTRY, address="2001:db8::" + "1" * 20, **values), log_format)
    assert len(line.encode()) < 4096
    if log_format == "json":
        assert json.loads(line)["certificate"] == ENTRY.certificate
    else:
        assert re.search(r" 20( |$)", line)
    if log_format not in ("legacy", "json"):
        assert re.search(r" 1234( |$)", line)


def test_what_is_remembered_of_a_field_is_of_no_other():
    check_table(access_log._field, [(f'"{n // 2}' * 10, 20 + n % 2) for n in range(400)])


def test_a_name_that_fits_is_whole_and_one_that_does_not_is_marked(write):
    line, cut = (write(msgspec.structs.replace(ENTRY, user="x" * length)) for length in (64, 65))
    assert line.split(" ")[2] == "x" * 64
    assert cut.split(" ")[2] == "x" * 61 + "..."


@pytest.mark.parametrize("log_format", FORMATS)
def test_a_url_of_the_longest_is_whole(write, log_format):
    url = "gemini://h/" + "a" * 1013
    assert url in write(msgspec.structs.replace(ENTRY, url=url), log_format)


@pytest.mark.parametrize(("log_format", "line"), LINES.items())
def test_an_answer_that_broke_off_is_marked_where_there_was_a_hyphen(write, log_format, line):
    broken = write(msgspec.structs.replace(ENTRY, complete=False), log_format)
    has_mark = log_format in ("common", "combined")
    assert broken == (line.replace(" - Jane", " broken Jane") if has_mark else line)
    # The fields are the same for those that read this format, such as GoAccess.
    common = r'(\S+) (\S+) (\S+) \[([^]]+)\] "([^"]*)" (\d+) (\d+)'
    if has_mark:
        assert re.match(common, broken)[2] == "broken"
        assert re.match(common, line)[2] == "-"


# What somebody typed


def typed(url):
    return msgspec.structs.replace(ENTRY, url=url, status=31, meta=f"{url}&more")


@pytest.mark.parametrize("log_format", FORMATS)
def test_no_query_is_logged(write, log_format):
    line = write(typed("gemini://h/password?hunter2"), log_format)
    assert "hunter2" not in line
    assert "more" not in line
    assert "gemini://h/password?..." in line


@pytest.mark.parametrize("log_format", FORMATS)
def test_queries_are_logged_where_that_is_wanted(write, log_format):
    line = write(typed("gemini://h/password?hunter2"), log_format, queries="full")
    assert "gemini://h/password?hunter2" in line
    assert ("&more" in line) == (log_format in ("jetforce", "condensed", "legacy", "json"))


@pytest.mark.parametrize("queries", ["none", "full"])
@pytest.mark.parametrize("log_format", FORMATS)
def test_no_token_is_logged(write, log_format, queries):
    line = write(typed("titan://h/a;token=hunter2;size=1"), log_format, queries=queries)
    assert "hunter2" not in line
    assert "titan://h/a;token=...;size=1" in line


def test_a_request_may_have_another_log_or_none():
    common, other = Lines(), Lines()
    chosen = {"a": common, "b": other, "c": NoLog()}
    log = AccessLog(common, "common", "full", SECRET, "none", chosen.get)
    for request in ("a", "b", "c", None):
        log.write(ENTRY, request)
    assert (len(common), len(other)) == (2, 1)


# Dates


@pytest.mark.parametrize(
    ("zone", "common", "iso"),
    [
        ("UTC", "14/Nov/2023:22:13:20 +0000", "2023-11-14T22:13:20+00:00"),
        ("NPT-5:45", "15/Nov/2023:03:58:20 +0545", "2023-11-15T03:58:20+05:45"),
        ("XXX3:30", "14/Nov/2023:18:43:20 -0330", "2023-11-14T18:43:20-03:30"),
    ],
)
def test_dates_have_the_time_zone_and_not_the_locale(write, monkeypatch, zone, common, iso):
    monkeypatch.setattr(time, "strftime", None)  # which follows the locale
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    access_log._common_time.cache_clear()
    access_log._iso_time.cache_clear()
    try:
        assert f"[{common}]" in write(ENTRY, "common")
        assert json.loads(write(ENTRY, "json"))["time"] == iso
    finally:
        access_log._common_time.cache_clear()
        access_log._iso_time.cache_clear()


ADDRESSES = {
    "full": {"192.0.2.77": "192.0.2.77", "2001:db8:1:2::3": "2001:db8:1:2::3", "unix": "unix"},
    "truncated": {"192.0.2.77": "192.0.2.0", "2001:db8:1:2::3": "2001:db8:1::", "unix": "unix"},
    "none": {"192.0.2.77": "-", "2001:db8:1:2::3": "-", "unix": "-"},
}


@pytest.mark.parametrize(
    ("policy", "address", "text"),
    [(policy, address, text) for policy, row in ADDRESSES.items() for address, text in row.items()],
)
def test_addresses(policy, address, text):
    assert address_writer(policy, SECRET)(address) == text


def test_a_hashed_address_is_the_same_for_one_secret_only():
    one, again, other = (
        address_writer("hashed", SECRET),
        address_writer("hashed", SECRET),
        address_writer("hashed", b"x"),
    )
    assert re.fullmatch("[0-9a-f]{12}", one("192.0.2.77"))
    assert one("192.0.2.77") == again("192.0.2.77")
    assert one("192.0.2.77") != one("192.0.2.78")
    assert one("192.0.2.77") != other("192.0.2.77")
