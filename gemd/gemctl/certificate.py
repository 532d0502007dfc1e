"""`gemctl cert`: the certificates of the configured hosts, shown, made and renewed.

Rules: names are always those of the configuration; a certificate that was issued elsewhere is never touched; what root
makes belongs to the user who has to read it.
"""

import argparse
import datetime
import os
from pathlib import Path

from gemd.config import Config, Host, load_config
from gemd.config.keys import PREFIX
from gemd.gemctl.failure import ExitCode, Failure
from gemd.gemctl.options import DEFAULT_CONFIG
from gemd.gemctl.terminal import complain, escape
from gemd.gemctl.tlsa import explain_omissions, render_records
from gemd.protocol.host import ANY_HOST, covers, normalise_name
from gemd.protocol.quantities import count
from gemd.system.certificate_directory import find_certificate_directory
from gemd.system.certificate_facts import CertificateFacts, read_facts
from gemd.system.certificate_parsing import read_names
from gemd.system.certificates import CertificateError, certificate_paths, find_or_make, renew_self_signed
from gemd.system.privileges import PrivilegeError, find_identity
from gemd.system.whole_files import find_directory_owner

_HOST = f"{PREFIX}HOST_"
_FIRST_HOSTS = f"the host {ANY_HOST} has the certificate of the first host, and none of its own"


def run_cert(options: argparse.Namespace) -> ExitCode:
    """Do what was asked. Raises ConfigError, CertificateError and Failure."""
    if options.action == "new":
        return make(options)
    config = load_as_gemd(options.config)
    if options.action == "renew":
        return renew(config, options.host)
    return show_certificates(config, options.host, as_records=options.tlsa)


def load_as_gemd(path: Path) -> Config:
    """As gemd would: by variables of the environment alone where these name a host and there is no usual file."""
    is_given = path != DEFAULT_CONFIG or path.exists() or not any(name.startswith(_HOST) for name in os.environ)
    return load_config(path if is_given else None, cpus=1, variables=os.environ)


def show_certificates(config: Config, name: str | None, *, as_records: bool) -> ExitCode:
    """Print what is known of each host's certificate, or of one, or its records for the DNS."""
    hosts = config.hosts if name is None else (find_host(config, name),)
    if not any(host.has_certificate for host in hosts):
        raise Failure(_FIRST_HOSTS)
    outcome = ExitCode.OK
    now = datetime.datetime.now(datetime.UTC)
    reports = []
    for host in hosts:
        if not host.has_certificate:
            continue
        path = _path_of(host, config)
        if host.certificate is None and not _exists(path):
            complain(f"{host.name}: no certificate yet: gemd makes one when it starts, `gemctl cert new` at once")
            outcome = ExitCode.FAILED
            continue
        try:
            facts = read_facts(path)
        except CertificateError as error:
            complain(f"{host.name}: {error}")
            outcome = ExitCode.FAILED
            continue
        if as_records:
            reports.append(render_records(host.names, facts))
            complain(*explain_omissions(host.names))
        else:
            reports.append(describe_certificate(host, path, facts, now))
    print(("" if as_records else "\n").join(reports), end="")
    return outcome


def describe_certificate(host: Host, path: Path, facts: CertificateFacts, now: datetime.datetime) -> str:
    """A certificate, in lines for people."""
    origin = "self-signed, kept by gemd" if host.certificate is None else "configured"
    lacking = [name for name in host.certificate_names if not covers(facts.names, name)]
    rows = [
        ("certificate", f"{path} ({origin})"),
        ("names", ", ".join(facts.names) or "none"),
        *([("lacks", ", ".join(lacking))] if lacking else []),
        ("key", facts.key_type),
        ("not before", f"{facts.not_before:%Y-%m-%d %H:%M:%S} UTC"),
        ("not after", f"{facts.not_after:%Y-%m-%d %H:%M:%S} UTC ({say_days(facts, now)})"),
        ("fingerprint", f"SHA256:{facts.fingerprint}"),
        ("public key", f"SPKI-SHA256:{facts.public_key_fingerprint}"),
    ]
    return f"{host.name}\n" + "".join(f"  {name:<13}{escape(value)}\n" for name, value in rows)


def say_days(facts: CertificateFacts, now: datetime.datetime) -> str:
    """How long the certificate can be used, in words."""
    if now < facts.not_before:
        return "not valid yet"
    if now > facts.not_after:
        return f"expired {count((now - facts.not_after).days, 'day')} ago"
    return f"{count((facts.not_after - now).days, 'day')} left"


