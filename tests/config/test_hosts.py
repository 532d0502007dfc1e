import pytest

from gemd.config import parse_config
from gemd.config.host_settings import AnswerKind, Location
from gemd.config.hosts import PROTECTING, is_about, is_inherited
from gemd.config.tables import keys_of

from .reading import DIGEST, HOST, first, parse, problems_of


def test_names_are_normalised():
    host = parse('[[host]]\nname = "Bücher.Example."\naliases = ["*.Example.org", "::1", "[::2]"]\n').hosts[0]
    assert host.names == ("xn--bcher-kva.example", "*.example.org", "::1", "::2")


def test_a_location_inherits_from_its_host():
    inherited = "lang = 'en'\nlisting = false\nsymlinks = 'none'\ncgi = 'bin'\nclient-certificate = 'any'\n"
    config = parse(HOST + inherited + "[[host.location]]\npath = '/a/'\nlisting = true\n")
    location = config.hosts[0].locations[1]
    assert (location.root, location.lang, location.symlinks, location.cgi) == ("/srv", "en", "none", "bin")
    assert location.client_certificate == "any"
    assert location.listing
    assert not config.hosts[0].locations[0].listing


def locations_of(*tables, host=HOST):
    """The locations of a host by their paths, each given as its path and further keys."""
    text = host + "".join(f"[[host.location]]\npath = '{path}'\n{keys}\n" for path, keys in tables)
    return {location.path: location for location in parse(text).hosts[0].locations}


GUARDS = "client-certificate = 'any'\nlisting = false\nsymlinks = 'none'\ndot-files = false"
OPEN = ("none", True, "beneath", (".well-known",))
GUARDED = ("any", False, "none", False)


def guards_of(location):
    return location.client_certificate, location.listing, location.symlinks, location.dot_files


def test_what_protects_is_inherited_from_the_nearest_location_above():
    found = locations_of(
        ("/private/sub/deep", "lang = 'en'"),  # in any order
        ("/private", GUARDS),
        ("/private/sub", "lang = 'fr'"),
        ("/private-not", "lang = 'en'"),
        ("/other", ""),
        ("/private/files/", "root = '/mnt'"),
    )
    guarded = {path for path, location in found.items() if guards_of(location) == GUARDED}
    assert guarded == {"/private", "/private/sub", "/private/sub/deep", "/private/files/"}
    assert {guards_of(location) for path, location in found.items() if path not in guarded} == {OPEN}
    assert found["/private/sub/deep"].lang == "en"
    assert found["/private/files/"].lang is None  # nothing else is


def test_only_a_word_lifts_what_protects():
    words = "client-certificate = 'none'\nlisting = true\nsymlinks = 'beneath'\ndot-files = ['.well-known']"
    found = locations_of(
        ("/private/", GUARDS), ("/private/open", words), ("/private/open/a", ""), ("/private/listed", "listing = true")
    )
    assert guards_of(found["/private/open"]) == guards_of(found["/private/open/a"]) == OPEN
    assert guards_of(found["/private/listed"]) == ("any", True, "none", False)


def test_the_location_of_everything_is_above_all_others():
    found = locations_of(("/a", ""), ("/", GUARDS), ("/open", "client-certificate = 'none'"))
    assert guards_of(found["/a"]) == GUARDED
    assert found["/open"].client_certificate == "none"


def test_a_hosts_own_keys_protect_all_of_its_locations():
    found = locations_of(("/a", ""), ("/b", "client-certificate = 'none'"), host=HOST + "client-certificate = 'any'\n")
    assert {path: location.client_certificate for path, location in found.items()} == {
        "/": "any",
        "/a": "any",
        "/b": "none",
    }


def test_what_protects_one_host_protects_no_other():
    other = "[[host]]\nname = 'g'\nroot = '/srv'\n[[host.location]]\npath = '/private/sub'\n"
    hosts = parse(HOST + f"[[host.location]]\npath = '/private'\n{GUARDS}\n" + other).hosts
    assert guards_of(hosts[1].locations[1]) == OPEN


def test_a_word_that_is_wrong_protects_nobody_and_is_reported_once():
    locations = "[[host.location]]\npath = '/a'\nclient-certificate = 'all'\n[[host.location]]\npath = '/a/b'\n"
    assert set(problems_of(HOST + locations)) == {"host[1].location[1].client-certificate"}


def test_the_keys_that_protect_are_keys_of_a_location():
    assert keys_of(Location).keys() >= set(PROTECTING)


