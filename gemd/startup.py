"""The steps from the command line to a generation of workers, each checked before anything is served.

Rules: what needs root comes first, and nothing after it does; all that a user can have done wrong is raised as one of
FAILURES. Called by `gemd.__main__` in the order of this file, and again at each reload by `gemd.daemon`.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from gemd.config import Config, ConfigError, Host, Problem, parse_config
from gemd.exit_codes import ExitCode
from gemd.options import UsageError, read_tables
from gemd.processes.generation import Generation
from gemd.processes.rate_limit import RateLimit
from gemd.responders.app_load import AppLoadError
from gemd.responders.router import Router
from gemd.system import certificates, tls
from gemd.system.access_log import AccessLog
from gemd.system.certificates import CertificateError, ServerCertificate
from gemd.system.listener import BindError, Listener, bind_all
from gemd.system.log import LogError, Logs, error_log
from gemd.system.mime_table import load_mime_table
from gemd.system.pid_file import AlreadyRunning, PidFileError
from gemd.system.privileges import Identity, PrivilegeError, find_identity
from gemd.system.tls import TLSError

FAILURES = (
    UsageError,
    ConfigError,
    CertificateError,
    LogError,
    TLSError,
    BindError,
    PrivilegeError,
    PidFileError,
    AppLoadError,
)


def explain(failure: Exception) -> tuple[ExitCode, list[str]]:
    """The exit code of one of FAILURES, and what to print."""
    codes: dict[type[Exception], ExitCode] = {
        UsageError: ExitCode.USAGE,
        BindError: ExitCode.BIND,
        PrivilegeError: ExitCode.PRIVILEGES,
        AlreadyRunning: ExitCode.RUNNING,
        AppLoadError: ExitCode.APPLICATION,
    }
    lines = failure.lines() if isinstance(failure, ConfigError) else [str(failure)]
    if isinstance(failure, AppLoadError):
        lines += failure.trace()
    return codes.get(type(failure), ExitCode.CONFIGURATION), lines


def read_config(options: argparse.Namespace, directory: Path) -> Config:
    """The configuration that the command line asks for, started in `directory`. Raises ConfigError and UsageError."""
    path = directory / options.config if options.config else None
    config = parse_config(
        read_tables(options, directory),
        base=path.parent if path else directory,
        source=str(options.config) if options.config else None,
        cpus=len(os.sched_getaffinity(0)),
    )
    check_machine(config)
    return config


def check_machine(config: Config) -> None:
    """Raise ConfigError unless this machine has the users and directories that are named."""
    problems = _check_user(config) + _check_roots(config)
    if problems:
        raise ConfigError(problems, config.source)


def _check_user(config: Config) -> list[Problem]:
    service = config.service
    problems = []
    if service.user not in (None, "root"):
        try:
            find_identity(str(service.user), service.group)
        except PrivilegeError as error:
            problems.append(Problem("user", str(error)))
    if service.chroot is not None and (reason := _why_no_root(service.chroot)):
        problems.append(Problem("chroot", f"{service.chroot} {reason}"))
    return problems


def _check_roots(config: Config) -> list[Problem]:
    """A problem for every root that is no directory which can be opened."""
    problems = []
    for h, host in enumerate(config.hosts, 1):
        for i, location in enumerate(host.locations):
            where = f"host[{h}].location[{i}].root" if i else f"host[{h}].root"
            if location.root is None:
                if not location.redirect and not location.gone and location.app is None:
                    problems.append(Problem(where, "there is nothing to serve: set a root directory"))
            elif i == 0 or location.mount or location.root != host.locations[0].root:
                reason = _why_no_root(location.root)
                if reason:
                    problems.append(Problem(where, f"{location.root} {reason}"))
    return problems


def _why_no_root(root: str) -> str | None:
    try:
        os.close(os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    except OSError as error:
        return f"can't be opened: {error.strerror}"
    return None


class Materials(msgspec.Struct, frozen=True):
    """What only root can fetch: sockets below port 1024, and keys. `certificates` by host name."""

    listeners: Sequence[Listener]
    certificates: dict[str, ServerCertificate]


def fetch_materials(config: Config, present: Sequence[Listener], owner: Identity | None) -> Materials:
    """Bind what none of the listeners that are `present` serves, and load the certificates, or make them for `owner`.

    Raises BindError and CertificateError, and then closes what it has bound.
    """
    listeners = bind_all(config.listen, config.timeouts.request, present)
    try:
        return Materials(listeners, {host.name: load_certificate(host, config, owner) for host in config.hosts})
    except CertificateError:
        close_new(listeners, present)
        raise


def close_new(listeners: Sequence[Listener], present: Sequence[Listener]) -> None:
    """Close those of `listeners` that are not among the `present` ones."""
    for listener in listeners:
        if listener not in present:
            listener.close()


def certificate_directory(config: Config) -> Path:
    """Where certificates are made and kept: as configured, else where systemd says, else /var/lib/gemd for a service
    and the user's data directory for anybody else. Raises CertificateError where there is none."""
    if config.tls.certificates:
        return Path(config.tls.certificates)
    state = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if state.startswith("/"):
        return Path(state)
    if os.geteuid() == 0 or config.service.user is not None:
        return Path("/var/lib/gemd")
    data = os.environ.get("XDG_DATA_HOME", "")
    try:
        return (Path(data) if data.startswith("/") else Path.home() / ".local/share") / "gemd"
    except RuntimeError:
        raise CertificateError("there is no home directory to keep certificates in: set tls.certificates") from None


