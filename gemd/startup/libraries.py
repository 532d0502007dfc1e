"""Libraries that a few configurations need, and no other gemd loads.

Rule: they are imported as a configuration is checked, before root is given up: one that is missing is said with the key
that needs it.
"""

import importlib

from gemd.config import Config, Problem
from gemd.config.proxy_checks import parse_upstreams
from gemd.config.tables import key_path
from gemd.startup.proxies import find_proxies

_HTTP = "gemd.responders.gateway.http_proxy"  # which needs h11


def find_missing_libraries(config: Config) -> list[Problem]:
    """A problem for each location that needs one which can't be imported."""
    problems = []
    for where, proxy in find_proxies(config):
        if parse_upstreams(proxy)[0].scheme == "http":
            try:
                importlib.import_module(_HTTP)
            except ImportError as error:
                text = f"http:// needs the library h11, which can't be loaded ({error}): install it, for one by pip"
                problems.append(Problem(key_path(key_path(where, "proxy"), "to"), text))
    return problems