def make(options: argparse.Namespace) -> ExitCode:
    """Make a certificate, in the directory of gemd or in another one, which needs no configuration."""
    config = None
    if options.directory is None or options.config != DEFAULT_CONFIG or DEFAULT_CONFIG.exists():
        config = load_as_gemd(options.config)
    if options.directory is None:
        assert config is not None
        host = find_host(config, options.host)
        refuse_configured(host)
        directory, names = find_certificate_directory(config), host.certificate_names
    else:
        directory, names = options.directory, names_for(options.host, config)
    path, key = certificate_paths(directory, names[0])
    if _exists(path):
        raise Failure(f"{path} is there already; `gemctl cert renew {names[0]}` makes a new one for its key")
    made = find_or_make(directory, names, find_owner(config, directory))
    print(f"made {made.path} for {', '.join(names)}, with the SHA-256 fingerprint {made.fingerprint}")
    _complain_of_owner(directory, key)
    if added := [name for name in read_names(made.chain[0]) if name not in names]:
        print(f"also in it, as localhost has them: {', '.join(added)}")
    return ExitCode.OK


def renew(config: Config, name: str) -> ExitCode:
    """Make a new certificate for the same key in the place of the old one."""
    host = find_host(config, name)
    refuse_configured(host)
    path = _path_of(host, config)
    if not _exists(path):
        raise Failure(f"{path} is not there; `gemctl cert new {host.name}` makes it")
    renewed = renew_self_signed(path.parent, host.certificate_names)
    print(f"renewed {path} for its key, with the SHA-256 fingerprint {renewed.fingerprint}")
    print(f"the old one is {path}.old; to show the new one to clients: gemctl reload")
    print("clients that have pinned the certificate, and not its key, will ask their users")
    _complain_of_owner(path.parent, certificate_paths(path.parent, host.name)[1])
    return ExitCode.OK


def find_host(config: Config, name: str) -> Host:
    """The host with this name or alias. Raises Failure."""
    wanted = _normalise(name)
    for host in config.hosts:
        if wanted in host.names:
            return host
    known = ", ".join(host.name for host in config.hosts)
    raise Failure(
        f"{config.source or 'the environment'} has no host {escape(name)}; it has {known}", code=ExitCode.USAGE
    )


def _normalise(name: str) -> str:
    """The name as the configuration has it."""
    try:
        return normalise_name(name)
    except ValueError as error:
        raise Failure(f"{escape(name)} can't be a host: {error}", code=ExitCode.USAGE) from None


def names_for(name: str, config: Config | None) -> tuple[str, ...]:
    """All names of the host, if the configuration has it, else the one."""
    wanted = _normalise(name)
    if wanted == ANY_HOST:
        raise Failure(_FIRST_HOSTS)
    hosts = config.hosts if config is not None else ()
    return next((host.certificate_names for host in hosts if wanted in host.names), (wanted,))


def refuse_configured(host: Host) -> None:
    """Raise Failure unless the host's certificate is gemd's to make."""
    if not host.has_certificate:
        raise Failure(_FIRST_HOSTS)
    if host.certificate is not None:
        raise Failure(
            f"{host.name}: its certificate {host.certificate} is configured, and not gemd's to make or renew: "
            "have it renewed where it was issued, then `gemctl reload`"
        )


def _path_of(host: Host, config: Config) -> Path:
    if host.certificate is not None:
        return Path(host.certificate)
    return certificate_paths(find_certificate_directory(config), host.name)[0]


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError as error:
        raise Failure(f"{path} can't be looked at: {error.strerror}") from None


def _complain_of_owner(directory: Path, key: Path) -> None:
    """Of a key that was there before and that root alone can read, as it would be missed at a reload."""
    if os.geteuid() == 0 and find_directory_owner(directory) is not None and key.stat().st_uid == 0:
        whose = f"{key} is root's, and {directory} is not: who that belongs to can't read the key"
        complain(f"{whose}; chown --reference={directory} {key}")


def find_owner(config: Config | None, directory: Path) -> tuple[int, int] | None:
    """Whose the files are to be that root makes in `directory`: whose that is, who has to read them at a start. Of a
    new one, and of root's, the user's whom root has gemd become, who has to read them at a reload, unless its master
    stays root. Raises Failure for a user who does not exist."""
    if os.geteuid() != 0:
        return None
    if (owner := find_directory_owner(directory)) is not None:
        return owner
    if config is None or config.service.master_user is not None:
        return None
    if config.service.user in (None, "root"):
        return None
    try:
        identity = find_identity(str(config.service.user), config.service.group)
    except PrivilegeError as error:
        raise Failure(str(error), code=ExitCode.CONFIGURATION) from None
    return identity.uid, identity.gid
