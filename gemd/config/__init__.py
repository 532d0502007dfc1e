"""What was decided: the configuration, from TOML and flags to frozen values.

`settings` has the values with their defaults, `types` their limits, `tables` checks a table against them, `load` reads
the file, `rate` a rate, `hosts` merges a host into its locations, `render` writes it as it takes effect. Everyone may
read the values; nobody changes them.
"""

from gemd.config.load import ConfigError, load_config, parse_config
from gemd.config.settings import Config, Host, Location
from gemd.config.tables import Problem
from gemd.config.types import Address

__all__ = [
    "Address",
    "Config",
    "ConfigError",
    "Host",
    "Location",
    "Problem",
    "load_config",
    "parse_config",
]
