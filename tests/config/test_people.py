"""Which locations have users' directories, and what is said of how they are configured."""

import pytest

from gemd.config.people import count_before, find_people
from gemd.config.render import render_config

from .reading import HOST, parse, problems_of

PEOPLE = HOST + "user-directories = {}\n"


def at(path, keys=""):
    return f"[[host.location]]\npath = '{path}'\n{keys}\n"


def places(text):
    """The paths of the locations that have them."""
    return [location.path for location in parse(text).hosts[0].locations if location.people is not None]


def test_they_are_in_the_location_that_their_path_leads_to():
    assert places(PEOPLE + at("/a")) == ["/"]
    users = HOST + "user-directories = { path = 'users' }\n"
    assert places(users + at("/users/")) == ["/users/"]
    assert places(users + at("/users/", "root = '/srv/index'")) == ["/users/"]
    assert places(users + at("/use")) == ["/"]
    assert places(HOST) == []


def test_a_location_for_a_user_has_what_the_user_has_unless_it_answers_itself():
    rules = at("/~alice/private/", "client-certificate = 'any'\ncgi = 'cgi'") + at("/~bob", "listing = false")
    assert places(PEOPLE + rules) == ["/", "/~alice/private/", "/~bob"]
    partial = at("/~carol", "redirect = { match = '/~carol/a', to = '/b' }")
    assert places(PEOPLE + partial) == ["/", "/~carol"]
    own = {"/~a": "root = '/srv/a'", "/~b": "gone = true", "/~c/d": "app = 'a:b'", "/~d/": "answer = { status = 51 }"}
    assert places(PEOPLE + "".join(at(*entry) for entry in own.items())) == ["/"]


def test_what_is_printed_is_read_as_the_same():
    text = PEOPLE + "app = 'a:b'\n" + at("/~a/private/", "client-certificate = 'any'") + at("/~bob", "root = '/srv/b'")
    config = parse(text)
    again = parse(render_config(config))
    assert [location.people for location in again.hosts[0].locations] == [
        location.people for location in config.hosts[0].locations
    ]
    assert again.hosts[0].user_directories == config.hosts[0].user_directories


def test_redirects_are_asked_before():
    location = parse(PEOPLE + "redirect = { match = '/~a/{rest...}', to = '/~b/{rest}' }\n").hosts[0].locations[0]
    assert count_before(location) == 1


def test_they_are_found_by_the_path_of_the_key():
    text = '[[host]]\nname = "a"\nroot = "/srv"\n' + PEOPLE + at("/", "lang = 'en'")
    assert [(where, host.name) for where, host, _ in find_people(parse(text))] == [("host[2].user-directories", "h")]


WRONG = {
    "no path": ("path = '/'", "path", 'expected "~", or a path'),
    "dots": ("path = '../~'", "path", 'expected "~", or a path'),
    "a pattern": ("path = 'u*'", "path", 'expected "~", or a path'),
    "an absolute directory": ("directory = '/srv'", "directory", "expected a directory below the home"),
    "a climbing one": ("directory = 'a/../..'", "directory", "expected a directory below the home"),
    "the home itself": ("directory = '.'", "directory", "expected a directory below the home"),
    "root": ("minimum-uid = 0", "minimum-uid", "a whole number, at least 1"),
    "scripts as the workers": ("cgi = 'cgi-bin'", "cgi", "needs cgi.user"),
    "scripts elsewhere": ("cgi = '/srv'", "cgi", "needs cgi.user"),
    "another key": ("home = '/srv'", "home", "there is no such key"),
}


@pytest.mark.parametrize(("table", "key", "said"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told(table, key, said):
    problems = problems_of(HOST + f"user-directories = {{ {table} }}\n")
    assert said in problems[f"host[1].user-directories.{key}"]


@pytest.mark.parametrize("entry", ["/srv", ".", "a/../b"])
def test_scripts_are_in_places_below_the_directory(entry):
    text = f"user = 'g'\nmaster-user = 'root'\n[cgi]\nuser = 's'\n{HOST}user-directories = {{ cgi = '{entry}' }}\n"
    assert list(problems_of(text)) == ["host[1].user-directories.cgi"]


def test_scripts_need_a_user_wherever_users_are():
    text = HOST + "user-directories = { cgi = 'cgi-bin' }\n"
    top = "user = 'g'\nmaster-user = 'root'\n"
    parse(top + text + "cgi-user = 's'\n" + at("/~alice/"))
    assert list(problems_of(text + "cgi-user = 's'\n")) == ["host[1].cgi-user"]  # which needs the master's user


def test_nobody_is_looked_up_in_a_chroot():
    text = "user = 'g'\nmaster-user = 'root'\nchroot = '/srv'\n" + PEOPLE
    assert "within a chroot" in problems_of(text)["host[1].user-directories"]


@pytest.mark.parametrize("answer", ["gone = true", "answer = { status = 41 }", "redirect = { to = '/x' }"])
def test_what_is_never_asked_is_told(answer):
    assert "would never be asked" in problems_of(PEOPLE + answer + "\n")["host[1].user-directories"]


def test_nothing_is_uploaded_there():
    upload = "titan = { allow = 'any' }"
    parse(PEOPLE + upload + "\n" + at("/~alice/"))
    assert list(problems_of(PEOPLE + at("/~alice/a", upload))) == ["host[1].location[1].titan"]
