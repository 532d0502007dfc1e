"""The configuration as processes see it that are shut in `chroot`."""

import os

import msgspec

from gemd.config import Config, Host

_PATHS = ("root", "script", "app_path", "app_directory")


def see_from_inside(config: Config) -> Config:
    """With roots, scripts, and what is an application's, as paths in there."""
    chroot = config.service.chroot
    if chroot is None:
        return config

    def move(path: str | None) -> str | None:
        return "/" + os.path.relpath(path, chroot) if path else path

    def inside(host: Host) -> Host:
        locations = tuple(
            msgspec.structs.replace(location, **{name: move(getattr(location, name)) for name in _PATHS})
            for location in host.locations
        )
        return msgspec.structs.replace(host, locations=locations)

    return msgspec.structs.replace(config, hosts=tuple(map(inside, config.hosts)))
