"""What is wrong with tables of uploads, and with the locations that have them.

Rule: what answers with nothing that could take an upload says so when it is read, and not to clients.
"""

from collections.abc import Iterator
from urllib.parse import quote

from gemd.config.host_settings import AnswerKind, Location
from gemd.config.proxy_checks import parse_upstreams
from gemd.config.settings import Config
from gemd.config.tables import Problem, key_path, show
from gemd.config.titan_settings import TitanSettings
from gemd.config.upload_locations import UPLOAD_KEY, find_tables, is_for_files, list_takers
from gemd.protocol.errors import BadRequest
from gemd.protocol.fingerprint import parse_fingerprint
from gemd.protocol.mime import is_media_type
from gemd.protocol.titan import parse_upload
from gemd.protocol.url import parse_url

_LONGEST_TOKEN = 512  # octets as they are sent: a request has 1024 for all that it says


def judge_uploads(location: Location) -> Iterator[tuple[str, str]]:
    """What is wrong with a `titan` that is not false, and where it is, by key."""
    titan = location.titan
    if not isinstance(titan, TitanSettings):
        yield UPLOAD_KEY, 'expected a table that says who may write, as in { allow = ["SHA256:..."] }, or false'
        return
    for key, text in _judge_table(titan):
        yield key_path(UPLOAD_KEY, key), text
    reason = _why_nothing_is_taken(location)
    if reason is not None:
        yield UPLOAD_KEY, reason
    elif titan.mkdir and not is_for_files(location):
        yield key_path(UPLOAD_KEY, "mkdir"), "is for files, and a program answers here: remove it"


def _why_nothing_is_taken(location: Location) -> str | None:
    for first in location.full_answers[:1]:
        if first in (AnswerKind.GONE, AnswerKind.ANSWER, AnswerKind.REDIRECT):
            return f"{first.value} answers everything here, and takes no uploads: remove one of them"
    takers = list_takers(location)
    if not takers:
        return "needs who takes uploads beside it: a root, or a program that answers"
    if takers[0] is AnswerKind.PROXY and location.proxy is not None and _is_http(location):
        return "a server of HTTP takes no uploads from gemd: only gemini:// does"
    return None


def _is_http(location: Location) -> bool:
    try:
        return location.proxy is not None and any(each.scheme == "http" for each in parse_upstreams(location.proxy))
    except ValueError:  # which is told already
        return False


def _judge_table(titan: TitanSettings) -> Iterator[tuple[str, str]]:
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


def judge_sizes(config: Config) -> Iterator[Problem]:
    """Uploads that are allowed and would never have room."""
    limits = config.limits
    for where, _, titan in find_tables(config):
        for key, most in (("uploads-per-address", limits.uploads_per_address), ("uploads", limits.uploads)):
            if titan.max_size > most:
                text = f"{titan.max_size} is more than limits.{key} ({most}), so that no such upload would be taken"
                yield Problem(key_path(where, "max-size"), text)
                break
