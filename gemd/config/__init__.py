"""What was decided: the configuration, from TOML and flags to frozen values.

`settings` and `host_settings` have the values with their defaults, `types` their limits, `tables` checks a table
against them, `keys` has those at the top. `sources` reads the file and what it includes, `toml_text` says what is no
TOML there, `origins` knows the `origin` of each key, `toml_lines` its line; `variables` are those of the environment.
`load` makes all of it one, `listen` says where to listen, `rate` a rate, `budgets` whom it counts for, `access_lists`
who may come; `hosts` merges a host into its locations, which `location_checks` judges, `pass_settings` reads one that
is passed on, `render` writes it all as it takes effect. Everyone may read the values; nobody changes them.
"""

from gemd.config.host_settings import Host, Location
from gemd.config.load import load_config, parse_config
from gemd.config.settings import Config
from gemd.config.sources import ConfigError
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
