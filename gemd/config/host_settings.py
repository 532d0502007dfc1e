"""The settings of hosts and their locations: every key of `[[host]]` and `[[host.location]]`, with its default.

Rules: as for all settings, see `settings`; a location has what holds for it already, its host's settings included.
"""

import enum
from typing import Annotated, Literal

from msgspec import Meta, field

from gemd.config.answer_settings import FixedAnswer, Redirect, is_partial
from gemd.config.convert_settings import ConverterTable
from gemd.config.gateway_settings import ApplicationTable, ProxyTable
from gemd.config.listing_settings import ListingSettings
from gemd.config.people_settings import UserDirectories
from gemd.config.placement import Match, Placement
from gemd.config.script_places import ScriptPlaces, parse_places
from gemd.config.titan_settings import TitanSettings
from gemd.config.types import (
    Budget,
    ClientCertificate,
    Count,
    Dialect,
    Duration,
    ExitStatus,
    FileSize,
    LocationAccess,
    MemorySize,
    Niceness,
    RateTable,
    Seconds,
    Settings,
    Symlinks,
    Text,
)
from gemd.protocol.host import ANY_HOST
from gemd.protocol.url import split_path

PART_PREFIX = ".gemd-upload-"  # names of files that are not whole yet: never shown, and swept away where nobody writes
META_NAME = ".meta"  # files that say what others are: never shown where they count


class AnswerKind(enum.Enum):
    """What a location may answer with, in the order in which it is tried, each by the key that says so."""

    GONE = "gone"
    ANSWER = "answer"
    REDIRECT = "redirect"
    SCRIPT = "script"
    CGI = "cgi"
    APP = "app"
    FASTCGI = "fastcgi"
    SCGI = "scgi"
    PROXY = "proxy"
    FILES = "root"


GATEWAY_KINDS = frozenset({AnswerKind.FASTCGI, AnswerKind.SCGI, AnswerKind.PROXY})


