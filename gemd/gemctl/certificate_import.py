"""`gemctl cert import`: the certificates of another server become those that gemd keeps.

Rules: all is judged before anything is written; what gemd has shown to clients stays unless it is said that it shall
not, and then beside it.
"""

import argparse
from pathlib import Path

import msgspec

from gemd.config import Config
from gemd.config.settings import TLS
from gemd.gemctl.certificate import find_host, find_owner, load_as_gemd, names_for, refuse_configured
from gemd.gemctl.certificate_sources import CertificateSource, FoundPair, find_source
from gemd.gemctl.failure import ExitCode, Failure
from gemd.gemctl.options import DEFAULT_CONFIG
from gemd.gemctl.terminal import complain, escape
from gemd.protocol.host import covers
from gemd.system.certificate_directory import find_certificate_directory
from gemd.system.certificate_facts import CertificateFacts, parse_facts
from gemd.system.certificate_forms import render_pem
from gemd.system.certificates import (
    CertificateError,
    ServerCertificate,
    certificate_paths,
    load,
    load_kept,
    make_private_directory,
)
from gemd.system.whole_files import replace_all, write_all_once

Names = tuple[str, ...]


class Import(msgspec.Struct, frozen=True):
    """One that is to be kept: for a host's names, from where, and what was found there."""

    names: Names
    found: FoundPair
    loaded: ServerCertificate
    facts: CertificateFacts


def import_certificates(options: argparse.Namespace) -> ExitCode:
    """Do it. Raises ConfigError, CertificateError and Failure."""
    config, directory, hosts = _find_targets(options)
    source = find_source(options.source, options.key)
    imports = _find_all(source, hosts)
    _check(imports)
    formers = [_find_former(one, directory, is_replaced=options.replace) for one in imports]
    for one, former in zip(imports, formers, strict=True):
        _keep(one, directory, find_owner(config, directory), former)
    print("to show it to clients: gemctl reload, or start gemd")
    return ExitCode.OK


def _find_targets(options: argparse.Namespace) -> tuple[Config | None, Path, list[Names]]:
    """The configuration, where to keep certificates, and the names of each host that may be given one."""
    config = None
    if options.directory is None or options.config != DEFAULT_CONFIG or DEFAULT_CONFIG.exists():
        config = load_as_gemd(options.config)
    if options.directory is not None:
        if options.host is None:
            raise Failure("--directory takes --host NAME beside it", code=ExitCode.USAGE)
        return config, options.directory, [names_for(options.host, config)]
    assert config is not None
    directory = find_certificate_directory(config)
    if options.host is not None:
        host = find_host(config, options.host)
        refuse_configured(host)
        return config, directory, [host.certificate_names]
    hosts = [host.certificate_names for host in config.hosts if host.has_certificate and host.certificate is None]
    if not hosts:
        raise Failure(
            "the configuration names a certificate for each of its hosts: put the other server's paths there, "
            "as gemd reads PEM and DER wherever they are"
        )
    return config, directory, hosts


def _find_all(source: CertificateSource, hosts: list[Names]) -> list[Import]:
    """What there is for the hosts. Where one pair may be for several of them, it is for those that it names."""
    candidates = [(names, found) for names in hosts if (found := source.find(names)) is not None]
    imports = []
    for names, found in candidates:
        certificate = load(found.certificate, found.key, names)
        imports.append(Import(names, found, certificate, parse_facts(certificate.der)))
    chosen = [one for one in imports if len(hosts) == 1 or not one.found.is_shared or _is_for(one)]
    if chosen:
        return chosen
    if imports:
        named = ", ".join(imports[0].facts.names) or "no host"
        raise Failure(f"{escape(str(imports[0].found.certificate))} names {escape(named)}: say --host NAME for one")
    wanted = ", ".join(names[0] for names in hosts)
    places = ", ".join(source.places(hosts[0]))
    raise Failure(
        f"no certificate of {source.title} with its key was found for {wanted}; looked in {escape(places)}: name its "
        "file or directory"
    )


def _is_for(one: Import) -> bool:
    return any(covers(one.facts.names, name) for name in one.names)


def _check(imports: list[Import]) -> None:
    """Raise Failure for what OpenSSL would not serve."""
    from gemd.system.tls import TLSError
    from gemd.system.tls_context import build_context

    for one in imports:
        try:
            build_context(one.loaded, TLS())
        except TLSError as error:
            raise Failure(escape(str(error))) from None


def _find_former(one: Import, directory: Path, *, is_replaced: bool) -> str | None:
    """The fingerprint of what is there already: "" for what can't be read as a pair, None for nothing. Raises Failure
    where it is another one, unless that shall be replaced."""
    paths = certificate_paths(directory, one.names[0])
    shown = escape(str(paths[0]))
    try:
        if not any(path.exists() or path.is_symlink() for path in paths):
            return None
        former = load(*paths).fingerprint
    except CertificateError:
        former = ""
    except PermissionError as error:
        raise Failure(f"{shown} can't be looked at: {error.strerror}") from None
    if former != one.loaded.fingerprint and not is_replaced:
        raise Failure(
            f"{shown} or its key is there already, by which clients may know {one.names[0]}: --replace puts the other "
            f"one in its place, and keeps it as {shown}.old"
        )
    return former


def _keep(one: Import, directory: Path, owner: tuple[int, int] | None, former: str | None) -> None:
    """Write it, and say what comes of it."""
    name = one.names[0]
    certificate_path, key_path = certificate_paths(directory, name)
    shown = escape(str(certificate_path))
    if former == one.loaded.fingerprint:
        print(f"{shown} is that certificate already")
        return
    chain, key = render_pem(one.loaded)
    files = ((key_path, key, 0o600), (certificate_path, chain, 0o644))
    try:
        make_private_directory(directory, owner)
        (write_all_once if former is None else replace_all)(files, owner)
    except OSError as error:
        text = f"can't write {certificate_path} and its key: {error.strerror}"
        raise CertificateError(f"{text}: {error.filename}" if error.filename else text) from None
    kept = load_kept(directory, one.names)
    print(f"imported {escape(str(one.found.certificate))} with its key for {name}, as {shown}")
    named = escape(", ".join(one.facts.names) or "nobody in its SAN")
    ends = f"{one.facts.not_after:%Y-%m-%d}"
    print(f"it names {named}, and ends on {ends}; its key is {one.facts.key_type}")
    print(f"clients that have pinned it, with the SHA-256 fingerprint {kept.fingerprint}, notice nothing")
    if former:
        print(f"those that have pinned what was there, now {shown}.old, will ask their users")
    complain(*(f"warning: {escape(text)}" for text in kept.warnings))
