"""A `[[host]]` with `pass`: whose connections are passed on as they come, to a server behind that ends TLS itself.

Rule: such a host answers nothing here, and so has no other setting: each would be one that is not obeyed.
"""

from collections.abc import Callable, Collection

import msgspec

from gemd.config.tables import Problem, key_path, keys_of, read_table, show
from gemd.config.types import Address, Settings, Text
from gemd.config.upstream import parse_upstream
from gemd.protocol.host import is_address
from gemd.protocol.proxy_header import Version

NormaliseName = Callable[[str, str, list[Problem]], str]  # with the path of its key, and where its fault goes


class PassHost(Settings, frozen=True):
    """A host that is passed on. `where` is the path of its table in the file, and no key."""

    name: Text
    pass_to: Text = msgspec.field(name="pass")
    aliases: tuple[Text, ...] = ()
    send_proxy: Version | None = None
    where: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that is passed on."""
        return (self.name, *self.aliases)

    @property
    def address(self) -> Address:
        """Where it is passed on to. Raises ValueError."""
        return parse_upstream(self.pass_to)


PASS_KEYS = {key: kind for key, kind in keys_of(PassHost).items() if key != "where"}


def is_pass_host(table: object) -> bool:
    """Whether a `[[host]]` table is meant to be one of these."""
    return isinstance(table, dict) and not {"pass", "send-proxy"}.isdisjoint(table)


def read_pass_host(
    table: dict[str, object], path: str, served_keys: Collection[str], normalise: NormaliseName, problems: list[Problem]
) -> PassHost | None:
    """Such a table, or None where too much of it is wrong; all that is goes to `problems`. `served_keys` are those of a
    host that answers itself."""
    if "pass" not in table:
        text = 'needs the key "pass" beside it: the server that this host is passed on to'
        problems.append(Problem(key_path(path, "send-proxy"), text))
        return None
    before = len(problems)
    foreign = [key for key in table if key in served_keys and key not in PASS_KEYS]
    text = "a host with pass passes its connections on and answers nothing itself: remove this key, or pass"
    problems += [Problem(key_path(path, key), text) for key in foreign]
    values = read_table({key: table[key] for key in table if key not in foreign}, PASS_KEYS, path, problems)
    if "name" not in table:
        problems.append(Problem(path, 'needs the key "name"'))
    if len(problems) > before:
        return None
    host = msgspec.convert({**values, "where": path}, PassHost)
    names = [normalise(host.name, key_path(path, "name"), problems)]
    names += [normalise(alias, key_path(path, "aliases"), problems) for alias in host.aliases]
    problems += [
        Problem(path, f"{name} is an address, which no client can name in a handshake (RFC 6066): pass needs names")
        for name in names
        if is_address(name)
    ]
    try:
        parse_upstream(host.pass_to)
    except ValueError as error:
        problems.append(Problem(key_path(path, "pass"), f"{error}, not {show(host.pass_to)}"))
        return None
    return msgspec.structs.replace(host, name=names[0], aliases=tuple(names[1:]))