def load_certificate(host: Host, config: Config, owner: Identity | None) -> ServerCertificate:
    """The host's configured certificate, or its self-signed one, made if need be. Raises CertificateError."""
    if host.certificate is not None and host.key is not None:
        return certificates.load(Path(host.certificate), Path(host.key))
    ids = (owner.uid, owner.gid) if owner is not None else None
    return certificates.find_or_make(certificate_directory(config), host.names, ids)


def check_certificates(config: Config) -> None:
    """Load what is configured, without making anything, and print what is worth a look. Raises CertificateError."""
    build_router(config, None)
    for host in config.hosts:
        if host.certificate is not None and host.key is not None:
            certificate = certificates.load(Path(host.certificate), Path(host.key))
            tls.build_context(certificate, config.tls)
            for warning in certificate.warnings:
                print(f"gemd: warning: {warning}", file=sys.stderr)


def check_applications(config: Config) -> None:
    """Load the applications, as the user who runs this; root does not run other people's code for a service that has
    a user of its own. Raises AppLoadError."""
    applications = build_router(config, None).applications
    if os.geteuid() == 0 and config.service.user not in (None, "root"):
        applications.check_environment()
        if applications:
            print(f"gemd: not loaded as root: the applications; run this as {config.service.user}", file=sys.stderr)
        return
    applications.check()


def build_generation(
    config: Config, materials: Materials, identity: Identity | None, former: Generation | None = None
) -> Generation:
    """All that workers are made of. They become `identity`, unless it is None. Raises one of FAILURES."""
    context = build_context(config, materials.certificates)
    rate_limit = _share_rate_limit(config, former)
    router = build_router(_seen_from_inside(config), rate_limit)
    router.applications.preload()
    logs = Logs(config.log, former.logs if former is not None else None)
    secret = former.access_log.secret if former is not None else os.urandom(16)
    return Generation(
        number=former.number + 1 if former is not None else 1,
        config=config,
        listeners=materials.listeners,
        context=context,
        respond=router.respond,
        applications=router.applications,
        rate_limit=rate_limit,
        logs=logs,
        access_log=AccessLog(logs.access, config.log.format, config.log.addresses, secret),
        identity=identity,
    )


def _share_rate_limit(config: Config, former: Generation | None) -> RateLimit | None:
    """The former generation's budgets where the rate is still the same: a reload forgives nobody."""
    if config.rate is None:
        return None
    if former is not None and former.rate_limit is not None and former.config.rate == config.rate:
        return former.rate_limit
    return RateLimit(config.rate)


def _seen_from_inside(config: Config) -> Config:
    """The configuration with its roots as processes see them that are shut in `chroot`."""
    chroot = config.service.chroot
    if chroot is None:
        return config

    def move(path: str | None) -> str | None:
        return "/" + os.path.relpath(path, chroot) if path else path

    def inside(host: Host) -> Host:
        locations = tuple(
            msgspec.structs.replace(place, root=move(place.root), app_path=move(place.app_path))
            for place in host.locations
        )
        return msgspec.structs.replace(host, locations=locations)

    return msgspec.structs.replace(config, hosts=tuple(map(inside, config.hosts)))


def build_router(config: Config, rate_limit: RateLimit | None) -> Router:
    """The hosts, with all that they need of the machine. Raises CertificateError for authorities that can't be read."""
    return Router(config, load_mime_table(), rate_limit.check if rate_limit is not None else None)


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


def announce(config: Config, materials: Materials) -> None:
    """Say in the log what is served where, with which certificate."""
    port = next((listener.port for listener in materials.listeners if listener.port), 0)
    for host in config.hosts:
        certificate = materials.certificates[host.name]
        url = f"gemini://{host.name}/" if port in (0, 1965) else f"gemini://{host.name}:{port}/"
        place = host.locations[0]
        error_log.info("serving %s from %s", url, place.app or place.root or "its locations")
        error_log.info("its certificate %s has the SHA-256 fingerprint %s", certificate.path, certificate.fingerprint)
    warn(materials)
    error_log.info("listening on %s; SIGTERM or Ctrl-C stops", ", ".join(map(str, materials.listeners)))


def warn(materials: Materials) -> None:
    """Say in the log what an operator should mend."""
    for certificate in materials.certificates.values():
        for warning in certificate.warnings:
            error_log.warning("%s", warning)