class Location(Settings, frozen=True):
    """A part of a host, and all settings that hold in it: its own, or else the host's.

    `mount` is where the root's own content begins: the location's names when it has a root of its own,
    nothing when it is a part of the host's root. `host` is the host's name, `where` the path of its table in the file,
    `budgets` are those of all `rate` that hold for it, its own last. They follow from other keys and are none
    themselves: see DERIVED. `log` is whether its requests are logged, or the file of an access log for them. `schemes`
    are those of the URLs that an application takes; with `hosts` those of foreign hosts as well. `titan` is who may
    upload what, false for nobody. `errors` are texts for gemd's own refusals, by status. `extensions` (the key
    `try`) are what may be missing from the end of a URL. `people` are the directories of users, which follow from the
    host's `user_directories`; None where this location has none.
    """

    path: str = "/"
    match: Match = "prefix"
    root: Text | None = None
    index: tuple[Text, ...] = ("index.gmi", "index.gemini")
    listing: bool | ListingSettings = True
    lang: Text | None = None
    charset: Text | None = None
    force_charset: bool = False
    mime: dict[str, str] = {}
    meta_files: bool = False
    convert: ConverterTable = {}
    extensions: Text | tuple[Text, ...] = field(default=(), name="try")
    symlinks: Symlinks = "beneath"
    dot_files: bool | tuple[Text, ...] = (".well-known",)
    script: Text | None = None
    cgi: Text | tuple[Text, ...] | None = None
    cgi_user: Text | None = None
    cgi_dialect: Dialect | None = None
    cgi_exit_status: ExitStatus | None = None
    cgi_environment: dict[str, str] = {}
    cgi_timeout: Seconds | None = None
    cgi_header_timeout: Seconds | None = None
    cgi_after: Duration | None = None
    cgi_nice: Niceness | None = None
    cgi_cpu_seconds: Count | None = None
    cgi_memory: MemorySize | None = None
    cgi_file_size: FileSize | None = None
    cgi_processes: Count | None = None
    app: Text | None = None
    app_path: Text | None = None
    app_process: bool | None = None
    app_user: Text | None = None
    app_directory: Text | None = None
    app_env: dict[str, str] = {}
    app_options: dict[str, str | int | float | bool] = {}
    app_threads: Annotated[int, Meta(ge=1, le=1024, description="a whole number from 1 to 1024")] = 1
    preload: bool = False
    schemes: tuple[Text, ...] = ("gemini",)
    hosts: Literal["*"] | None = None
    fastcgi: ApplicationTable | None = None
    scgi: ApplicationTable | None = None
    proxy: ProxyTable | None = None
    redirect: Redirect | tuple[Redirect, ...] | None = None
    answer: FixedAnswer | None = None
    gone: bool = False
    titan: Annotated[bool, Meta(description="false")] | TitanSettings = False
    client_certificate: ClientCertificate = "none"
    access: Literal["any"] | LocationAccess = "any"
    rate: Text | RateTable | None = None
    log: bool | Text = True
    errors: dict[str, str] = {}
    mount: tuple[str, ...] = ()
    host: str = ""
    where: str = ""
    budgets: tuple[Budget, ...] = ()
    people: UserDirectories | None = None

    @property
    def answers(self) -> tuple[AnswerKind, ...]:
        """What it answers with; nothing where a key is still missing."""
        given = {
            AnswerKind.GONE: self.gone,
            AnswerKind.ANSWER: self.answer is not None,
            AnswerKind.REDIRECT: self.redirect is not None,
            AnswerKind.SCRIPT: self.script is not None,
            AnswerKind.CGI: bool(self.cgi) and self.root is not None,
            AnswerKind.APP: self.app is not None,
            AnswerKind.FASTCGI: self.fastcgi is not None,
            AnswerKind.SCGI: self.scgi is not None,
            AnswerKind.PROXY: self.proxy is not None,
            AnswerKind.FILES: self.root is not None,
        }
        return tuple(answer for answer in AnswerKind if given[answer])

    @property
    def full_answers(self) -> tuple[AnswerKind, ...]:
        """Those of them that leave nothing to the next one."""
        values = {AnswerKind.ANSWER: self.answer, AnswerKind.REDIRECT: self.redirect}
        some = {AnswerKind.CGI, AnswerKind.FILES, *(kind for kind, value in values.items() if is_partial(value))}
        return tuple(answer for answer in self.answers if answer not in some)

    @property
    def application_tables(self) -> dict[AnswerKind, ApplicationTable]:
        """Those that are given, of applications in other processes, by what says so."""
        tables = {AnswerKind.FASTCGI: self.fastcgi, AnswerKind.SCGI: self.scgi}
        return {kind: table for kind, table in tables.items() if table is not None}

    @property
    def source(self) -> str:
        """Where its content comes from, for people; nothing where it has none."""
        gateway = next(iter(self.application_tables.values()), self.proxy)
        servers = gateway.upstreams if gateway is not None else ()
        return self.script or self.app or ", ".join(servers) or self.root or ""

    @property
    def script_places(self) -> ScriptPlaces:
        """Where its scripts are, below its root."""
        return parse_places(self.cgi)

    @property
    def tried(self) -> tuple[str, ...]:
        """The `extensions`, of which a text alone is one."""
        return (self.extensions,) if isinstance(self.extensions, str) else self.extensions

    @property
    def names(self) -> tuple[str, ...]:
        """The path's segments, as `Url.names` has them."""
        return split_path(self.path)

    @property
    def place(self) -> Placement:
        """Where it is among the others."""
        return Placement(self.names, self.match)

    def allows_name(self, name: str) -> bool:
        """Whether a file or directory of this name may be seen at all: dot-files need a permission, and uploads
        that are not whole have none, nor has what describes others."""
        if not name.startswith("."):
            return True
        lowered = name.lower()  # as a file system may have it that folds case
        if lowered.startswith(PART_PREFIX) or (self.meta_files and lowered == META_NAME):
            return False
        return self.dot_files if isinstance(self.dot_files, bool) else name in self.dot_files


DERIVED = frozenset({"mount", "host", "where", "budgets", "people"})


class Host(Settings, frozen=True):
    """A named host. The first location has the path "/" and holds for everything that no other one matches."""

    name: Text
    aliases: tuple[Text, ...] = ()
    certificate: Text | None = None
    key: Text | None = None
    check_port: bool = True
    rate: Text | RateTable | None = None
    user_directories: UserDirectories | None = None
    locations: tuple[Location, ...] = ()

    @property
    def where(self) -> str:
        """The path of its table in the file."""
        return self.locations[0].where.partition(".")[0]  # which a location for "/" may have replaced

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that the host answers to."""
        return (self.name, *self.aliases)

    @property
    def certificate_names(self) -> tuple[str, ...]:
        """Those that are in the certificate that is made for it."""
        return tuple(name for name in self.names if name != ANY_HOST)

    @property
    def has_certificate(self) -> bool:
        """Whether it has one of its own, configured or made; the first host's is for it otherwise."""
        return self.certificate is not None or self.name != ANY_HOST
