"""What requests cost side by side: all servers run at once, and one is asked at a time, in bursts by turns.

Rules: in each round every server has a burst of every case; those that are compared come one after the other, in random
order, so that what disturbs the machine disturbs all of them. A ratio is of two bursts of one round. It prints what it
counted and asserts nothing.
"""

import contextlib
import dataclasses
import os
import random
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import measure
import prepare
from measure import HOST, Counted, MeasureError, Running, Server
from prepare import FILE_SIZE, MEDIUM_SIZE, PAGE_SIZE, SCRIPT_SIZE, SERVERS, Site
from programs import Missing
from tables import print_table

_LAST_ROUND = 1200.0  # seconds; no round begins later, so that the end comes in time
_WARM_UP = 100  # requests
_CLOSING = 0.05  # seconds in which a burst's last connections are closed
_X25519 = "X25519"
_CURRENT_CLIENTS = "*X25519MLKEM768:*X25519"  # a share of each, as OpenSSL 3.5 and browsers send


@dataclass(frozen=True, slots=True)
class Case:
    """A burst of so many requests, so many at a time, for each of `servers`, the first of which the others are compared
    with; `beside` is another case to compare a server's own cost with. A body has to have `size`, None is its URL's."""

    title: str
    path: str
    size: int | None
    requests: int
    servers: tuple[str, ...]
    connections: int = 16
    groups: str = _X25519
    has_certificate: bool = False
    beside: str = ""


_FILES = ("floor", "gemd", "molly-brown", "gmid")
_PEERS = (*_FILES[1:], "jetforce", "nauyaca")

CASES = {
    "page": Case("1 KB page", "/page.gmi", PAGE_SIZE, 1200, ("floor", "floor-tuned", "floor-current", *_PEERS)),
    "mlkem": Case(
        *("1 KB page, X25519MLKEM768", "/page.gmi", PAGE_SIZE, 1200, ("floor-current", *_PEERS)),
        groups=_CURRENT_CLIENTS,
        beside="page",
    ),
    "certificate": Case(
        *("page, client certificate", "/members/page.gmi", PAGE_SIZE, 800, ("floor-tuned", *_PEERS[:-1])),
        has_certificate=True,
        beside="page",
    ),
    "medium": Case("100 KB file", "/medium.txt", MEDIUM_SIZE, 600, ("floor", *_PEERS)),
    "files-4": Case("10 MiB, 4 at a time", "/file.txt", FILE_SIZE, 40, ("floor", *_PEERS), connections=4),
    "files-32": Case("10 MiB, 32 at a time", "/file.txt", FILE_SIZE, 128, _FILES, connections=32),
    "script": Case(
        *("static C script", "/cgi-bin/hello", SCRIPT_SIZE, 400, ("molly-brown", "gemd", "jetforce")), connections=8
    ),
    "echo": Case("echo application", "/echo", None, 800, ("jetforce-echo", "gemd")),
}


@dataclass(frozen=True, slots=True)
class Setting:
    """With how many workers, and on which CPU the servers and the load are; None is both of two."""

    name: str
    title: str
    workers: int
    server_cpu: int | None
    load_cpu: int | None


@dataclass(slots=True)
class _Found:
    """Of one server in one case of one setting: what gemload counted, by round."""

    rounds: dict[int, Counted] = field(default_factory=dict)

    def values(self, key: str) -> list[float]:
        return [counted[key] for counted in self.rounds.values()]

    def ratios(self, base: "_Found") -> list[float]:
        """Its CPU by the base's, of each round that both have."""
        common = self.rounds.keys() & base.rounds.keys()
        return [self.rounds[number]["cpu_us"] / base.rounds[number]["cpu_us"] for number in common]


@dataclass(slots=True)
class _Bench:
    """Servers that run, by setting and name, and what was found of them, by setting, case and server."""

    gemload: Path
    certificate: tuple[str, ...]  # gemload's options
    running: dict[tuple[str, str], tuple[Server, Running]] = field(default_factory=dict)
    found: dict[tuple[str, str, str], _Found] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)  # a set in order

    def note(self, text: str) -> None:
        self.notes[text] = None


