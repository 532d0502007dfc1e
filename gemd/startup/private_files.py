"""The files that are gemd's alone: keys and certificates, logs, the pid file and unix sockets; and how they are kept
from scripts and clients.
"""

import os
from collections.abc import Iterator

from gemd.config import Config, Problem
from gemd.config.convert_locations import find_converters
from gemd.config.host_settings import AnswerKind
from gemd.config.script_places import split_pattern
from gemd.config.tables import key_path
from gemd.config.types import LOG_WORDS
from gemd.startup.proxies import find_known_servers, find_proxies, find_proxy_certificates
from gemd.system.attempt import attempt
from gemd.system.certificate_directory import find_certificate_directory
from gemd.system.certificates import CertificateError, certificate_paths
from gemd.system.confinement import Confinement, is_beneath
from gemd.system.landlock import find_version
from gemd.system.privileges import Identity

NOT_CONFINED = "scripts are not confined: this kernel has no Landlock, or forbids it; see cgi.confine"

LOST_KEY = (
    "{path} can't be read by {user}: a start as root reads it, but a reload would fail, and a start as {user}; let "
    'its group read it, or keep root for the master (master-user = "root")'
)


def find_confinement(config: Config) -> Confinement | None:
    """What scripts may touch; None where there are none, where all is theirs, and where the kernel can't forbid it.

    Raises CertificateError where there is no place for certificates.
    """
    if not config.cgi.confine or not find_version():
        return None
    answers = {answer for location in config.locations for answer in location.answers}
    # An application may run scripts as well.
    runs_others = any(find_converters(config)) or _has_scripts_of_users(config)
    if answers.isdisjoint((AnswerKind.SCRIPT, AnswerKind.CGI, AnswerKind.APP)) and not runs_others:
        return None
    return Confinement(
        tuple(dict.fromkeys(_private_files(config))),
        tuple(dict.fromkeys(_needed(config))),
        config.cgi.read,
        config.cgi.write,
        config.service.chroot,
    )


def is_confinement_missing(config: Config) -> bool:
    """Whether scripts are to be confined, and can't be."""
    has_some = has_scripts(config) or any(find_converters(config))
    return config.cgi.confine and has_some and not find_version()


def has_scripts(config: Config) -> bool:
    """Whether there are any, but for those that an application may run."""
    return any(script_directories(config)) or _has_scripts_of_users(config)


def _has_scripts_of_users(config: Config) -> bool:
    return any(host.user_directories is not None and host.user_directories.cgi is not None for host in config.hosts)


def script_directories(config: Config) -> Iterator[str]:
    """Where they are, or what the wildcards are in, and those that locations have. None of it need exist."""
    for location in config.locations:
        if location.script is not None:
            yield location.script
        if AnswerKind.CGI in location.answers:
            if location.script_places.is_everywhere:
                yield str(location.root)
            for pattern in location.script_places.patterns:
                yield os.path.join(str(location.root), *split_pattern(pattern)[0])


def find_log_files(config: Config) -> list[str]:
    """The files that locations have for an access log of their own."""
    logs = (location.log for location in config.locations)
    return list(dict.fromkeys(log for log in logs if isinstance(log, str)))


def find_secrets(config: Config) -> list[str]:
    """What no client may see: keys, logs and servers that were met. Raises CertificateError where there is no place for
    certificates."""
    keys = (key for _, key in _find_certificates(config))
    logs = (log for log in (config.log.access, config.log.error, *find_log_files(config)) if log not in LOG_WORDS)
    servers = find_known_servers(config)
    return list(dict.fromkeys((*keys, *find_proxy_certificates(config).values(), *logs, *filter(None, (servers,)))))


def find_secrets_inside(config: Config) -> tuple[str, ...]:
    """The same as workers see it, of what is within their reach if they are shut in `chroot`."""
    secrets, chroot = find_secrets(config), config.service.chroot
    if chroot is None:
        return tuple(secrets)
    with attempt(f"the way from {chroot} to what no client may see could not be found"):
        real, found = os.path.realpath(chroot), list(map(os.path.realpath, secrets))
    return tuple("/" + os.path.relpath(path, real) for path in found if is_beneath(path, real))


def _find_certificates(config: Config) -> Iterator[tuple[str, str]]:
    """Certificate and key of each host."""
    for host in config.hosts:
        if host.certificate is not None and host.key is not None:
            yield host.certificate, host.key
        elif host.has_certificate:
            try:
                directory = find_certificate_directory(config)
            except CertificateError:
                if config.uses_tls:
                    raise
                return  # there is no place for them, and they are not needed
            certificate, key = certificate_paths(directory, host.name)
            yield str(certificate), str(key)


def find_lost_keys(config: Config, user: Identity | None) -> Iterator[Problem]:
    """What to say of keys that root has read and the `user` that it became can't: a reload would fail."""
    if user is None or config.service.master_user is not None:
        return
    keys = {str(host.key): key_path(host.where, "key") for host in config.hosts if host.key is not None}
    keys |= {str(proxy.key): key_path(where, "proxy", "key") for where, proxy in find_proxies(config) if proxy.key}
    for path in dict.fromkeys((*(key for _, key in _find_certificates(config)), *keys)):
        with attempt(f"the key {path} could not be looked at"):
            is_lost = os.path.lexists(path) and not os.access(path, os.R_OK, effective_ids=True)
        if is_lost:
            where = keys.get(path, "tls.certificates")
            yield Problem(where, LOST_KEY.format(path=path, user=user.name))


def _private_files(config: Config) -> Iterator[str]:
    yield from (certificate for certificate, _ in _find_certificates(config))
    yield from find_proxy_certificates(config)
    yield from find_secrets(config)
    yield from filter(None, (config.service.pid_file, config.service.control))
    yield from (entry.address.path for entry in config.listen if entry.address.path)


def _needed(config: Config) -> Iterator[str]:
    """The directories of scripts, and the programs of converters. Where scripts are not kept to a list, roots and
    applications are as well."""
    yield from script_directories(config)
    if any(find_converters(config)):
        from gemd.startup.convert_checks import find_programs

        yield from find_programs(config)
    for location in config.locations:
        if config.cgi.read is None:
            yield from filter(None, (location.root, location.app_path))
