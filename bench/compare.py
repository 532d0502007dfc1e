"""Measures gemd beside other servers: `make bench`, or `compare.py -h` for more.

Rules: nothing is asserted; it ends by itself, and stops what it started.
"""

import argparse
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import alone
import apps
import bursts
import changes
import download
import hostile
import prepare
import programs
import scenarios
import targets
from bursts import CASES
from cryptography.hazmat.backends.openssl import backend
from measure import MeasureError
from prepare import SERVERS, Site
from programs import PACKAGES, Missing

_SCENARIOS = {
    "slow": scenarios.run_slow,
    "kill": scenarios.run_kill,
    "streams": apps.run_streams,
    "reload": changes.run_reload,
    "upgrade": changes.run_upgrade,
    "rotate": changes.run_rotate,
    "download": download.run_download,
    "recycle": changes.run_recycle,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; 0 unless the tools themselves could not be made."""
    options = parse_arguments(arguments)
    sys.stdout.reconfigure(line_buffering=True)  # whoever writes it to a file wants to see how far it is
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every server is stopped on the way out
    try:
        gemload, cases = _prepare_load(options.case or list(CASES))
        with tempfile.TemporaryDirectory(prefix="gemd-bench-") as folder:
            site = prepare.make_site(Path(folder))
            print_conditions(gemload)
            if options.command in ("table", "alone"):
                _measure_servers(gemload, site, options, cases)
            elif options.command == "apps":
                apps.run_apps(gemload, site, options.k or 3, options.n, options.c)
            elif options.command == "hostile":
                hostile.run_hostile(gemload, site, options.workers, options.only, options.attack)
            else:
                _SCENARIOS[options.command](gemload, site, options.workers)
    except (Missing, MeasureError) as error:
        print(f"compare.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _prepare_load(cases: list[str]) -> tuple[Path, list[str]]:
    """gemload, and the cases that it is fit for."""
    try:
        return programs.compile_with_current_openssl("gemload"), cases
    except Missing as error:
        if "mlkem" in cases:
            print(f"compare.py: nothing is measured with X25519MLKEM768: {error}", file=sys.stderr)
        return programs.compile_program("gemload"), [case for case in cases if case != "mlkem"]


def _measure_servers(gemload: Path, site: Site, options: argparse.Namespace, cases: Sequence[str]) -> None:
    """What they cost side by side, and alone unless only some cases are asked for; or that alone."""
    prepare.add_script(site)
    if options.command == "table":
        settings = bursts.choose_settings(options.pin)
        bursts.run_bursts(gemload, site, settings, cases, options.only, options.before, options.k or 7)
    if not options.case:
        alone.run_alone(gemload, site, options.only)
    versions = [f"{name} {version}" for name in PACKAGES if (version := programs.package_version(name))]
    if versions:
        print("\nBeside gemd:", ", ".join(versions))


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Measure gemd beside other servers. bench/README.md has the details.")
    parser.add_argument(
        "command",
        nargs="?",
        choices=["table", "alone", "apps", "hostile", *_SCENARIOS],
        default="table",
        help="table: CPU and speed of all servers, side by side, and `alone` (default); "
        "alone: their memory and start; slow: 2,000 clients that don't go on; "
        "kill: one worker killed each second; apps: an application on gemd and on Jetforce; "
        "streams: 200 answers that go on, and a static page; "
        "hostile: what a visitor meets while others attack; "
        "reload, upgrade, rotate, recycle: what clients lose meanwhile; download: 40 seconds that live through them",
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=dict.fromkeys([*SERVERS, *targets.SERVERS]),
        metavar="SERVER",
        help=f"{', '.join(SERVERS)}, or of hostile {', '.join(targets.SERVERS)}; more than once; "
        "table, alone and hostile",
    )
    parser.add_argument("-k", type=int, metavar="ROUNDS", help="rounds (default: 7 of table, 3 of apps)")
    table = parser.add_argument_group("table")
    table.add_argument(
        "--pin",
        action=argparse.BooleanOptionalAction,
        help="one worker on a CPU of its own alone, or two that share two CPUs with the load alone (default: both)",
    )
    table.add_argument(
        "--case", action="append", choices=CASES, metavar="CASE", help=f"{', '.join(CASES)}; more than once"
    )
    table.add_argument("--before", type=Path, metavar="FOLDER", help="another gemd's source, to compare with")
    group = parser.add_argument_group("apps")
    group.add_argument("-n", type=int, default=3000, metavar="REQUESTS", help="requests a round (default: 3000)")
    group.add_argument("-c", type=int, default=16, metavar="CONNS", help="connections at a time (default: 16)")
    attacks = [*hostile.ATTACKS, *hostile.FOOTPRINTS]
    parser.add_argument(
        *("--attack", "-a"),
        action="append",
        choices=attacks,
        metavar="ATTACK",
        help=f"{', '.join(attacks)} (default: all); more than once; hostile",
    )
    parser.add_argument(
        "--workers", type=int, default=_cpus(), metavar="N", help="workers of gemd in all else (default: one a CPU)"
    )
    options = parser.parse_args(arguments)
    if min(options.n, options.c, options.workers) < 1 or (options.k is not None and options.k < 1):
        parser.error("-n, -c, -k and --workers have to be 1 or more")
    known = targets.SERVERS if options.command == "hostile" else SERVERS
    if others := [name for name in options.only or () if name not in known]:
        parser.error(f"--only {others[0]}: not a server of this measurement")
    return options


def _cpus() -> int:
    return max(2, len(os.sched_getaffinity(0)))


def print_conditions(gemload: Path) -> None:
    """What the figures depend on."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = models[0].partition(":")[2].strip() if models else platform.machine()
    system = programs.describe_openssl(programs.compile_program("floor"))
    print(f"{os.cpu_count()} x {model}, Linux {platform.release()}, load {os.getloadavg()[0]:.2f}")
    print(f"Python {platform.python_version()}; OpenSSL: gemd {backend.openssl_version_text()}, floor {system},")
    print(f"floor-current and gemload {programs.describe_openssl(gemload)}")


if __name__ == "__main__":
    sys.exit(main())
