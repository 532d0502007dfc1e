"""The configuration as processes see it that are shut in `chroot`."""

import os

import msgspec

from gemd.config import Config, Host
from gemd.config.convert_settings import move_programs
from gemd.config.gateway_settings import ApplicationTable, ProxyTable
from gemd.config.pass_settings import PassHost

_PATHS = ("root", "script", "app_path", "app_directory")


def see_from_inside(config: Config) -> Config:
    """With roots, scripts, programs of converters, what is an application's, and sockets of upstreams, as paths in
    there."""
    chroot = config.service.chroot
    if chroot is None:
        return config

    def move(path: str) -> str:
        return "/" + os.path.relpath(path, chroot)

    def inside(host: Host) -> Host:
        locations = tuple(
            msgspec.structs.replace(
                location,
                proxy=proxy_inside(location.proxy),
                convert=move_programs(location.convert, move) if location.convert else {},
                **{kind.value: asked_inside(table) for kind, table in location.application_tables.items()},
                **{name: move(path) if (path := getattr(location, name)) else path for name in _PATHS},
            )
            for location in host.locations
        )
        return msgspec.structs.replace(host, locations=locations)

    def asked_inside(table: ApplicationTable) -> ApplicationTable:
        sockets = [f"unix:{move(address.path)}" if address.path else str(address) for address in table.addresses]
        return msgspec.structs.replace(table, to=tuple(sockets))

    def proxy_inside(proxy: ProxyTable | None) -> ProxyTable | None:
        if proxy is None:
            return None
        urls = (url.partition("+unix:") for url in proxy.upstreams)
        return msgspec.structs.replace(
            proxy, to=tuple(f"{scheme}{mark}{move(rest)}" if mark else scheme for scheme, mark, rest in urls)
        )

    def passed_inside(host: PassHost) -> PassHost:
        path = host.address.path
        return msgspec.structs.replace(host, pass_to=f"unix:{move(path)}") if path else host

    return msgspec.structs.replace(
        config, hosts=tuple(map(inside, config.hosts)), passes=tuple(map(passed_inside, config.passes))
    )
