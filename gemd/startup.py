"""The steps between a configuration and a running master, each checked before anything is served.

Called by `gemd.__main__` in the order of this file.
"""

import logging
import os
import sys
from pathlib import Path

from gemd.config import Config, ConfigError, Host, Problem
from gemd.exit_codes import ExitCode
from gemd.processes.kernel import ForkingKernel
from gemd.processes.master import Master
from gemd.processes.rate_limit import RateLimit
from gemd.processes.scoreboard import Scoreboard
from gemd.processes.worker import Workplace, run_worker
from gemd.responders.router import Router
from gemd.system import certificates, process, tls
from gemd.system.access_log import AccessLog
from gemd.system.certificates import CertificateError, ServerCertificate
from gemd.system.listener import Listener
from gemd.system.log import error_log, open_sink
from gemd.system.mime_table import load_mime_table


def check_roots(config: Config) -> None:
    """Raise ConfigError for every root that is no directory which can be opened."""
    problems = []
    for h, host in enumerate(config.hosts, 1):
        for i, location in enumerate(host.locations):
            where = f"host[{h}].location[{i}].root" if i else f"host[{h}].root"
            if location.root is None:
                if not location.redirect and not location.gone:
                    problems.append(Problem(where, "there is nothing to serve: set a root directory"))
            elif i == 0 or location.mount or location.root != host.locations[0].root:
                reason = _why_no_root(location.root)
                if reason:
                    problems.append(Problem(where, f"{location.root} {reason}"))
    if problems:
        raise ConfigError(problems, config.source)


def _why_no_root(root: str) -> str | None:
    try:
        os.close(os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    except OSError as error:
        return f"can't be opened: {error.strerror}"
    return None


def build_router(config: Config) -> Router:
    """The hosts, with all that they need of the machine. Raises CertificateError for authorities that can't be read."""
    check_rate = RateLimit(config.rate).check if config.rate is not None else None
    return Router(config, load_mime_table(), check_rate)


def certificate_directory(config: Config) -> Path:
    """Where certificates are made and kept: as configured, else /var/lib/gemd for root and the user's data directory
    for anybody else. Raises CertificateError where there is none."""
    if config.tls.certificates:
        return Path(config.tls.certificates)
    if os.geteuid() == 0:
        return Path("/var/lib/gemd")
    data = os.environ.get("XDG_DATA_HOME", "")
    try:
        return (Path(data) if data.startswith("/") else Path.home() / ".local/share") / "gemd"
    except RuntimeError:
        raise CertificateError("there is no home directory to keep certificates in: set tls.certificates") from None


def load_certificate(host: Host, config: Config) -> ServerCertificate:
    """The host's configured certificate, or its self-signed one, made if need be. Raises CertificateError."""
    if host.certificate is not None and host.key is not None:
        return certificates.load(Path(host.certificate), Path(host.key))
    return certificates.find_or_make(certificate_directory(config), host.names)


def check_certificates(config: Config) -> None:
    """Load what is configured, without making anything, and print what is worth a look. Raises CertificateError."""
    build_router(config)
    for host in config.hosts:
        if host.certificate is not None and host.key is not None:
            certificate = certificates.load(Path(host.certificate), Path(host.key))
            tls.build_context(certificate, config.tls)
            for warning in certificate.warnings:
                print(f"gemd: warning: {warning}", file=sys.stderr)


def build_context(config: Config, loaded: dict[str, ServerCertificate]) -> tls.Context:
    """The context of the first host, which hands a connection to another one's when the client names that.

    Raises TLSError.
    """
    contexts = {name: tls.build_context(certificate, config.tls) for name, certificate in loaded.items()}
    by_name = {name: contexts[host.name] for host in config.hosts for name in host.names}
    first = contexts[config.hosts[0].name]
    if len(contexts) > 1:
        tls.choose_by_server_name(first, by_name)
    return first


def announce(config: Config, listeners: list[Listener], loaded: dict[str, ServerCertificate]) -> None:
    """Say in the log what is served where, with which certificate, and what about it is worth a look."""
    port = next((listener.port for listener in listeners if listener.port), 0)
    for host in config.hosts:
        certificate = loaded[host.name]
        url = f"gemini://{host.name}/" if port in (0, 1965) else f"gemini://{host.name}:{port}/"
        error_log.info("serving %s from %s", url, host.locations[0].root or "its locations")
        error_log.info("its certificate %s has the SHA-256 fingerprint %s", certificate.path, certificate.fingerprint)
        for warning in certificate.warnings:
            error_log.warning("%s", warning)
    error_log.info("listening on %s; SIGTERM or Ctrl-C stops", ", ".join(map(str, listeners)))


def run_master(config: Config, listeners: list[Listener], context: tls.Context, router: Router) -> ExitCode:
    """Fork the workers and supervise them until the end."""
    process.set_title(f"master {config.source or config.hosts[0].locations[0].root}")
    workplace = Workplace(
        config,
        listeners,
        context,
        router.respond,
        AccessLog(open_sink(config.log.access), config.log.format, config.log.addresses, os.urandom(16)),
    )
    scoreboard = Scoreboard(config.workers)
    master = os.getpid()
    kernel = ForkingKernel(
        lambda nr, lifeline: run_worker(nr, workplace, scoreboard.row(nr), master, lifeline), listeners
    )
    try:
        return Master(
            kernel,
            scoreboard,
            config.workers,
            worker_timeout=config.timeouts.worker,
            stop_timeout=config.timeouts.stop,
        ).run()
    finally:
        for listener in listeners:
            listener.close()
        logging.shutdown()
