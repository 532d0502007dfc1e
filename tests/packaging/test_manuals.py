"""The manual pages are without fault, there is one for each command, and what they say is so."""

import datetime
import os
import re
import subprocess
from typing import get_args

import msgspec
import pytest

from gemd import options
from gemd.config import parse_config
from gemd.config.answer_settings import Redirect
from gemd.config.cgi_settings import CGISettings
from gemd.config.convert_settings import Converter
from gemd.config.host_settings import DERIVED, Host, Location
from gemd.config.listen import Listen
from gemd.config.listing_settings import ListingSettings
from gemd.config.pass_settings import PASS_KEYS
from gemd.config.people_settings import UserDirectories
from gemd.config.settings import TLS, Limits, Log, Service, Timeouts
from gemd.config.tables import keys_of
from gemd.config.titan_settings import TitanSettings
from gemd.config.types import Dialect
from gemd.exit_codes import ExitCode
from gemd.gemctl import options as gemctl_options
from gemd.gemctl.failure import ExitCode as GemctlCode
from gemd.master import master
from gemd.protocol.peer import Peer
from gemd.protocol.request import Request
from gemd.protocol.upload import Upload, UploadBody
from gemd.protocol.url import parse_url
from gemd.responders.app.environ import build_app_environ
from gemd.responders.cgi.environ import ScriptNames, build_environ
from gemd.responders.script_looks import EXTENSIONS
from gemd.system.client_certificates import make_client_certificate
from tests.packaging.installing import COMMANDS, PROJECT
from tests.packaging.test_completion import LINES
from tests.responders.asking import TLSOf

PAGES = sorted((PROJECT / "man").iterdir())
TABLES = (
    *(Listen, Service, TLS, Timeouts, Limits, CGISettings, Log, Host, Location),
    *(ListingSettings, TitanSettings, Converter, UserDirectories),
)