def choose_settings(pinned: bool | None) -> list[Setting]:
    """Both, or that with CPUs of their own, or that with shared ones. Raises MeasureError without two CPUs."""
    cpus = sorted(os.sched_getaffinity(0))[:2]
    if len(cpus) < 2:
        raise MeasureError("two CPUs are needed")
    os.sched_setaffinity(0, cpus)  # of this process and all that it starts
    settings = [
        Setting("own", "1 worker on a CPU of its own, the load on another", 1, *cpus),
        Setting("shared", "2 workers that share two CPUs with the load", 2, None, None),
    ]
    return [setting for setting in settings if pinned is None or pinned == (setting.name == "own")]


def run_bursts(
    gemload: Path,
    site: Site,
    settings: Sequence[Setting],
    cases: Sequence[str],
    only: Sequence[str] | None,
    before: Path | None,
    rounds: int,
) -> None:
    """So many rounds of the cases that are named, then a table for each setting."""
    certificate, key = prepare.make_certificate(site.folder, "visitor")
    bench = _Bench(gemload, ("-k", str(certificate), "-K", str(key)))
    places = _choose_servers(cases, only, before is not None)
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        for setting in settings:
            _start_servers(bench, stack, site, setting, {name for names in places.values() for name in names}, before)
        for number in range(rounds + 1):  # the first does not count
            if time.monotonic() > began + _LAST_ROUND:
                bench.note(f"{rounds - number + 1} rounds were left out: no time left")
                break
            for setting, case, name in _shuffle(settings, places):
                _show_progress(f"round {number} of {rounds}: {setting.name}, {case}, {name}")
                _burst(bench, setting, case, name, number)
    _show_progress("")
    print(f"\nMedians of {rounds} rounds, and from the least to the most; {time.monotonic() - began:.0f} s")
    for setting in settings:
        print(f"\n{setting.title}\n")
        _show_table(bench, setting, places)
        _show_comparisons(bench, setting, places)
    if bench.notes:
        print("", *bench.notes, sep="\n")


def _choose_servers(cases: Sequence[str], only: Sequence[str] | None, has_before: bool) -> dict[str, list[str]]:
    """By case; the first one is there whatever `only` says, as it is compared with."""
    places = {}
    for name in cases:
        first, *others = CASES[name].servers
        if has_before:
            others.insert(others.index("gemd") + 1, "gemd-before")
        places[name] = [first, *(other for other in others if not only or other in (*only, "gemd-before"))]
    return places


def _shuffle(settings: Sequence[Setting], places: dict[str, list[str]]) -> Iterator[tuple[Setting, str, str]]:
    """A round's bursts: setting, case and server. Cases that stand beside one another are one family."""
    families: dict[str, list[tuple[str, str]]] = {}
    for case, names in places.items():
        families.setdefault(CASES[case].beside or case, []).extend((case, name) for name in names)
    groups = [(setting, family) for setting in settings for family in families.values()]
    for setting, family in random.sample(groups, len(groups)):
        for case, name in random.sample(family, len(family)):
            yield setting, case, name


def _start_servers(
    bench: _Bench, stack: contextlib.ExitStack, site: Site, setting: Setting, names: set[str], before: Path | None
) -> None:
    """Start those servers, in the setting's own folder; who does not start has a note."""
    own = dataclasses.replace(site, folder=site.folder / setting.name)
    own.folder.mkdir()
    prepares = {**SERVERS, "jetforce-echo": lambda site, _workers: prepare.prepare_jetforce_app(site)}
    if before is not None:
        prepares["gemd-before"] = lambda site, workers: prepare.prepare_other_gemd(site, workers, before.resolve())
    for name in [name for name in prepares if name in names]:
        _show_progress(f"starting {name}")
        try:
            server = prepares[name](own, setting.workers)
            server = dataclasses.replace(server, command=measure.pin(server.command, setting.server_cpu))
            path = "/echo" if name == "jetforce-echo" else "/page.gmi"
            bench.running[setting.name, name] = server, stack.enter_context(measure.run(server, path))
        except (Missing, MeasureError) as error:
            bench.note(f"{name}: {error}")


