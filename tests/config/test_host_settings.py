import pytest

from gemd.config.answer_settings import FixedAnswer, Redirect
from gemd.config.gateway_settings import ApplicationTable, ProxyTable
from gemd.config.host_settings import DERIVED, AnswerKind, Host, Location
from gemd.config.tables import keys_of

from .reading import HOST, first


def test_dot_files_need_a_permission():
    assert first(HOST).allows_name(".well-known")
    assert not first(HOST).allows_name(".git")
    assert not first(HOST + "dot-files = false\n").allows_name(".well-known")
    assert first(HOST + "dot-files = true\n").allows_name(".git")
    assert first(HOST + "dot-files = ['.plan']\n").allows_name(".plan")


@pytest.mark.parametrize("name", [".gemd-upload-0123456789abcdef", ".GEMD-Upload-0123456789abcdef"])
def test_uploads_that_are_not_whole_are_never_seen(name):
    assert not first(HOST + "dot-files = true\n").allows_name(name)
    assert not first(HOST + f"dot-files = ['{name}']\n").allows_name(name)


ASKED = ApplicationTable(to="unix:/s")
ANSWERS = {
    "nothing": (Location(), ()),
    "scripts without a root": (Location(cgi="bin"), ()),
    "files": (Location(root="/x"), (AnswerKind.FILES,)),
    "scripts": (Location(root="/x", cgi="bin"), (AnswerKind.CGI, AnswerKind.FILES)),
    "no place for scripts": (Location(root="/x", cgi=()), (AnswerKind.FILES,)),
    "an application": (Location(app="m:a"), (AnswerKind.APP,)),
    "a redirect": (Location(root="/x", redirect=Redirect(to="/")), (AnswerKind.REDIRECT, AnswerKind.FILES)),
    "everything": (
        Location(
            root="/x",
            cgi="b",
            script="/s",
            app="m:a",
            gone=True,
            answer=FixedAnswer(status=51),
            redirect=Redirect(to="/"),
            fastcgi=ASKED,
            scgi=ASKED,
            proxy=ProxyTable(to="gemini://h"),
        ),
        tuple(AnswerKind),
    ),
    "a script": (Location(script="/s"), (AnswerKind.SCRIPT,)),
}


SOME = Redirect(to="/", match="/a")
FULL = {
    "everything": (ANSWERS["everything"][0], set(AnswerKind) - {AnswerKind.CGI, AnswerKind.FILES}),
    "patterns": (Location(root="/x", redirect=(SOME, SOME), app="m:a"), {AnswerKind.APP}),
    "patterns, and the rest": (Location(root="/x", redirect=(SOME, Redirect(to="/"))), {AnswerKind.REDIRECT}),
    "a prompt": (Location(root="/x", answer=FixedAnswer(status=11, meta="?")), set()),
    "files": (Location(root="/x", cgi="b"), set()),
}


@pytest.mark.parametrize(("location", "answers"), FULL.values(), ids=FULL)
def test_what_leaves_nothing_to_others(location, answers):
    assert set(location.full_answers) == answers


@pytest.mark.parametrize(("location", "answers"), ANSWERS.values(), ids=ANSWERS)
def test_what_a_location_answers_with(location, answers):
    assert location.answers == answers


def test_a_location_has_one_place_for_scripts_or_several():
    assert first(HOST + "cgi = 'cgi-bin'\n").script_places.patterns == (("cgi-bin",),)
    assert first(HOST + "cgi = ['a/b', '*.py']\n").script_places.patterns == (("a", "b"), ("*.py",))
    assert first(HOST + "cgi = '.'\n").script_places.is_everywhere
    assert not first(HOST).script_places.is_everywhere


@pytest.mark.parametrize(
    ("location", "source"),
    [
        (Location(root="/x", app="m:a"), "m:a"),
        (Location(root="/x"), "/x"),
        (Location(root="/x", script="/s"), "/s"),
        (Location(), ""),
    ],
)
def test_where_its_content_comes_from(location, source):
    assert location.source == source


def test_what_is_derived_is_a_field_of_a_location():
    assert keys_of(Location).keys() >= DERIVED


def test_a_host_has_its_name_and_its_aliases():
    assert Host(name="a", aliases=("b", "*.c")).names == ("a", "b", "*.c")


@pytest.mark.parametrize(("path", "names"), [("/", ()), ("/a/", ("a",)), ("/a//b", ("a", "b"))])
def test_a_locations_names(path, names):
    assert Location(path=path).names == names
