"""Scripts in several places: directories, patterns, and wherever a file is executable."""

import pytest

from .scripts import write_into
from .sharing import shared_daemon

CONFIG = """
workers = 2
[[host]]
name = "localhost"
root = "{root}"
cgi = ["cgi-bin", "tools/*.py", "users/*/cgi-bin"]
index = ["index.gmi", "index.cgi"]
[[host]]
name = "everywhere"
check-port = false
root = "{tmp}/everywhere"
cgi = "."
index = ["index.gmi", "index.cgi"]
[[host]]
name = "around"
check-port = false
root = "{tmp}"
symlinks = "any"
[[host]]
name = "mounted"
check-port = false
script = "{tmp}/outside/app"
cgi-timeout = 0.5
"""
ANSWER = 'echo 20 text/plain\necho "SECRET" | tr A-Z a-z; echo "$SCRIPT_NAME|$PATH_INFO"\n'


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A daemon with scripts in each kind of place, and a host that has all of them below its root."""
    folder = tmp_path_factory.mktemp("places")
    capsule, everywhere = folder / "capsule", folder / "everywhere"
    capsule.mkdir()
    everywhere.mkdir()
    for name in ("cgi-bin/a", "cgi-bin/wiki/index.cgi", "tools/b.py", "users/ann/cgi-bin/c"):
        write_into(capsule)(name, ANSWER)
    write_into(capsule)("tools/lost.py", ANSWER, 0o644)
    for name in ("deep/d", "index.cgi"):
        write_into(everywhere)(name, ANSWER)
    for name in ("deep/lost", "deep/lost.sh"):
        write_into(everywhere)(name, ANSWER, 0o644)
    write_into(folder / "outside")("app", '[ "$PATH_INFO" != /slow ] || exec sleep 60\n' + ANSWER)
    (everywhere / "page.gmi").write_text("# A page\n")
    with shared_daemon(folder, CONFIG) as daemon:
        yield daemon


RUN = {
    "localhost": [
        ("/cgi-bin/a/x", "/cgi-bin/a|/x"),
        ("/cgi-bin/wiki/", "/cgi-bin/wiki/index.cgi|"),
        ("/tools/b.py", "/tools/b.py|"),
        ("/users/ann/cgi-bin/c/", "/users/ann/cgi-bin/c|/"),
    ],
    "mounted": [("/", "|/"), ("/a/b//c", "|/a/b//c"), ("/index.gmi", "|/index.gmi")],
    "everywhere": [("/deep/d", "/deep/d|"), ("/", "/index.cgi|")],
}


@pytest.mark.parametrize("host", RUN)
def test_scripts_run_in_each_place(places, host):
    for path, expected in RUN[host]:
        answer = places.ask(path, host=host, name=host)
        assert (answer.status, answer.text) == (20, f"secret\n{expected}\n"), path


def test_a_page_beside_them_is_a_page(places):
    assert places.ask("/page.gmi", host="everywhere", name="everywhere").text == "# A page\n"


def test_no_source_is_sent_by_any_host(places):
    places.expect("is not executable")
    for host, path, status in (
        ("localhost", "/tools/lost.py", 42),
        ("everywhere", "/deep/lost", 42),
        ("everywhere", "/deep/lost.sh", 42),
        ("around", "/capsule/tools/b.py", 51),
        ("around", "/capsule/tools/lost.py", 51),
        ("around", "/capsule/users/ann/cgi-bin/c", 51),
        ("around", "/everywhere/deep/d", 51),
        ("around", "/everywhere/deep/lost", 51),
        ("around", "/everywhere/deep/lost.sh", 51),
        ("around", "/everywhere/page.gmi", 20),
        ("around", "/outside/app", 51),
    ):
        answer = places.ask(path, host=host, name=host)
        assert (answer.status, b"SECRET" in answer.raw) == (status, False), path


def test_a_location_s_script_has_the_limits_of_its_location(places):
    places.expect("did not end within 0.5 s", "wrote no header")
    assert places.ask("/slow", host="mounted", name="mounted").status == 42
    assert "script / did not end within 0.5 s (cgi-timeout)" in places.errors
