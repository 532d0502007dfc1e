"""docs/LOGS.md: its recipes fit the lines of a daemon, and the programs themselves read them."""

import configparser
import json
import re
import subprocess
from pathlib import Path

import pytest

from .conftest import wait_for
from .succession import HOST, SERVICE

DOCUMENT = Path(__file__).parents[2] / "docs" / "LOGS.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
FILTER, JAIL = (text for kind, text in BLOCKS if kind == "ini")
GOACCESS, REGEX_CHECK = (text for kind, text in BLOCKS if kind == "sh")
LOG = "/var/log/gemd/access.log"
FORGED = '"%20x%20-%20-%20"%2059%204'
PASSED = '192.0.2.9 - - [22/Nov/2026:18:18:53 +0000] "- b.example 654" 0 871'
# What each field of GoAccess takes.
FIELDS = {"%h": r"\S+", "%^": r"[^ \]]+", "%e": r"\S+", "%d": r"[^:]+", "%t": r"[\d:]{8}", "%s": r"\d{3}", "%b": r"\d+"}


@pytest.fixture(params=["common", "combined"])
def lines(request, configure):
    """Of a page, one that is missing, one whose name is like a line, another's host and what is no request."""
    daemon = configure(SERVICE + f'[log]\nformat = "{request.param}"\n' + HOST)
    for path in ("/", "/none", f"/{FORGED}"):
        daemon.ask(path)
    assert daemon.send(b"gemini://b.example/\r\n").status == 53
    assert daemon.send(b"\r\n").status == 59
    wait_for(lambda: len(daemon.access) == 5, "all the lines")
    return daemon.access


def statuses(lines):
    return [re.search(r'" (\d+) ', line)[1] for line in lines]


def test_the_filter_of_fail2ban_finds_who_misbehaves_alone(lines, tmp_path, need_program):
    parser = configparser.ConfigParser()
    parser.read_string(FILTER)
    # fail2ban takes the date out of the line, and its own words for an address are narrower.
    pattern = parser["Definition"]["failregex"].replace("<ADDR>", r"(?P<host>[\d.:a-f]+)")
    found = [re.search(pattern, re.sub(r"\[[^]]*\]", "[]", line)) for line in lines]
    assert sorted(match[0].split('" ')[1].split()[0] for match in found if match) == ["53", "59"]
    assert {match["host"] for match in found if match} == {"127.0.0.1"}
    need_program("fail2ban-regex")
    (tmp_path / "access.log").write_text("".join(f"{line}\n" for line in [*lines, PASSED]))
    (tmp_path / "filter.conf").write_text(FILTER)
    command = REGEX_CHECK.replace(LOG, str(tmp_path / "access.log"))
    command = command.replace("/etc/fail2ban/filter.d/gemd.conf", str(tmp_path / "filter.conf"))
    output = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True, timeout=60).stdout
    assert "Lines: 6 lines, 0 ignored, 2 matched, 4 missed" in output


def test_the_jail_is_for_the_filter_and_the_port():
    parser = configparser.ConfigParser()
    parser.read_string(JAIL)
    assert parser["gemd"]["logpath"] == LOG
    assert (parser["gemd"]["filter"], parser["gemd"]["port"]) == ("gemd", "1965")


def test_goaccess_reads_every_request(lines, tmp_path, need_program):
    log = tmp_path / "access.log"
    log.write_text("".join(f"{line}\n" for line in [*lines, PASSED]))
    change, command = GOACCESS.replace(LOG, str(log)).split("|\n")
    changed = subprocess.run(["sh", "-c", change], capture_output=True, text=True, check=True, timeout=60).stdout
    log_format = re.search(r"--log-format='(.*?)'", command)[1]
    pieces = re.split(r"(%.)", log_format)
    fields = {**FIELDS, "%U": r'[^"]+'}
    pattern = "".join(fields[piece] if piece in fields else re.escape(piece) for piece in pieces)
    requests = changed.splitlines()
    assert all(re.match(pattern, line) for line in requests)
    assert sorted(statuses(requests)) == ["200", "404", "404", "530", "590"]
    need_program("goaccess")
    found = run_goaccess(log, tmp_path)
    assert found["general"]["total_requests"] == found["general"]["valid_requests"] == 5
    assert found["general"]["unique_not_found"] == 2
    assert [host["data"] for host in found["hosts"]["data"]] == ["127.0.0.1"]
    assert found["general"]["bandwidth"] == sum(int(re.search(r'" \d\d (\d+)', line)[1]) for line in lines)


@pytest.mark.parametrize("addresses", ["full", "truncated", "hashed"])
def test_goaccess_counts_each_visitor(addresses, configure, tmp_path, need_program):
    need_program("goaccess")
    daemon = configure(SERVICE + f'[log]\naddresses = "{addresses}"\n' + HOST)
    for source, times in (("127.0.0.2", 3), ("127.0.1.2", 2)):
        for _ in range(times):
            daemon.ask("/", source=source)
    wait_for(lambda: len(daemon.access) == 5, "all the lines")
    found = run_goaccess(daemon.folder / "access.log", tmp_path)
    assert found["general"]["unique_visitors"] == 2
    assert [host["hits"]["count"] for host in found["hosts"]["data"]] == [3, 2]


def run_goaccess(log, tmp_path):
    """The report of the recipe, as JSON."""
    report = tmp_path / "report.json"
    command = GOACCESS.replace(LOG, str(log)).replace("report.html", str(report))
    subprocess.run(["sh", "-c", command], capture_output=True, check=True, timeout=60)
    return json.loads(report.read_text())
