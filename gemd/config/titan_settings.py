"""The settings of uploads by Titan: who may write in a location, how much, and of which types."""

from collections.abc import Iterator
from typing import Annotated, Literal
from urllib.parse import quote

from msgspec import Meta

from gemd.config.tables import key_path, show
from gemd.config.types import CAFile, Settings, Text
from gemd.protocol.errors import BadRequest
from gemd.protocol.fingerprint import parse_fingerprint
from gemd.protocol.mime import is_media_type
from gemd.protocol.titan import parse_upload
from gemd.protocol.url import parse_url

_LONGEST_TOKEN = 512  # octets as they are sent: a request has 1024 for all that it says

UploadSize = Annotated[int, Meta(ge=1, le=10**15 - 1, description="a whole number of bytes, at least 1")]
# What nobody is shown who is told of a mistake.
Tokens = Annotated[tuple[Text, ...], Meta(description="a list of texts", extra={"is_secret": True})]


class TitanSettings(Settings, frozen=True):
    """A `titan` table. `allow` is whose certificate lets them write, None for nobody's, and `public` that none is asked
    for; `tokens` are passwords, one of which is needed besides where there are any."""

    allow: Literal["any"] | tuple[Text, ...] | CAFile | None = None
    max_size: UploadSize = 10 * 1024**2
    types: tuple[Text, ...] = ("text/gemini", "text/plain")
    tokens: Tokens = ()
    delete: bool = False
    edit: bool = True
    mkdir: bool = False
    public: bool = False

    def allows_type(self, media_type: str) -> bool:
        """Whether something of this type may be uploaded. Parameters and upper case don't matter."""
        wanted = media_type.partition(";")[0].strip().lower()
        return wanted in self.types or wanted.partition("/")[0] + "/*" in self.types or "*/*" in self.types


def judge_titan(titan: TitanSettings) -> Iterator[tuple[str, str]]:
    """What is wrong with the values of a table, by key."""
    if titan.public and titan.allow is not None:
        yield "allow", "public says that anybody may write, without a certificate: remove one of the two keys"
    elif not titan.public and not titan.allow:
        text = 'needs those who may write: fingerprints of certificates, "any" certificate, or { ca = "..." }'
        yield "allow", f"{text}; public = true is for anybody, without one"
    for i, entry in enumerate(titan.allow if isinstance(titan.allow, tuple) else (), 1):
        try:
            parse_fingerprint(entry)
        except ValueError as error:
            yield key_path("allow", i), f"{error}, not {show(entry)}"
    if not titan.types:
        yield "types", 'expected at least one, as in "text/gemini", "image/*" or "*/*"'
    for i, entry in enumerate(titan.types, 1):
        if not is_media_type(entry.replace("*", "x")) or ";" in entry or entry != entry.lower():
            text = 'expected a type in lower case without parameters, as in "text/gemini", "image/*" or "*/*"'
            yield key_path("types", i), f"{text}, not {show(entry)}"
        elif "*" in entry and entry != "*/*" and (entry.count("*") > 1 or not entry.endswith("/*")):
            yield key_path("types", i), f'a star stands for all of a kind, as in "image/*" or "*/*", not {show(entry)}'
    for i, token in enumerate(titan.tokens, 1):
        sent = quote(token, safe="", errors="replace")
        if len(sent) > _LONGEST_TOKEN:
            yield key_path("tokens", i), f"is longer than {_LONGEST_TOKEN} octets as it is sent, percent-encoded"
        elif not _can_be_sent(sent):
            yield key_path("tokens", i), "has a character that can't be sent, or a dot segment"
        elif token in titan.tokens[: i - 1]:
            yield key_path("tokens", i), "is there twice"


def _can_be_sent(encoded: str) -> bool:
    try:
        parse_upload(parse_url(f"titan://h/;size=1;token={encoded}".encode()).parameters)
    except BadRequest:
        return False
    return True
