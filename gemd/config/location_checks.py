"""What is wrong with a location's values, each by itself and with those beside it.

Rule: nothing is opened or looked up; each fault is told with its key and what was expected.
"""

import re
from collections.abc import Collection, Iterator, Mapping

from gemd.config.access_lists import judge_location_access
from gemd.config.budgets import judge_rate
from gemd.config.cgi_settings import judge_variables
from gemd.config.convert_settings import judge_converters, judge_extensions
from gemd.config.gateway_settings import judge_gateway
from gemd.config.host_settings import AnswerKind, Location
from gemd.config.listing_settings import judge_listing
from gemd.config.log_targets import judge_target
from gemd.config.names_known import is_charset, is_languages
from gemd.config.proxy_checks import judge_proxy
from gemd.config.script_places import EVERYWHERE, list_entries
from gemd.config.tables import key_path, show
from gemd.config.types import LOG_WORDS
from gemd.protocol.fingerprint import parse_fingerprint
from gemd.protocol.mime import is_media_type
from gemd.protocol.response import META_FORM, is_meta
from gemd.protocol.status import DEFINED, Status
from gemd.protocol.url import has_dot_segments

_APP = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*(?:\.[^\W\d]\w*)*(?:\(\))?")
_OF_THE_ROOT = (AnswerKind.CGI, AnswerKind.FILES)  # which a location has of its host
_WITHOUT_ROOT = (AnswerKind.GONE, AnswerKind.ANSWER, AnswerKind.REDIRECT)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_REFUSALS = tuple(str(status) for status in sorted(DEFINED) if status >= 40 and status != Status.SLOW_DOWN)


def judge_location(location: Location) -> Iterator[tuple[str, str]]:
    """What is wrong with a location's values, by key."""
    if not location.path.startswith("/") or has_dot_segments(location.path):
        yield "path", f"expected a path that begins with a slash, not {show(location.path)}"
    if location.match == "glob":
        from gemd.config.glob_checks import judge_glob

        yield from judge_glob(location.names)
    yield from _judge_types(location)
    yield from _judge_pages(location)
    for name in location.index:
        if name.startswith("/") or has_dot_segments(name):
            yield "index", f"expected a path below the root, not {show(name)}"
    yield from judge_listing(location.listing)
    for entry in list_entries(location.cgi):
        if entry != EVERYWHERE and (entry.startswith("/") or has_dot_segments(entry)):
            yield "cgi", f'expected a path below the root, or "." for all of it, not {show(entry)}'
    if location.redirect is not None or location.answer is not None:
        from gemd.config.answer_checks import judge_answers

        yield from judge_answers(location)
    if location.app is not None and not _APP.fullmatch(location.app):
        yield "app", f'expected "package.module:name" or "package.module:factory()", not {show(location.app)}'
    if location.app_options and not (location.app or "").endswith("()"):
        yield "app-options", 'needs an app that is a factory, as in "package.module:factory()"'
    yield from _judge_foreign(location)
    yield from _judge_gateways(location)
    if location.titan is not False:
        from gemd.config.upload_checks import judge_uploads

        yield from judge_uploads(location)
    if location.app_process and location.preload:
        yield "preload", "an application in a process of its own (app-process) is loaded there, and not by the master"
    if location.app_user is not None and location.app_process is False:
        yield "app-user", "needs a process for the application: set app-process = true"
    for name, text in judge_variables(location.cgi_environment):
        yield key_path("cgi-environment", name), text
    if location.log in LOG_WORDS:
        yield "log", f"expected true, false or the path of a file, not {show(location.log)}"
    elif isinstance(location.log, str) and (reason := judge_target(location.log)) is not None:
        yield "log", reason
    yield from _judge_errors(location.errors)
    if location.access != "any":
        for key, text in judge_location_access(location.access):
            yield key_path("access", key), text
    for key, text in judge_rate(location.rate):
        yield key_path("rate", key), text
    for entry in location.client_certificate if isinstance(location.client_certificate, tuple) else ():
        try:
            parse_fingerprint(entry)
        except ValueError as error:
            yield "client-certificate", f"{error}, not {show(entry)}"


