"""What statements gmid's configuration language has, in the spellings of 1.x and 2.x.

Rule: a form is words that stand for themselves, and capitals that stand for values.
"""

import msgspec

from gemd.gemctl.foreign.original import Spot

# S is a string, of which several make one; T a single one; N a number; V either; B on or off; A an address.
# In brackets is what may be missing, in braces the block of statements that follows, of the table with this name.
_LOCATION = {
    "auto": ("auto index B",),
    "block": ("block return N S", "block return N", "block"),
    "default": ("default type S",),
    "fastcgi": (
        "fastcgi { fastcgi }",
        "fastcgi off",
        "fastcgi spawn S",
        "fastcgi socket tcp S [ port V ]",
        "fastcgi socket S",
        "fastcgi tcp S [ port V ]",
        "fastcgi param S = S",
        "fastcgi strip N",
        "fastcgi S",
    ),
    "index": ("index S",),
    "lang": ("lang S",),
    "log": ("log B",),
    "require": ("require client ca S",),
    "root": ("root S",),
    "strip": ("strip N",),
}
_LOG = {
    "access": ("access S",),
    "style": ("style S",),
    "syslog": ("syslog facility S", "syslog off", "syslog"),
}
FORMS: dict[str, dict[str, tuple[str, ...]]] = {
    "": {
        "chroot": ("chroot S",),
        "include": ("include T",),
        "ipv6": ("ipv6 B",),
        "log": ("log { log }", *(f"log {form}" for forms in _LOG.values() for form in forms)),
        "map": ("map S to-ext S",),
        "mime": ("mime T S",),
        "port": ("port N",),
        "prefork": ("prefork N",),
        "protocols": ("protocols S",),
        "server": ("server S { server }",),
        "types": ("types { types }",),
        "user": ("user S",),
    },
    "log": _LOG,
    "server": {
        **_LOCATION,
        "alias": ("alias S",),
        "cert": ("cert S",),
        "cgi": ("cgi S",),
        "entrypoint": ("entrypoint S",),
        "env": ("env S = S",),
        "key": ("key S",),
        "listen": ("listen on A [ port V ] [ proxy-v1 ]",),
        "location": ("location S { location }",),
        "ocsp": ("ocsp S",),
        "param": ("param S = S",),
        "proxy": (
            "proxy [ proto S ] [ for-host S [ port V ] ] { proxy }",
            "proxy for-host S [ port V ] proto S { proxy }",
        ),
    },
    "location": _LOCATION,
    "fastcgi": {
        "param": ("param S = S",),
        "socket": ("socket tcp S [ port V ]", "socket S"),
        "strip": ("strip N",),
    },
    "proxy": {
        "cert": ("cert S",),
        "key": ("key S",),
        "protocols": ("protocols S",),
        "proxy-v1": ("proxy-v1",),
        "relay-to": ("relay-to S [ port V ]",),
        "require": ("require client ca S",),
        "sni": ("sni S",),
        "use-tls": ("use-tls B",),
        "verifyname": ("verifyname B",),
    },
}
VALUES = {
    "S": "a text", "T": "a text", "N": "a number", "V": "a number or a name", "B": "on or off", "A": "an address",
}  # fmt: skip
SIGNS = frozenset("[]{}=")
KEYWORDS = frozenset(
    word for forms in FORMS.values() for form in (form for each in forms.values() for form in each)
    for word in form.split() if word not in VALUES and word not in SIGNS
) | {"on"}  # fmt: skip


class Directive(msgspec.Struct):
    """One of them: its keyword, its values, None for what is missing, and the statements in its block. `form` is what
    it was read by, `line` what the file has there."""

    form: str
    values: list[str]
    inner: list["Directive"]
    spot: Spot
    line: str

    @property
    def keyword(self) -> str:
        """What it begins with."""
        return self.form.partition(" ")[0]

    def value(self, number: int) -> str:
        """One of its values, empty where it is missing."""
        return self.values[number] if number < len(self.values) else ""
