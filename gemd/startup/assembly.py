"""From a configuration to a generation: all that workers are made of.

Rule: a generation shares with the former one what has not changed, so that a reload forgives nobody and loses nothing.
"""

import contextlib
import importlib
import os
from collections.abc import Mapping
from functools import partial

import gemd.shared.rate_windows  # noqa: F401, a table that all workers share: it is made before they are forked
from gemd.config import Config
from gemd.config.app_settings import app_key, find_app_users, find_applications
from gemd.config.mistake import about
from gemd.config.script_settings import find_script_users
from gemd.config.tables import key_path
from gemd.config.types import AccessList, Budget
from gemd.config.upload_locations import find_upload_directories, takes_uploads
from gemd.protocol.networks import build_rule
from gemd.protocol.request import Request
from gemd.responders.cgi.scripts import ScriptUser
from gemd.responders.gateway.proxy_means import ProxyMeans
from gemd.responders.router import NO_SLOTS, MakeLimit, Router
from gemd.shared.app_host import AppHost
from gemd.shared.cells import Cells
from gemd.shared.counts import make_slots
from gemd.shared.generation import Generation
from gemd.shared.rate_limit import RateLimit, join_limits
from gemd.shared.script_host import ScriptHost, ScriptSetup
from gemd.startup.app_setups import build_app_setups
from gemd.startup.files import Files
from gemd.startup.inside import see_from_inside
from gemd.startup.private_files import find_log_files
from gemd.startup.resources import Resources, find_settings
from gemd.startup.tickets import gives_tickets
from gemd.system import tls_context
from gemd.system.access_log import AccessLog
from gemd.system.certificates import ServerCertificate
from gemd.system.line_log import LineLog, NoLog
from gemd.system.logs import Logs
from gemd.system.own_places import OwnPlaces
from gemd.system.privileges import Identity, PrivilegeError, can_become
from gemd.system.process import fill_standard_streams
from gemd.system.session_tickets import TicketContext
from gemd.system.spool_directory import SpoolDirectory
from gemd.system.tls import ConnectionMaker, Context


def build_generation(
    config: Config,
    resources: Resources,
    files: Files,
    identity: Identity | None,
    former: Generation | None = None,
) -> Generation:
    """All that workers are made of. They become `identity`, unless it is None. Log files are opened, and applications
    preloaded; nothing else is touched. Raises one of FAILURES."""
    listen = find_settings(resources.listeners, config)
    context = build_server_context(config, resources.certificates)
    cells = former.cells if former is not None else Cells()
    names = [host.name for host in config.hosts]
    slots = former.host_slots if former is not None else make_slots(names)
    slots.add(names)
    inside = see_from_inside(config)
    if files.homes:
        from gemd.startup.people import settle_people

        inside = settle_people(inside, files.homes)
    if takes_uploads(config):
        importlib.import_module("gemd.worker.uploading")  # once for all workers
    with contextlib.ExitStack() as new:
        script_hosts = make_script_hosts(config, files)
        for host in script_hosts.values():
            new.callback(host.close)
        app_hosts = make_app_hosts(config, files, identity)
        for app_host in app_hosts.values():
            new.callback(app_host.close)
        means = build_proxy_means(resources, files)
        router = build_router(
            inside,
            files,
            partial(join_limits, cells),
            script_hosts,
            app_hosts,
            means,
            resources.upload_spool,
            slots.find(names),
        )
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
        listen=listen,
        context=context,
        respond=router.respond,
        word_refusal=router.word_refusal,
        end_by=router.end_by,
        count_answers=router.gateways.count_answers,
        has_room=router.has_room,
        applications=router.applications,
        cells=cells,
        rate_limit=RateLimit(cells, config.budget) if config.budget is not None else None,
        handshake_limit=RateLimit(cells, handshakes) if (handshakes := _find_handshakes(config)) is not None else None,
        may_come=build_rule(access.allow, access.deny) if (access := config.access) != AccessList() else None,
        logs=logs,
        access_log=build_access_log(config, logs, secret, router),
        identity=identity,
        confinement=files.confinement,
        note=router.note,
        host_slots=slots,
        certificate_ends={
            name: one.chain[0].not_valid_after_utc.timestamp() for name, one in resources.certificates.items()
        },
        hosts=(*script_hosts.values(), *app_hosts.values()),
        passes=inside.passes,
        known_servers=resources.known_servers,
        upload_directories=tuple(find_upload_directories(inside)),
        upload_spool=resources.upload_spool,
    )


