"""From a configuration to those who answer requests: the responders of each location, in their order.

Rule: who answers in a location is what `Location.answers` says; what only some configurations need is loaded for these.
"""

import errno
import os
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from gemd.config.answer_settings import Redirect
from gemd.config.host_settings import AnswerKind, Location
from gemd.config.settings import Config
from gemd.config.types import Budget
from gemd.config.upload_locations import takes_uploads
from gemd.protocol.errors import GeminiError
from gemd.protocol.request import Request
from gemd.protocol.response import Answer
from gemd.protocol.upload import Intake
from gemd.responders.access import Check, build_location_check
from gemd.responders.app.applications import NO_PROCESSES, Applications
from gemd.responders.attribution import CountPlace, Note
from gemd.responders.cgi.scripts import CGI, NO_USERS, ScriptUsers
from gemd.responders.file_responders import FileResponders, build_converters
from gemd.responders.gateway.gateways import Gateways
from gemd.responders.gateway.proxy_means import ProxyMeans
from gemd.responders.hosts import Responder, ServedHosts, ServedLocation
from gemd.responders.location_rules import Rule
from gemd.responders.normal_paths import redirect_to_normal
from gemd.responders.own_texts import reword_refusal
from gemd.responders.protection import Protection
from gemd.responders.redirect import give_answer, gone, redirect
from gemd.responders.static import Convert
from gemd.system.authorities import Authorities, Read, read_authorities
from gemd.system.spool_directory import SpoolDirectory

if TYPE_CHECKING:  # which few configurations need
    from gemd.responders.people import People
    from gemd.system.accounts import FindAccount

Respond = Callable[[Request], Answer | Intake]  # raises GeminiError
MakeLimit = Callable[[Sequence[Budget]], Check]
NO_SLOTS: Mapping[str, int] = {}


class Router:
    """The hosts with their locations, and the responders. `make_limit` makes of budgets what counts a peer's request
    and raises SlowDown; `read` has the authorities in a file or directory; `script_users` are whom scripts run as, by
    name, and None for the workers' user; `private` are the paths of files that are never shown; `app_processes` are
    what leads to applications that have a process of their own, by `app_key`; `proxy_means` are what passing requests
    on takes; `upload_spool` is where uploads to programs wait, None where there can be none; `find_account` looks users
    up who have directories, by default among those of this machine; `slots` are where each host is counted, by its
    name. `note` tells whose the last answer was."""

    _find: Callable[[Request], ServedLocation]

    def __init__(
        self,
        config: Config,
        mime_table: Mapping[str, str],
        make_limit: MakeLimit | None,
        read: Read = read_authorities,
        script_users: ScriptUsers = NO_USERS,
        private: Collection[str] = (),
        app_processes: Mapping[object, socket.socket] = NO_PROCESSES,
        proxy_means: ProxyMeans | None = None,
        upload_spool: SpoolDirectory | None = None,
        find_account: "FindAccount | None" = None,
        slots: Mapping[str, int] = NO_SLOTS,
    ) -> None:
        self.note = Note()
        authorities = load_authorities(config, read)
        rules = {
            host.name: [(location, build_location_check(location, read)) for location in host.locations]
            for host in config.hosts
        }
        protection = Protection(rules, private)
        means = proxy_means if proxy_means is not None else ProxyMeans(read=read)
        self.applications = Applications(config, authorities, app_processes)
        self.gateways = Gateways(config, authorities, means)
        self._scripts = CGI(config, authorities, protection, script_users)
        convert = build_converters(config, script_users, self._scripts.places)
        files = FileResponders(config, mime_table, protection, rules, convert, self._serve_elsewhere)
        responders: dict[AnswerKind, Responder] = {
            AnswerKind.GONE: gone,
            AnswerKind.ANSWER: give_answer,
            AnswerKind.REDIRECT: _build_redirect(config),
            AnswerKind.SCRIPT: self._scripts.run_mounted,
            AnswerKind.CGI: self._scripts,
            AnswerKind.APP: self.applications,
            **self.gateways.by_answer,
            AnswerKind.FILES: files.plain,
        }
        uploads = _build_uploads(config, responders, mime_table, private, read, upload_spool)
        people = None
        if config.has_people:
            people = _build_people(
                config, mime_table, rules, private, self._scripts, convert, self._serve_elsewhere, find_account
            )
        locations = {
            host: [
                _serve_location(
                    rule,
                    {**responders, AnswerKind.FILES: files.of(rule[0])},
                    make_limit,
                    uploads,
                    people,
                    self.note,
                    slots.get(host, 0),
                )
                for rule in entries
            ]
            for host, entries in rules.items()
        }
        hosts = ServedHosts(config, locations)
        self._find, self._find_texts = hosts.find, hosts.find_texts

    def respond(self, request: Request) -> Answer | Intake:
        """The answer, or an intake for what is uploaded first. Raises GeminiError where it is a refusal."""
        return self._find(request).respond(request)

    def word_refusal(self, request: Request, refusal: GeminiError) -> GeminiError:
        """The same, in the words of the location that the request leads to. For what is refused before there is an
        answer, or in its place."""
        return reword_refusal(self._find_texts(request), refusal)

    def end_by(self, moment: float) -> None:
        """Break off what others' answers still go on with at `moment`, in monotonic seconds: the worker ends."""
        self.applications.end_by(moment)
        self.gateways.end_by(moment)

    def has_room(self) -> bool:
        """Whether a script would be started at once."""
        return self._scripts.has_room

    def _serve_elsewhere(self, request: Request) -> ServedLocation:
        """Where a request is answered, for who would have it answered there."""
        return self._find(request)

    def locate(self, request: Request) -> Location | None:
        """The location that decides about a request; None where nobody is to have it."""
        try:
            return self._find(request).location
        except GeminiError:
            return None


