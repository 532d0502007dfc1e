"""From a configuration to a generation: all that workers are made of.

Rule: a generation shares with the former one what has not changed, so that a reload forgives nobody and loses nothing.
"""

import contextlib
import os
from collections.abc import Mapping

import msgspec

from gemd.config import Config, Host
from gemd.config.script_settings import find_script_users
from gemd.config.types import Rate
from gemd.protocol.request import Request
from gemd.responders.cgi.scripts import ScriptUser
from gemd.responders.router import Router
from gemd.shared.generation import Generation
from gemd.shared.rate_limit import RateLimit
from gemd.shared.script_host import ScriptHost, Setup
from gemd.startup.files import Files
from gemd.startup.private_files import find_log_files
from gemd.startup.resources import Resources
from gemd.system import tls_context
from gemd.system.access_log import AccessLog
from gemd.system.certificates import ServerCertificate
from gemd.system.line_log import LineLog, NoLog
from gemd.system.logs import Logs
from gemd.system.privileges import Identity, PrivilegeError, is_current
from gemd.system.process import fill_standard_streams


def build_generation(
    config: Config,
    resources: Resources,
    files: Files,
    identity: Identity | None,
    former: Generation | None = None,
) -> Generation:
    """All that workers are made of. They become `identity`, unless it is None. Log files are opened, and applications
    preloaded; nothing else is touched. Raises one of FAILURES."""
    context = build_server_context(config, resources.certificates)
    rate_limit = _share_rate_limit(config, former)
    with contextlib.ExitStack() as new:
        script_hosts = make_script_hosts(config, files)
        for host in script_hosts.values():
            new.callback(host.close)
        router = build_router(_seen_from_inside(config), files, rate_limit, script_hosts)
        logs = Logs(config.log, find_log_files(config), former.logs if former is not None else None)
        new.callback(logs.close_all_but, former.logs if former is not None else None)
        router.applications.preload()
        new.pop_all()
    fill_standard_streams()  # where an application has closed one
    secret = former.access_log.secret if former is not None else os.urandom(16)
    return Generation(
        number=former.number + 1 if former is not None else 1,
        config=config,
        listeners=resources.listeners,
        context=context,
        respond=router.respond,
        has_room=router.has_room,
        applications=router.applications,
        rate_limit=rate_limit,
        handshake_limit=_share_handshake_limit(config, former),
        logs=logs,
        access_log=build_access_log(config, logs, secret, router),
        identity=identity,
        confinement=files.confinement,
        script_hosts=tuple(script_hosts.values()),
    )


def make_script_hosts(config: Config, files: Files) -> dict[str, ScriptHost]:
    """What leads to a process for the scripts of each user, by the name that the configuration has for it. Raises
    PrivilegeError where this master can't become that user."""
    users = find_script_users(config)
    for user, key in users.items():
        identity = files.script_users[user]
        if os.geteuid() != 0 and not is_current(identity):
            raise PrivilegeError(
                f"{key}: only a master that stays root can run scripts as {identity.name}, and this one is uid "
                f'{os.geteuid()}: start gemd as root, with master-user = "root"'
            )
    chroot, confinement = config.service.chroot, files.confinement
    return {user: ScriptHost(Setup(files.script_users[user], chroot, confinement)) for user in users}


def build_access_log(config: Config, logs: Logs, secret: bytes, router: Router) -> AccessLog:
    """The access log. Where no location has a log of its own, no request is looked up for it again."""

    def choose(request: Request) -> LineLog | NoLog:
        location = router.locate(request)
        return logs.access if location is None else logs.of(location.log)

    log = config.log
    is_one = all(location.log is True for host in config.hosts for location in host.locations)
    return AccessLog(logs.access, log.format, log.addresses, secret, log.queries, None if is_one else choose)


def _share_rate_limit(config: Config, former: Generation | None) -> RateLimit | None:
    """The former generation's budgets where the rate is still the same: a reload forgives nobody."""
    if config.rate is None:
        return None
    if former is not None and former.rate_limit is not None and former.config.rate == config.rate:
        return former.rate_limit
    return RateLimit(config.rate)


def _share_handshake_limit(config: Config, former: Generation | None) -> RateLimit | None:
    """The same for handshakes."""
    number = config.limits.handshakes
    if number is None:
        return None
    if former is not None and former.handshake_limit is not None and former.config.limits.handshakes == number:
        return former.handshake_limit
    return RateLimit(Rate(number, 1.0))


def _seen_from_inside(config: Config) -> Config:
    """The configuration with its roots as processes see them that are shut in `chroot`."""
    chroot = config.service.chroot
    if chroot is None:
        return config

    def move(path: str | None) -> str | None:
        return "/" + os.path.relpath(path, chroot) if path else path

    def inside(host: Host) -> Host:
        locations = tuple(
            msgspec.structs.replace(location, root=move(location.root), app_path=move(location.app_path))
            for location in host.locations
        )
        return msgspec.structs.replace(host, locations=locations)

    return msgspec.structs.replace(config, hosts=tuple(map(inside, config.hosts)))


def build_router(
    config: Config, files: Files, rate_limit: RateLimit | None, script_hosts: Mapping[str, ScriptHost]
) -> Router:
    """The hosts, with all that they need of the machine."""
    check_rate = rate_limit.check if rate_limit is not None else None
    users: dict[str | None, ScriptUser] = {None: ScriptUser(files.home)}
    for name, host in script_hosts.items():
        users[name] = ScriptUser(files.script_users[name].home, host.requests)
    return Router(config, files.mime_table, check_rate, files.authorities.__getitem__, users, files.private)


def build_server_context(config: Config, loaded: dict[str, ServerCertificate]) -> tls_context.Context:
    """The context of the first host, which hands a connection to another one's when the client names that.

    Raises TLSError.
    """
    contexts = {name: tls_context.build_context(certificate, config.tls) for name, certificate in loaded.items()}
    by_name = {name: contexts[host.name] for host in config.hosts for name in host.names}
    first = contexts[config.hosts[0].name]
    if len(contexts) > 1:
        tls_context.choose_by_server_name(first, by_name)
    return first