def _burst(bench: _Bench, setting: Setting, case_name: str, name: str, number: int) -> None:
    """One burst; what it found is kept, unless it is that of round 0. A server that breaks off has a note."""
    if (setting.name, name) not in bench.running:
        return
    server, running = bench.running[setting.name, name]
    case = CASES[case_name]
    size = len(f"gemini://{HOST}:{server.port}{case.path}") if case.size is None else case.size
    requests = case.requests if number else min(_WARM_UP, case.requests)
    before = measure.cpu_nanoseconds(running.pid)
    try:
        counted = measure.load(
            *(bench.gemload, server.port, case.path, "-b", str(size)),
            *(bench.certificate if case.has_certificate else ()),
            connections=case.connections,
            requests=requests,
            groups=case.groups,
            cpu=setting.load_cpu,
        )
    except MeasureError as error:
        bench.note(f"{setting.name}, {case.title}, {name}, round {number}: {error}")
        return
    time.sleep(_CLOSING)
    if faults := measure.describe_faults(counted):
        bench.note(f"{setting.name}, {case.title}, {name}, round {number}: {faults}")
    if number:
        counted["cpu_us"] = (measure.cpu_nanoseconds(running.pid) - before) / requests / 1e3
        bench.found.setdefault((setting.name, case_name, name), _Found()).rounds[number] = counted


def _show_progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


# The tables

_HEADING = (
    *("what", "server", "CPU µs", "from", "to", "x first", "from", "to"),
    *("req/s", "p50 ms", "p99 ms", "MB/s", "group", "faults"),
)


def _show_table(bench: _Bench, setting: Setting, places: dict[str, list[str]]) -> None:
    lines = [_HEADING]
    for case_name, names in places.items():
        base = bench.found.get((setting.name, case_name, names[0]), _Found())
        for name in names:
            found = bench.found.get((setting.name, case_name, name))
            if found is not None:
                lines.append((CASES[case_name].title, name, *_format(found, base)))
    print_table(lines, left=2)


def _format(found: _Found, base: _Found) -> Iterator[str]:
    """The cells of one line."""
    yield from _spread(found.values("cpu_us"), ".0f")
    yield from _spread(found.ratios(base), ".2f")
    for key, style in (("rps", ".0f"), ("p50_ms", ".1f"), ("p99_ms", ".1f"), ("mb_s", ".1f")):
        yield format(statistics.median(found.values(key)), style)
    yield "/".join(sorted({counted["group"] for counted in found.rounds.values()}))
    yield f"{sum(found.values('requests')) - sum(found.values('ok')):.0f}"


def _spread(values: list[float], style: str) -> tuple[str, str, str]:
    """Median, least and most; nothing of nothing."""
    if not values:
        return "", "", ""
    return format(statistics.median(values), style), format(min(values), style), format(max(values), style)


def _show_comparisons(bench: _Bench, setting: Setting, places: dict[str, list[str]]) -> None:
    """A server's cost in a case by its cost in another one, and this folder's gemd by the other folder's."""
    print()
    for case_name, names in places.items():
        beside = CASES[case_name].beside
        pairs = [(f"{name}, by its {CASES[beside].title}", name, (beside, name)) for name in names if beside]
        pairs.append(("gemd, by the other gemd", "gemd", (case_name, "gemd-before")))
        for title, name, (other_case, other) in pairs:
            one = bench.found.get((setting.name, case_name, name))
            base = bench.found.get((setting.name, other_case, other))
            if one is not None and base is not None and (ratios := one.ratios(base)):
                middle, least, most = _spread(ratios, ".3f")
                print(f"{CASES[case_name].title}: {title}: {middle} ({least} to {most})")