def find_bar(location: Location) -> AnswerKind | None:
    """The answer by which nothing of a root is ever looked for here, if there is one."""
    return next((answer for answer in location.full_answers if answer in _WITHOUT_ROOT), None)


def judge_beside(location: Location, own: Collection[str]) -> Iterator[tuple[str, str]]:
    """What is wrong with the location's `own` root and places of scripts, by key: those of its host it just has."""
    bar = find_bar(location)
    for kind in _OF_THE_ROOT if bar is not None else ():
        if bar is not None and kind.value in own and kind in location.answers:
            text = f"would never be asked, since {bar.value} answers everything here"
            yield kind.value, f"{text}: remove it, or {bar.value} where there is something to serve"


def _judge_pages(location: Location) -> Iterator[tuple[str, str]]:
    """What is wrong with what is converted, and with what is tried."""
    for text in judge_converters(location.convert) if location.convert else ():
        yield "convert", text
    for text in judge_extensions(location.tried):
        yield "try", text


def _judge_types(location: Location) -> Iterator[tuple[str, str]]:
    """What is wrong with media types and their parameters."""
    for extension, media_type in location.mime.items():
        if not (extension.startswith(".") or extension == "*") or not is_media_type(media_type):
            entry = f"{show(extension)} = {show(media_type)}"
            yield "mime", f'expected entries such as ".gmi" = "text/gemini", not {entry}'
        elif extension != extension.lower() or "." in extension[1:]:
            last = "." + extension.lower().rpartition(".")[2]
            text = f"matches nothing: what counts is the last extension in lower case, as in {show(last)}"
            yield key_path("mime", extension), text
    if location.lang is not None and not is_languages(location.lang):
        yield "lang", f'expected a language tag as in "en" or "en,fr", not {show(location.lang)}'
    if location.charset is not None and not is_charset(location.charset):
        yield "charset", f'expected the name of one that is known, as in "iso-8859-1", not {show(location.charset)}'
    if location.force_charset and location.charset is None:
        yield "force-charset", "needs the key charset: there is none that could be forced"


def _judge_foreign(location: Location) -> Iterator[tuple[str, str]]:
    """What is wrong with whom an application answers for."""
    if not location.schemes or not all(map(_SCHEME.fullmatch, location.schemes)):
        yield "schemes", 'expected schemes in lower case, as in ["gemini", "https"]'
    for key, is_given in (("schemes", location.schemes != ("gemini",)), ("hosts", location.hosts is not None)):
        if is_given and location.app is None:
            yield key, "needs an app: nothing else answers for others"


def _judge_errors(errors: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What is wrong with own texts for refusals."""
    for status, text in errors.items():
        key = key_path("errors", status)
        if status == str(int(Status.SLOW_DOWN)):
            yield key, "the text of 44 is the seconds to wait, which clients read: remove it"
        elif status not in _REFUSALS:
            yield key, f"gemd refuses nothing with this: expected one of {', '.join(_REFUSALS)}"
        elif not text.strip() or not is_meta(text):
            yield key, f"expected {META_FORM}, not {show(text)}"


def _judge_gateways(location: Location) -> Iterator[tuple[str, str]]:
    """What is wrong with who is asked in the place of files, each by itself and beside others."""
    for kind, table in location.application_tables.items():
        for name, text in judge_gateway(table):
            yield key_path(kind.value, name), text
    for name, text in judge_proxy(location.proxy) if location.proxy is not None else ():
        yield key_path(AnswerKind.PROXY.value, name), text
    for first in location.full_answers[:1]:
        for answer in location.answers[location.answers.index(first) + 1 :]:
            if answer not in _OF_THE_ROOT:
                text = f"would never be asked, since {first.value} answers everything here: remove one of them"
                yield answer.value, text
