"""Rates by host and location: over all workers, through deaths and reloads. None comes back while a test lasts."""

import os
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from .certificates import make_certificate
from .conftest import wait_for

CONFIG = """
workers = {workers}
[limits]
rate = "{rate}"
[[host]]
name = "localhost"
root = "{{root}}"
rate = "6/1d"
{more}
[[host]]
name = "other"
root = "{{root}}"
"""
LOCATIONS = """
  [[host.location]]
  path = "/narrow/"
  rate = "2/1d"
  [[host.location]]
  path = "/free/"
  rate = "none"
  [[host.location]]
  path = "/member/"
  rate = { limit = "2/1d", by = "certificate" }
"""


def fill(capsule):
    for name in ("narrow", "narrow/below", "free", "member"):
        (capsule / name).mkdir()
        (capsule / name / "index.gmi").write_text(f"# {name}\n")


def start(configure, capsule, workers=2, rate="1000/1d", more=LOCATIONS):
    fill(capsule)
    text = CONFIG.format(workers=workers, rate=rate, more="{more}").replace("{more}", more)
    return configure(text)


def statuses(daemon, path, count, source="127.0.0.2", **options):
    return [daemon.ask(path, source=source, **options).status for _ in range(count)]


def test_what_lies_below_spends_all_budgets_above_it(configure, capsule):
    daemon = start(configure, capsule)
    assert statuses(daemon, "/narrow/", 3) == [20, 20, 44]
    assert statuses(daemon, "/narrow/below/", 1) == [44]
    assert statuses(daemon, "/", 5) == [20] * 4 + [44]  # what one refused, the other has not counted
    assert statuses(daemon, "/free/", 9) == [20] * 9
    assert statuses(daemon, "/", 3, host="other", name="other") == [20] * 3
    assert statuses(daemon, "/", 1, source="127.0.0.3") == [20]


def test_the_answer_is_the_seconds_alone(configure, capsule):
    daemon = start(configure, capsule, rate="3/1d")
    answers = [daemon.ask("/narrow/", source="127.0.0.2") for _ in range(4)]
    assert [answer.status for answer in answers] == [20, 20, 44, 44]
    assert all(answer.meta.isdecimal() and answer.complete and not answer.body for answer in answers[2:])
    assert 43_000 < int(answers[2].meta) <= 43_200  # of the location
    assert 28_000 < int(answers[3].meta) <= 28_800  # of the whole daemon


def test_what_is_no_request_and_what_is_for_others_counts_for_the_whole_daemon(configure, capsule):
    daemon = start(configure, capsule, rate="3/1d")
    assert daemon.send(b"no url\r\n", source="127.0.0.2").status == 59
    assert daemon.send(b"gemini://foreign.example/\r\n", source="127.0.0.2").status == 53
    assert daemon.send(b"https://localhost/\r\n", source="127.0.0.2").status == 53
    for line in (b"no url\r\n", b"gemini://foreign.example/\r\n", daemon.url("/").encode() + b"\r\n"):
        assert daemon.send(line, source="127.0.0.2").status == 44
    assert daemon.ask("/", source="127.0.0.3").status == 20


def test_by_certificate_wherever_it_comes_from(configure, capsule, tmp_path):
    daemon = start(configure, capsule)
    for name in ("ada", "bob"):
        make_certificate(tmp_path / f"{name}.pem", name)
    ada, bob = ({"cert": tmp_path / f"{name}.pem"} for name in ("ada", "bob"))
    assert statuses(daemon, "/member/", 1, "127.0.0.2", **ada) == [20]
    assert statuses(daemon, "/member/", 2, "127.0.0.3", **ada) == [20, 44]
    assert statuses(daemon, "/member/", 2, "127.0.0.2", **bob) == [20, 20]
    assert statuses(daemon, "/member/", 3, "127.0.0.4") == [20, 20, 44]
    assert statuses(daemon, "/member/", 1, "127.0.0.5") == [20]


def test_budgets_survive_workers_and_reloads_and_another_rate_begins_anew(configure, capsule, tmp_path):
    daemon = start(configure, capsule)
    assert statuses(daemon, "/narrow/", 3) == [20, 20, 44]
    before = daemon.workers
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: len(set(daemon.workers) - set(before)) == 2, "others in their place")
    daemon.expect("was killed by SIGKILL", "killed")
    assert statuses(daemon, "/narrow/", 1) == [44]
    path = tmp_path / "gemd.conf"
    text = path.read_text()
    path.write_text(text.replace('path = "/free/"\n', 'path = "/free/"\nlang = "en"\n'))
    daemon.replace_workers()
    assert statuses(daemon, "/narrow/", 1) == [44]
    path.write_text(text.replace('"2/1d"\n', '"3/1d"\n'))
    daemon.replace_workers()
    assert statuses(daemon, "/narrow/", 4) == [20, 20, 20, 44]


def test_many_clients_at_eight_workers_have_what_they_may_and_hardly_more(configure, capsule):
    """Each asks more often than it may, over all workers at once. The bench has the figure for hotter ones."""
    daemon = start(configure, capsule, workers=8, more="")
    sources = [f"127.0.1.{nr}" for nr in range(1, 21)]
    with ThreadPoolExecutor(8) as pool:
        asked = [source for _ in range(9) for source in sources]
        answers = Counter(pool.map(lambda source: (source, daemon.ask("/", source=source).status), asked))
    served = {source: answers[source, 20] for source in sources}
    assert min(served.values()) >= 6
    assert sum(served.values()) <= 1.02 * 6 * len(sources)
