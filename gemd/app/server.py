"""An application as a program: `GeminiServer(app).run()` serves it in the foreground, by the whole daemon.

Rule: what can be said here are Jetforce's names for what gemd.conf(5) has; a configuration file can say more.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gemd.app.missing import missing_names_of
from gemd.app.response import App, Environ, Result, SendStatus
from gemd.config import Config, parse_config
from gemd.exit_codes import ExitCode
from gemd.protocol.characters import escape
from gemd.protocol.host import bracket
from gemd.protocol.url import DEFAULT_PORT
from gemd.system.encoding import has_utf8
from gemd.system.openssl import load_openssl

# What serves is imported when it has to serve: it takes the cryptography library along, which has to be loaded in
# gemd's way, and an application's tests need none of it.


def served(environ: Environ, send_status: SendStatus) -> Result:
    """The application of the GeminiServer that runs: workers inherit it by fork."""
    assert _app is not None
    return _app(environ, send_status)


_app: App | None = None

if not TYPE_CHECKING:
    __getattr__ = missing_names_of(__name__)


class GeminiServer:
    """Serves one application, which is made before the workers are forked.

    What it opened before is shared by them: connections to databases belong into its routes. SIGHUP keeps the
    application as it is; to have new code read at a reload, let a configuration file name it with `app`.
    """

    def __init__(
        self,
        app: App,
        reactor: object = None,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        hostname: str = "localhost",
        certfile: str | None = None,
        keyfile: str | None = None,
        cafile: str | None = None,
        capath: str | None = None,
        proxy_protocol: bool = False,
        use_tls: bool = True,
        *,
        aliases: Iterable[str] = (),
        workers: int | None = None,
        threads: int = 1,
        user: str | None = None,
    ) -> None:
        """`host` is the address to listen on, "" for all; `aliases` are names beside `hostname`, to which those are
        added that the application's routes and CompositeApplication know. Without `certfile` one is made and kept.

        `threads` of each of the `workers` (by default one a CPU, at least 2) may call the application at once. `user`
        is who to become when started as root. There is no `reactor`. With `proxy_protocol`, proxies on this machine say
        who the client is; without TLS it has to be a loopback address: see gemd.conf(5), [[listen]].
        """
        self.app = app
        self.host = host
        self.port = port
        self.hostname = hostname
        self.certfile = certfile
        self.keyfile = keyfile
        self.cafile = cafile
        self.capath = capath
        self.proxy_protocol = proxy_protocol
        self.use_tls = use_tls
        self.aliases = tuple(aliases)
        self.workers = workers
        self.threads = threads
        self.user = user

    def run(self) -> None:
        """Serve until SIGTERM or Ctrl-C. Ends the process with one of gemd's exit codes when that can't be done.

        A program that has loaded OpenSSL before, by cryptography, or by hashlib or ssl where both use the system's,
        should set OPENSSL_CONF (gemd(8)): else it may send session tickets.
        """
        global _app
        if not has_utf8():
            sys.exit("gemd: file names have to be UTF-8: set LC_ALL=C.UTF-8, or PYTHONUTF8=1")
        if not load_openssl():
            print("gemd: OpenSSL was loaded before: TLS 1.3 may send session tickets", file=sys.stderr)
        from gemd.startup.failures import FAILURES, explain_failure
        from gemd.startup.resources import Inherited
        from gemd.startup.serve import serve

        _app = self.app
        try:
            code = serve(self.read_config, Inherited(Path.cwd()))
        except FAILURES as failure:
            code, lines = explain_failure(failure)
            for line in lines:
                print(f"gemd: {escape(line)}", file=sys.stderr)
        finally:
            _app = None
        if code != ExitCode.OK:
            sys.exit(code)

    def read_config(self) -> Config:
        """The configuration that this server stands for. Raises ConfigError."""
        from gemd.startup.checks import check_machine

        config = parse_config(self._tables(), base=Path.cwd(), source=None, cpus=len(os.sched_getaffinity(0)))
        check_machine(config)
        return config

    def _tables(self) -> dict[str, object]:
        names = dict.fromkeys((*self.aliases, *find_hostnames(self.app)))
        host: dict[str, object] = {
            "name": self.hostname,
            "aliases": [name for name in names if name != self.hostname],
            "app": f"{__name__}:{served.__name__}",
            "app-threads": self.threads,
            "preload": True,
            **find_foreign(self.app),
        }
        if self.certfile is not None:
            host |= {"certificate": self.certfile, "key": self.keyfile or self.certfile}
        address = bracket(self.host) or "*"
        tls = {"ca-file": self.cafile, "ca-path": self.capath}
        optional = {"workers": self.workers, "user": self.user}
        return {
            "listen": [
                {"address": f"{address}:{self.port}", "proxy-protocol": self.proxy_protocol, "tls": self.use_tls}
            ],
            "host": [host],
            "tls": {key: value for key, value in tls.items() if value is not None},
            **{key: value for key, value in optional.items() if value is not None},
        }


def find_hostnames(app: object) -> list[str]:
    """The hosts that an application names, as far as it is made of routes and CompositeApplication, or Jetforce's."""
    applications = getattr(app, "application_map", None)
    outer = applications if isinstance(applications, dict) else ()
    return _texts([*outer, *(getattr(pattern, "hostname", None) for pattern in _find_patterns(app))])


def find_foreign(app: object) -> dict[str, object]:
    """The keys `schemes` and `hosts` for such an application: its routes may be for more than our own URLs."""
    patterns = list(_find_patterns(app))
    schemes = dict.fromkeys(("gemini", *_texts(getattr(pattern, "scheme", None) for pattern in patterns)))
    keys: dict[str, object] = {"schemes": [scheme for scheme in schemes if scheme]}
    if any(getattr(pattern, "strict_hostname", None) is False for pattern in patterns):
        keys["hosts"] = "*"
    return keys


def _find_patterns(app: object) -> Iterator[object]:
    """Those of its routes."""
    applications = getattr(app, "application_map", None)
    if isinstance(applications, dict):
        for application in applications.values():
            yield from _find_patterns(application)
    elif isinstance(routes := getattr(app, "routes", None), list):
        yield from (route[0] for route in routes)


def _texts(values: Iterable[object]) -> list[str]:
    return [value for value in values if isinstance(value, str)]