def items(page, macro):
    """What a manual page explains: the arguments of its lines `.It MACRO`."""
    lines = re.findall(r"^\.It (.*)", (PROJECT / "man" / page).read_text(), re.MULTILINE)
    parts = [part for line in lines for part in line.partition(" Pq ")[0].split(macro)[1:]]
    return {word for part in parts for word in re.split("[ ,]+", part)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_mandoc_has_no_complaint(page, need_program):
    done = subprocess.run([need_program("mandoc"), "-T", "lint", "-W", "warning", page], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_every_command_and_the_configuration_have_a_page():
    assert {page.name for page in PAGES} == {*(f"{command}.8" for command in COMMANDS), "gemd.conf.5", "gemd-cgi.7"}


def test_every_key_is_explained():
    keys = {key for table in TABLES for key in keys_of(table)} | set(PASS_KEYS)
    keys -= DERIVED | {"locations"}
    assert keys | {"include", "listen", "workers"} <= items("gemd.conf.5", "Ic")


def test_every_extension_of_scripts_is_named():
    text = explanation("[[host.location]]", "cgi")
    assert (
        set(re.findall(r"\.[a-z]+\b", text.partition("whose extension is")[2].partition("zsh")[0] + "zsh"))
        == EXTENSIONS
    )


SECTIONS = {
    "Keys of no table": (Service,),
    "[[listen]]": (Listen,),
    "[tls]": (TLS,),
    "[timeouts]": (Timeouts,),
    "[limits]": (Limits,),
    "[cgi]": (CGISettings,),
    "[log]": (Log,),
    "[[host]]": (Host, UserDirectories),
    "[[host.location]]": (Location, ListingSettings, TitanSettings, Converter),
}
# What the page says in a way of its own.
OTHERWISE = {
    ("[log]", "access"): "The defaults are stdout and stderr",
    ("[log]", "error"): "The defaults are stdout and stderr",
    ("[[host.location]]", "path"): "needed",
}


def section(page, title):
    """The lines of a section or subsection."""
    text = (PROJECT / "man" / page).read_text()
    found = re.search(rf"^\.S[sh] {re.escape(title)}\n(.*?)(?=^\.S[sh] |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def explanation(title, key):
    """What the page says of a key, in plain words."""
    entries = re.split(r"^(?=\.It Ic )", section("gemd.conf.5", title), flags=re.MULTILINE)
    heads = {entry: entry.partition("\n")[0].partition(" Pq ")[0].removeprefix(".It Ic ") for entry in entries}
    (found,) = [entry for entry, head in heads.items() if key in head.split(" , ")]
    words = [re.sub(r"^\.[A-Z][a-z] ", "", line).removesuffix(" .").replace("\\(dq", '"') for line in found.split("\n")]
    return " ".join(words)


def as_written(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(f'"{entry}"' for entry in value) + "]"
    return value if isinstance(value, str) else f"{value:.15g}"


def defaults():
    for title, tables in SECTIONS.items():
        for field in (field for table in tables for field in msgspec.structs.fields(table)):
            if field.default not in (msgspec.NODEFAULT, None, "", ()) and field.encode_name not in DERIVED:
                yield title, field.encode_name, field.default


@pytest.mark.parametrize(("title", "key", "default"), list(defaults()))
def test_every_default_is_told(title, key, default):
    expected = OTHERWISE.get((title, key), f"The default is {as_written(default)}")
    assert expected in explanation(title, key)


def test_the_default_of_a_redirects_status_is_told():
    assert f"by default {Redirect(to='/').status}" in explanation("[[host.location]]", "redirect")


# Flags


def flags_of(parse, *words, capsys):
    """The flags that a command takes, by its own help, without their first hyphen."""
    with pytest.raises(SystemExit):
        parse([*words, "--help"])
    entries = re.findall(r"^  (-.*?)(?:  |$)", capsys.readouterr().out, re.MULTILINE)
    return {flag for entry in entries for flag in re.findall(r"(?:^|(?<=[ ,]))-(-?[A-Za-z][a-z-]*)", entry)}


def test_every_signal_and_command_is_explained():
    signals = {number.name.removeprefix("SIG") for number in master.SIGNALS} - {"CHLD"}  # which comes by itself
    assert signals <= items("gemd.8", "Dv")
    assert set(master.COMMANDS) <= items("gemctl.8", "Cm")


def flags_in(page):
    """The flags that a page speaks of anywhere."""
    text = (PROJECT / "man" / page).read_text()
    return set(re.findall(r"\bFl (-?[A-Za-z][a-z-]*)", text)) | set(re.findall(r" , (-[a-z][a-z-]*)", text))


def test_every_flag_of_gemd_is_explained_and_no_other(capsys):
    flags = flags_of(options.parse_arguments, capsys=capsys)
    assert flags <= items("gemd.8", "Fl")
    assert {flag for flag in flags_in("gemd.8") if flag.startswith("-")} <= flags


def test_every_flag_of_gemctl_is_explained_and_no_other(capsys):
    lines = [line.split()[1:] for line in LINES if line.startswith("gemctl")]
    flags = {flag for words in lines for flag in flags_of(gemctl_options.parse_arguments, *words, capsys=capsys)}
    explained = flags_in("gemctl.8")
    assert flags <= explained
    assert {flag for flag in explained if flag.startswith("-")} <= flags


# Exit codes


@pytest.mark.parametrize(("page", "codes"), [("gemd.8", ExitCode), ("gemctl.8", GemctlCode)])
def test_every_exit_code_is_explained(page, codes):
    listed = re.findall(r"^\.It ([0-9]+)$", section(page, "EXIT STATUS"), re.MULTILINE)
    assert listed == [str(int(code)) for code in codes]


@pytest.mark.parametrize(
    ("parse", "codes"), [(options.parse_arguments, ExitCode), (gemctl_options.parse_arguments, GemctlCode)]
)
def test_every_exit_code_is_in_the_help(parse, codes, capsys):
    with pytest.raises(SystemExit):
        parse(["--help"])
    said = " ".join(capsys.readouterr().out.split()).partition("Exit codes: ")[2]
    assert re.findall(r"[0-9]+", said) == [str(int(code)) for code in codes]


# What scripts and applications are told

CERTIFICATE = make_client_certificate("Ada", *[datetime.datetime.now(datetime.UTC)] * 2)
ASKED = Request(
    parse_url(b"gemini://h/a/b?c"), Peer("192.0.2.1", 1, "192.0.2.2", 2, TLSOf(client_certificate=CERTIFICATE))
)


BODY = UploadBody(os.open(os.devnull, os.O_RDONLY), 1)
UPLOADS = [Upload(is_edit=True), Upload(1, token="t", body=BODY)]
UPLOADED = [Request(parse_url(b"titan://h/a/b"), ASKED.peer, upload) for upload in UPLOADS]
NAMES = ScriptNames("/a", "/b", "/srv/a", "/")


def names_in(text):
    """What the lines `.It` of a part of a page name, and what stands in capitals in the paragraphs after them."""
    items = [name for line in re.findall(r"^\.It (?:Ev )?(.*)", text, re.MULTILINE) for name in line.split(" , ")]
    return set(items) | set(re.findall(r"\b[A-Z]+(?:_[A-Z0-9]+)+\b", text))


def test_every_variable_of_a_script_is_explained_and_no_other():
    config = parse_config({"host": [{"name": "h", "root": "/"}]}, base=PROJECT, source=None, cpus=1)
    made = set()
    for asked in (ASKED, *UPLOADED):
        made |= build_environ(asked, config.hosts[0].locations[0], config.cgi, NAMES, None).keys()
    items = re.findall(r"^\.It Ev (.*)", section("gemd-cgi.7", "ENVIRONMENT"), re.MULTILINE)
    assert {name for line in items for name in line.split(" , ")} == made


def dialects_told():
    """By dialect, what the page says of each variable that differs."""
    told = {"jetforce": {}}
    for line in re.findall(r"^\.It (.*)", section("gemd-cgi.7", "DIALECTS"), re.MULTILINE):
        if line.startswith("Qq "):
            rows = told.setdefault(line.removeprefix("Qq "), {})
        else:
            name, _, text = line.partition(" Ta ")
            rows[name] = text
    return told


def test_what_differs_in_a_dialect_is_told_and_nothing_else():
    told = dialects_told()
    assert set(told) == set(get_args(Dialect))
    tables = {"host": [{"name": "h", "root": "/"}]}
    location = parse_config(tables, base=PROJECT, source=None, cpus=1).hosts[0].locations[0]
    bare = Request(parse_url(b"gemini://h/a/b"), Peer("192.0.2.1", 1, "192.0.2.2", 2, TLSOf()))

    def build(dialect):
        settings = CGISettings(dialect=dialect)
        return [build_environ(asked, location, settings, NAMES, None).items() for asked in (ASKED, bare, *UPLOADED)]

    usual = build("jetforce")
    for dialect, rows in told.items():
        changed = {name for here, there in zip(build(dialect), usual, strict=True) for name, _ in here ^ there}
        assert changed == set(rows), dialect
        known, stranger, _, _ = map(dict, build(dialect))
        for name, text in rows.items():
            if "empty without" in text:
                assert stranger[name] == ""
            if "not set without" in text:
                assert name not in stranger
            if text.startswith("/"):
                assert known[name].startswith("/")
            if text.startswith(("GET", "Certificate")):
                assert known[name] == text.partition(";")[0]


def test_every_entry_of_an_applications_environ_is_explained_and_no_other():
    made = {name for asked in (ASKED, *UPLOADED) for name in build_app_environ(asked, Location(host="h"), None)}
    text = section("gemd.conf.5", "APPLICATIONS")
    begin, end = text.index(".Va environ"), text.index("An application is asked for the hosts")
    assert names_in(text[begin:end]) | {"HOSTNAME"} == made
