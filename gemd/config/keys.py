"""The tables and keys at the top of a configuration file, each with its type."""

from gemd.config.cgi_settings import CGISettings
from gemd.config.listen import Entries
from gemd.config.settings import TLS, Limits, Log, Service, Timeouts
from gemd.config.tables import keys_of
from gemd.config.types import AccessList, Settings, Text

PREFIX = "GEMD_"  # of variables of the environment that set keys

TABLES: dict[str, type[Settings]] = {
    "tls": TLS,
    "timeouts": Timeouts,
    "limits": Limits,
    "cgi": CGISettings,
    "log": Log,
    "access": AccessList,
}
SERVICE_KEYS = keys_of(Service)
TOP_KEYS = {
    "include": tuple[Text, ...],
    "listen": Entries,
    "workers": int | str,
    **SERVICE_KEYS,
    "host": list[dict[str, object]],
    **TABLES,
}
