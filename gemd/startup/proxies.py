"""What passing requests on takes of this machine: keys that upstreams know gemd by, authorities that vouch for them,
and the file of those that gemd has met.

Rule: keys are read, and the file is opened, before root is given up; workers inherit both.
"""

from collections.abc import Iterator
from pathlib import Path

from gemd.config import Config
from gemd.config.gateway_settings import ProxyTable
from gemd.config.host_settings import AnswerKind
from gemd.config.mistake import about
from gemd.config.proxy_checks import parse_upstreams
from gemd.config.tables import key_path
from gemd.startup.making import MAKING, Making
from gemd.system.certificate_directory import find_certificate_directory
from gemd.system.certificates import ServerCertificate
from gemd.system.known_servers import KnownServers, known_servers_path
from gemd.system.privileges import Identity


def find_proxies(config: Config) -> Iterator[tuple[str, ProxyTable]]:
    """All `proxy` tables in force, each with where its location is in the file."""
    for location in config.locations:
        if location.proxy is not None:
            yield location.where, location.proxy


def find_proxy_authorities(config: Config) -> Iterator[tuple[str, str]]:
    """The key that names authorities which vouch for upstreams, and where they are."""
    for where, proxy in find_proxies(config):
        if proxy.ca is not None:
            yield key_path(where, AnswerKind.PROXY.value, "ca"), proxy.ca


def find_proxy_certificates(config: Config) -> dict[str, str]:
    """The certificates that upstreams know gemd by, with their keys: paths."""
    proxies = (proxy for _, proxy in find_proxies(config))
    return {one.certificate: one.key for one in proxies if one.certificate is not None and one.key is not None}


def load_proxy_certificates(config: Config, hands: Making = MAKING) -> dict[str, ServerCertificate]:
    """The same, loaded, by the path of each. Raises CertificateError, and TLSError for one that is too weak."""
    wanted = find_proxy_certificates(config)
    if not wanted:
        return {}
    from gemd.system.tls_client import ClientContext  # for which nobody else shall pay

    keys = {proxy.certificate: key_path(where, "proxy", "certificate") for where, proxy in find_proxies(config)}
    found = {}
    for certificate, key in wanted.items():
        with about(keys[certificate]):
            found[certificate] = hands.load_configured(Path(certificate), Path(key), is_server=False)
            ClientContext(found[certificate])
    return found


def meets_servers(config: Config) -> bool:
    """Whether there are upstreams that are trusted at first sight."""
    return any(
        upstream.scheme == "gemini" and not proxy.fingerprints and proxy.ca is None
        for _, proxy in find_proxies(config)
        for upstream in parse_upstreams(proxy)
    )


def find_known_servers(config: Config) -> str | None:
    """Where those are remembered, None where there are none. Raises CertificateError where there is no place for it."""
    return known_servers_path(find_certificate_directory(config)) if meets_servers(config) else None


def open_servers_met(config: Config, owner: Identity | None, hands: Making = MAKING) -> KnownServers | None:
    """The file of those, opened, and made for `owner` if there is none; None where it is not needed. Raises
    CertificateError."""
    if not meets_servers(config):
        return None
    ids = (owner.uid, owner.gid) if owner is not None else None
    with about("tls.certificates"):
        return hands.open_servers(find_certificate_directory(config), ids)