def make_script_hosts(config: Config, files: Files) -> dict[str, ScriptHost]:
    """What leads to a process for the scripts of each user, by the name that the configuration has for it. Raises
    PrivilegeError where this master can't become that user."""
    users = find_script_users(config)
    for user, key in users.items():
        check_can_become(files.users[user], key)
    chroot, confinement = config.service.chroot, files.confinement
    return {user: ScriptHost(ScriptSetup(files.users[user], chroot, confinement)) for user in users}


def make_app_hosts(config: Config, files: Files, identity: Identity | None) -> dict[object, AppHost]:
    """What leads to the processes of applications that have one, by `app_key` as seen from inside. Raises
    PrivilegeError where this master can't become who one is to run as."""
    for user, key in find_app_users(config).items():
        check_can_become(files.users[user], key)
    applications = find_applications(see_from_inside(config))
    apart = {app_key(location) for where, location in applications if where in files.apart}
    setups = build_app_setups(config, files.users, identity, files.confinement)
    return {key: AppHost(setups[key], {**os.environ, **setups[key].location.app_env}) for key in apart}


def check_can_become(identity: Identity, key: str) -> None:
    """Raise PrivilegeError unless this process, the master's, can start others as that user; `key` wants it to."""
    if not can_become(identity):
        with about(key):
            raise PrivilegeError(
                f"only a master that stays root can run anything as {identity.name}, and this one is uid "
                f'{os.geteuid()}: start gemd as root, with master-user = "root"'
            )


def build_access_log(config: Config, logs: Logs, secret: bytes, router: Router) -> AccessLog:
    """The access log. Where no location has a log of its own, no request is looked up for it again."""

    def choose(request: Request) -> LineLog | NoLog:
        location = router.locate(request)
        return logs.access if location is None else logs.of(location.log)

    log = config.log
    is_one = all(location.log is True for location in config.locations)
    return AccessLog(logs.access, log.format, log.addresses, secret, log.queries, None if is_one else choose)


def _find_handshakes(config: Config) -> Budget | None:
    number = config.limits.handshakes
    return Budget("limits.handshakes", number, 1.0, number) if number is not None else None


def build_router(
    config: Config,
    files: Files,
    make_limit: MakeLimit | None,
    script_hosts: Mapping[str, ScriptHost],
    app_hosts: Mapping[object, AppHost],
    proxies: ProxyMeans,
    spool: SpoolDirectory | None = None,
    slots: Mapping[str, int] = NO_SLOTS,
) -> Router:
    """The hosts, with all that they need of the machine; `slots` are where each is counted."""
    users: dict[str | None, ScriptUser] = {None: ScriptUser(files.home)}
    for name, host in script_hosts.items():
        users[name] = ScriptUser(files.users[name].home, host.requests)
    processes = {key: host.requests for key, host in app_hosts.items()}
    read = files.authorities.__getitem__
    return Router(
        config, files.mime_table, make_limit, read, users, files.private, processes, proxies, spool, None, slots
    )


def build_proxy_means(resources: Resources, files: Files) -> ProxyMeans:
    """What passing requests on takes besides the configuration."""
    return ProxyMeans(
        resources.proxy_certificates,
        files.authorities.__getitem__,
        resources.known_servers,
        OwnPlaces(resources.listeners).has,
    )


def build_server_context(config: Config, loaded: dict[str, ServerCertificate]) -> ConnectionMaker | None:
    """The context of the first host, which hands a connection to another one's when the client names that; with
    session tickets, what chooses among the contexts; None where no listener uses TLS.

    Raises TLSError.
    """
    if not config.uses_tls:
        return None
    contexts = {}
    for host in config.hosts:
        if host.name in loaded:
            with about(key_path(host.where, "certificate")):
                contexts[host.name] = tls_context.build_context(loaded[host.name], config.tls)
    first = contexts[config.hosts[0].name]
    if len(contexts) > 1:
        by_name = {name: contexts[host.name] for host in config.hosts if host.has_certificate for name in host.names}
        tls_context.choose_by_server_name(first, by_name)
    return add_tickets(config, loaded, first) if config.tls.session_tickets else first


def add_tickets(config: Config, loaded: dict[str, ServerCertificate], plain: Context) -> TicketContext:
    """Contexts that clients get tickets by, of each host alone, beside a plain one that serves all. Raises TLSError."""
    first = config.hosts[0].name
    by_name: dict[str, Context] = {}
    for host in config.hosts:
        context = plain
        if gives_tickets(host):
            certificate = loaded.get(host.name, loaded[first])
            context = tls_context.build_context(certificate, config.tls, tickets_for=host.name)
        by_name.update(dict.fromkeys(host.names, context))
    return TicketContext(plain, tls_context.find_among(by_name), by_name[first] if len(config.hosts) == 1 else None)