def _build_redirect(config: Config) -> Responder:
    """What redirects: patterns cost something only where there are some."""
    redirects = [location.redirect for location in config.locations]
    if all(each is None or (isinstance(each, Redirect) and each.match is None) for each in redirects):
        return redirect
    from gemd.responders.pattern_redirects import PatternRedirects

    return PatternRedirects(config)


def _build_uploads(
    config: Config,
    responders: Mapping[AnswerKind, Responder],
    mime_table: Mapping[str, str],
    private: Collection[str],
    read: Read,
    spool: SpoolDirectory | None,
) -> Responder | None:
    """What takes uploads, None where nothing does."""
    if not takes_uploads(config):
        return None
    from gemd.responders.uploads.receivers import build_uploads

    make_file = spool.make_file if spool is not None else _refuse_file
    return build_uploads(config, responders, mime_table, private, read, make_file)


def _refuse_file(_size: int) -> int:
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


def load_authorities(config: Config, read: Read = read_authorities) -> Authorities | None:
    """Who vouches for clients in TLS_CLIENT_AUTHORISED. Raises CertificateError."""
    paths = [path for path in (config.tls.ca_file, config.tls.ca_path) if path]
    return Authorities(*paths, read=read) if paths else None


def _build_people(
    config: Config,
    mime_table: Mapping[str, str],
    rules: Mapping[str, Sequence[Rule]],
    private: Collection[str],
    scripts: CGI,
    convert: Convert | None,
    find: Callable[[Request], ServedLocation],
    find_account: "FindAccount | None",
) -> "People":
    from gemd.responders.home_answers import HomeAnswers
    from gemd.responders.owned_files import OwnedFiles, open_root_of_home
    from gemd.responders.people import People

    owned = OwnedFiles(rules, private)
    files = FileResponders(config, mime_table, owned, rules, convert, find, open_root_of_home)
    return People(config, HomeAnswers(scripts.beside(owned), files, find), find_account)


def _serve_location(
    rule: Rule,
    responders: Mapping[AnswerKind, Responder],
    make_limit: MakeLimit | None,
    uploads: Responder | None,
    people: "People | None",
    note: Note,
    slot: int,
) -> ServedLocation:
    location, check = rule
    places: dict[Responder, CountPlace] = {redirect_to_normal: CountPlace(slot, "redirect")}
    places[responders[AnswerKind.APP]] = CountPlace(slot, AnswerKind.APP.value)
    for answer in location.answers:
        places[responders[answer]] = CountPlace(slot, answer.value)
    answers: tuple[Responder, ...] = tuple(responders[answer] for answer in location.answers)
    if people is not None and location.people is not None:
        answers = people.put_among(answers, location)
        places[people] = CountPlace(slot, "people")
        uploads = people.keep_uploads(uploads) if uploads is not None else None
    if uploads is not None:
        places[uploads] = CountPlace(slot, "titan")
    return ServedLocation(
        location,
        make_limit(location.budgets) if make_limit is not None and location.budgets else None,
        check,
        tuple((answer, places[answer]) for answer in answers),
        responders[AnswerKind.APP],
        {int(status): text for status, text in location.errors.items()},
        uploads if location.titan else None,
        note,
        places,
        CountPlace(slot, "none"),
    )
