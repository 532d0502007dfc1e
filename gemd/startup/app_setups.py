"""What the processes of applications are told."""

from collections.abc import Mapping

import msgspec

from gemd.config import Config
from gemd.config.app_settings import app_key, find_applications, find_environments
from gemd.responders.app.load import AppLoadError
from gemd.shared.app_host import AppSetup
from gemd.startup.inside import see_from_inside
from gemd.system.confinement import Confinement
from gemd.system.level import Level
from gemd.system.privileges import Identity


def build_app_setups(
    config: Config, users: Mapping[str, Identity], identity: Identity | None, confinement: Confinement | None
) -> dict[object, AppSetup]:
    """Those of all applications, by `app_key` as seen from inside, whether or not they have a process: of each by its
    first location, but that one of them is enough for `preload`. They become who `users` has for their user, by name,
    or else `identity`, as workers do. Raises AppLoadError where one is to have two values of one variable."""
    inside = see_from_inside(config)
    try:
        environments = find_environments(inside)
    except ValueError as error:
        raise AppLoadError(str(error)) from None
    preloaded = {app_key(location) for _, location in find_applications(inside) if location.preload}
    setups: dict[object, AppSetup] = {}
    for where, location in find_applications(inside):
        key = app_key(location)
        environment = {name: value for name, (value, _) in environments[key].items()}
        setups.setdefault(
            key,
            AppSetup(
                location=msgspec.structs.replace(location, app_env=environment, preload=key in preloaded),
                where=where,
                identity=users[location.app_user] if location.app_user is not None else identity,
                chroot=config.service.chroot,
                confinement=confinement,
                seconds=config.timeouts.app,
                max_requests=config.service.max_requests,
                max_memory=config.service.max_memory,
                watches=config.service.auto_reload,
                level=Level[config.log.level.upper()],
                shows_queries=config.log.queries == "full",
            ),
        )
    return setups
