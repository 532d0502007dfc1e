"""The tables and keys at the top of a configuration file, each with its type."""

from typing import Annotated

from msgspec import Meta

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
    "workers": Annotated[int | str, Meta(description='"auto" or a whole number from 1 to 512')],
    **SERVICE_KEYS,
    "host": list[dict[str, object]],
    **TABLES,
}
