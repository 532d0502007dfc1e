"""As whom scripts run: the user of their location, or of all of them, or that of the workers."""

from gemd.config.settings import Answer, Config, Location


def find_script_user(config: Config, location: Location) -> str | None:
    """As whom the location's scripts run, by name or number; None for the workers' user."""
    return location.cgi_user or config.cgi.user


def find_script_users(config: Config) -> dict[str, str]:
    """All whom scripts run as, but for the workers' user, each with the path of the first key that names it."""
    found: dict[str, str] = {}
    for host in config.hosts:
        for location in host.locations:
            user = find_script_user(config, location)
            if user is not None and Answer.CGI in location.answers:
                found.setdefault(user, f"{location.where}.cgi-user" if location.cgi_user else "cgi.user")
    return found