@pytest.mark.parametrize("move", ["redirect = { to = '/b/' }", "gone = true", "answer = { status = 41 }"])
def test_a_move_is_not_inherited(move):
    own, location = parse(HOST + f"{move}\n[[host.location]]\npath = '/a/'\n").hosts[0].locations
    assert len(own.full_answers) == 1
    assert location.answers == (AnswerKind.FILES,)


def test_a_location_with_patterns_alone_takes_uploads_as_its_host_does():
    titan = "titan = { public = true }\n[[host.location]]\npath = '/a/'\nredirect = { match = '/a/b', to = '/b' }\n"
    assert parse(HOST + titan).hosts[0].locations[1].titan is not False


def test_a_root_of_its_own_is_mounted_at_the_location():
    config = parse(HOST + "[[host.location]]\npath = '/a/b/'\nroot = '/mnt'\n[[host.location]]\npath = '/c/'\n")
    assert config.hosts[0].locations[1].mount == ("a", "b")
    assert config.hosts[0].locations[2].mount == ()


def test_the_location_of_everything_is_the_first():
    locations = parse(HOST + "lang = 'en'\n[[host.location]]\npath = '/'\nlang = 'fr'\n").hosts[0].locations
    assert [location.lang for location in locations] == ["fr"]


def test_a_path_has_no_dot_segments_unless_they_lead_through_a_link(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "elsewhere/deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to("elsewhere/deep")
    host = {"name": "x.org", "root": "../capsule", "location": [{"path": "/a/", "root": "../link/../b"}]}
    config = parse_config({"host": [host]}, base=tmp_path / "etc", source=None, cpus=1)
    roots = [location.root for location in config.hosts[0].locations]
    assert roots == [f"{tmp_path}/capsule", f"{tmp_path}/etc/../link/../b"]


def test_a_mistake_that_is_inherited_is_reported_once():
    locations = "[[host.location]]\npath = '/a/'\n[[host.location]]\npath = '/b/'\nindex = ['/y']\n"
    assert set(problems_of(HOST + "index = ['/x']\n" + locations)) == {"host[1].index", "host[1].location[2].index"}


def test_fingerprints_are_taken_in_every_spelling():
    rule = f"client-certificate = ['SHA256:{DIGEST}', '{DIGEST.upper()}', 'SPKI-SHA256:{DIGEST}']\n"
    assert len(first(HOST + rule).client_certificate) == 3


APP = '[[host]]\nname = "h"\napp = "m:app"\napp-env = { A = "b" }\napp-threads = 2\npreload = true\n'
OWN = {
    "nothing": ("", (AnswerKind.APP,)),
    "another setting": ("lang = 'en'\n", (AnswerKind.APP,)),
    "a root": ("root = '/x'\n", (AnswerKind.FILES,)),
    "a redirect": ("redirect = { to = '/b/' }\n", (AnswerKind.REDIRECT,)),
    "gone": ("gone = true\n", (AnswerKind.GONE,)),
    "an answer": ("answer = { status = 41 }\n", (AnswerKind.ANSWER,)),
    "a prompt": ("answer = { status = 10, meta = 'Who?' }\n", (AnswerKind.ANSWER, AnswerKind.APP)),
    "a pattern": ("redirect = { match = '/a/b', to = '/b/' }\n", (AnswerKind.REDIRECT, AnswerKind.APP)),
    "scripts": ("cgi = 'bin'\n", ()),
    "an application": ("app = 'n:app'\n", (AnswerKind.APP,)),
}


@pytest.mark.parametrize(("own", "answers"), OWN.values(), ids=OWN)
def test_a_location_with_an_answer_of_its_own_has_nothing_of_its_hosts_application(own, answers):
    location = parse(APP + "[[host.location]]\npath = '/a/'\n" + own).hosts[0].locations[1]
    assert location.answers == answers
    inherits = own in ("", "lang = 'en'\n") or len(answers) == 2
    assert (location.app == "m:app") == bool(location.app_env) == location.preload == inherits
    assert location.app_threads == (2 if inherits else 1)


def test_each_location_knows_where_in_the_file_it_is():
    """Also where the location of everything has one of its own, which takes the place of the host's."""
    plain = parse(HOST + "[[host.location]]\npath = '/a/'\n[[host.location]]\npath = '/b/'\n").hosts[0].locations
    assert [location.where for location in plain] == ["host[1]", "host[1].location[1]", "host[1].location[2]"]
    merged = parse(HOST + "[[host.location]]\npath = '/'\n[[host.location]]\npath = '/b/'\n").hosts[0].locations
    assert [location.where for location in merged] == ["host[1].location[1]", "host[1].location[2]"]


KEYS = {
    AnswerKind.REDIRECT: {"redirect"},
    AnswerKind.GONE: {"gone"},
    AnswerKind.ANSWER: {"answer"},
    AnswerKind.SCRIPT: {"script"},
    AnswerKind.CGI: {"cgi", *(key for key in keys_of(Location) if key.startswith("cgi-"))},
    AnswerKind.APP: {
        "app",
        "preload",
        "schemes",
        "hosts",
        *(key for key in keys_of(Location) if key.startswith("app-")),
    },
    AnswerKind.FASTCGI: {"fastcgi"},
    AnswerKind.SCGI: {"scgi"},
    AnswerKind.PROXY: {"proxy"},
    AnswerKind.FILES: {"root"},
}


@pytest.mark.parametrize("answer", AnswerKind)
def test_which_keys_are_an_answers_alone(answer):
    assert {key for key in keys_of(Location) if is_about(key, answer)} == KEYS[answer]


def test_what_a_location_has_of_its_hosts_answers():
    own = (AnswerKind.GONE, AnswerKind.ANSWER, AnswerKind.REDIRECT)
    everything = [answer for answer in AnswerKind if answer not in own]
    for has_answer, expected in ((False, everything), (True, [AnswerKind.CGI, AnswerKind.FILES])):
        assert [answer for answer in AnswerKind if is_inherited(answer, has_answer=has_answer)] == expected


def test_a_location_s_script_is_taken_from_the_file_s_directory_and_not_had_by_others():
    text = HOST + "script = 'a.py'\n[[host.location]]\npath = '/a/'\n[[host.location]]\npath = '/b/'\ncgi = 'bin'\n"
    text += "[[host.location]]\npath = '/c/'\nscript = '/srv/c.py'\n"
    locations = parse(text).hosts[0].locations
    assert [location.script for location in locations] == ["/etc/a.py", "/etc/a.py", None, "/srv/c.py"]


# Logs


def test_a_location_is_logged_unless_it_says_otherwise():
    assert first(HOST).log is True


@pytest.mark.parametrize(("text", "log"), [("false", False), ("true", True), ("'a.log'", "/etc/a.log"), ("'/b'", "/b")])
def test_a_location_may_have_a_log_of_its_own_or_none(text, log):
    assert first(HOST + f"log = {text}\n").log == log


def test_a_log_is_inherited_and_may_be_had_back():
    locations = (
        parse(HOST + "log = false\n[[host.location]]\npath = '/a/'\n[[host.location]]\npath = '/b/'\nlog = true\n")
        .hosts[0]
        .locations
    )
    assert [location.log for location in locations] == [False, False, True]


def test_an_application_may_answer_for_others():
    hosts = parse(APP + "schemes = ['gemini', 'https']\nhosts = '*'\n[[host.location]]\npath = '/a/'\n").hosts
    assert [(location.schemes, location.hosts) for location in hosts[0].locations] == [(("gemini", "https"), "*")] * 2
    files = "schemes = ['https']\nhosts = '*'\n[[host.location]]\npath = '/a/'\nroot = '/srv'\n"
    location = parse(APP + files).hosts[0].locations[1]
    assert (location.schemes, location.hosts) == (("gemini",), None)


def test_a_host_may_have_the_rest():
    host = "[[host]]\nname = 'h'\nroot = '/srv'\n"
    rest = "[[host]]\nname = '*'\nroot = '/srv'\n"
    hosts = parse(host + rest).hosts
    assert [one.has_certificate for one in hosts] == [True, False]
    assert set(problems_of(rest + host)) == {"host[1].name"}
    assert parse("listen = [{ address = 'unix:/s', tls = false }]\n" + rest).hosts[0].name == "*"
    assert problems_of(host + rest + rest) == {"host[3]": "* belongs to host[2] already"}
    own = parse(rest + "certificate = 'c'\nkey = 'k'\naliases = ['h']\n").hosts[0]
    assert own.has_certificate
    assert own.certificate_names == ("h",)


def test_a_location_has_its_hosts_texts_for_refusals_but_for_its_own():
    text = HOST + "errors = { 51 = 'Lost', 60 = 'Members' }\n[[host.location]]\npath = '/a'\nerrors = { 51 = 'None' }\n"
    config = parse(text + "[[host.location]]\npath = '/b'\n")
    assert [location.errors for location in config.hosts[0].locations] == [
        {"51": "Lost", "60": "Members"},
        {"51": "None", "60": "Members"},
        {"51": "Lost", "60": "Members"},
    ]
