import os
import shutil
from types import SimpleNamespace

import pytest

from gemd.protocol.errors import NotFound
from gemd.responders.cgi.find import find_script, open_mounted, split_mounted_path, split_script_path
from gemd.responders.router import Router
from gemd.system.resolved import open_resolved
from gemd.system.script_threads import SCRIPT_THREADS
from tests.responders.asking import request, settle
from tests.support.descriptors import open_descriptors

PATHS = {
    "script": (("cgi-bin", "s"), 2, "/cgi-bin/s", ""),
    "slash after it": (("cgi-bin", "s", ""), 2, "/cgi-bin/s", "/"),
    "more": (("cgi-bin", "s", "a", "b"), 2, "/cgi-bin/s", "/a/b"),
    "empty segments after it": (("cgi-bin", "s", "", "", "a", ""), 2, "/cgi-bin/s", "///a/"),
    "empty segments before it": (("", "cgi-bin", "", "s", "a"), 2, "/cgi-bin/s", "/a"),
    "deeper": (("cgi-bin", "d", "s", "a"), 3, "/cgi-bin/d/s", "/a"),
    "encoded slash after it": (("cgi-bin", "s", "a/b"), 2, "/cgi-bin/s", "/a/b"),
}


@pytest.mark.parametrize(("segments", "depth", "script_name", "path_info"), PATHS.values(), ids=PATHS)
def test_splits_the_path(segments, depth, script_name, path_info):
    assert split_script_path(segments, depth) == (script_name, path_info)


MOUNTED = [
    (("a",), 1, "/a", ""),
    (("a", ""), 1, "/a", "/"),
    (("a", "b", "", "c"), 1, "/a", "/b//c"),
    (("a", "", "b", "c"), 2, "/a/b", "/c"),
    (("",), 0, "", "/"),
    (("a", "b"), 0, "", "/a/b"),
]


@pytest.mark.parametrize(("segments", "depth", "script_name", "path_info"), MOUNTED)
def test_splits_the_path_of_a_location(segments, depth, script_name, path_info):
    assert split_mounted_path(segments, depth) == (script_name, path_info)


# What is found


@pytest.fixture
def tree(capsule):
    """Scripts here and there, which say by what name and with what they were called, and pages beside them."""
    text = '#!/bin/sh\necho "20 text/plain"; echo "SECRET $SCRIPT_NAME $PATH_INFO $SCRIPT_FILENAME"\n'
    for name, mode in {
        "cgi-bin/run": 0o755,
        "tools/x.py": 0o755,
        "tools/lost.py": 0o644,
        "tools/page.txt": 0o644,
        "tools/build.sh": 0o755,
        "users/ann/cgi-bin/z": 0o755,
        "users/ann/cgi-bin/data": 0o644,
        "lib/sub.py/deep/run": 0o755,
        "anywhere/run": 0o755,
        "anywhere/lost.py": 0o644,
        "anywhere/lost": 0o644,
    }.items():
        path = capsule / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if name != "tools/page.txt" else "page")
        path.chmod(mode)
    return capsule


CGI = ["cgi-bin", "tools/*.py", "users/*/cgi-bin", "lib/*.py"]
FOUND = {
    "directory": ("/cgi-bin/run/a", "/cgi-bin/run /a"),
    "file": ("/tools/x.py", "/tools/x.py "),
    "what follows": ("/tools/x.py/a//b", "/tools/x.py /a//b"),
    "spelled in another way": ("/tools//%78.py/", "/tools/x.py /"),
    "directories": ("/users/ann/cgi-bin/z/a", "/users/ann/cgi-bin/z /a"),
    "a directory that a glob matches": ("/lib/sub.py/deep/run", "/lib/sub.py/deep/run "),
}


@pytest.mark.parametrize(("url", "expected"), FOUND.values(), ids=FOUND)
def test_finds_what_a_place_has(ask, tree, url, expected):
    path = tree.joinpath(*expected.split(" ")[0].split("/"))
    assert ask(url, cgi=CGI).body.decode() == f"SECRET {expected} {path}\n"


@pytest.fixture
def look(tree):
    """Find a script by these names from the first on: how many of them lead to it, and all that was looked at."""
    location = SimpleNamespace(root=str(tree), mount=(), where="")

    def look(*names):
        looked_at = []

        def open_below(root, names):
            looked_at.append("/".join(names))
            return open_resolved(root, str(tree), names, "beneath", is_read=False)

        before = open_descriptors()
        try:
            found = find_script(location, names, 0, open_below)
            os.close(found.directory)
            return found.depth, looked_at
        except NotFound:
            return None, looked_at
        finally:
            assert open_descriptors() == before

    return look


def test_what_all_names_lead_to_is_looked_at_once(look):
    assert look("cgi-bin", "run") == (2, ["cgi-bin/run"])
    assert look("lib", "sub.py", "deep", "run") == (4, ["lib/sub.py/deep/run"])


def test_else_it_is_the_first_file_on_the_way(look):
    assert look("cgi-bin", "run", "a") == (2, ["cgi-bin/run/a", "cgi-bin", "cgi-bin/run"])
    assert look("cgi-bin", "run", "a/b") == (2, ["cgi-bin", "cgi-bin/run"])
    assert look("cgi-bin", "none", "a") == (None, ["cgi-bin/none/a", "cgi-bin", "cgi-bin/none"])
    assert look("cgi-bin") == (None, ["cgi-bin"])


NOT_RUN = {
    "not executable": ("/tools/lost.py", 42),
    "not executable, and more": ("/tools/lost.py/a", 42),
    "not executable in a directory": ("/users/ann/cgi-bin/data", 42),
    "directory": ("/users/ann/cgi-bin/", 51),
    "without its slash": ("/users/ann/cgi-bin", 51),
    "a directory that a glob matches": ("/lib/sub.py/", 51),
    "nothing": ("/tools/none.py", 51),
    "hidden": ("/tools/x.py/.a", 51),
    "an encoded slash": ("/tools%2fx.py", 51),
}


@pytest.mark.parametrize(("url", "status"), NOT_RUN.values(), ids=NOT_RUN)
def test_what_is_in_a_place_and_no_script_is_nothing(ask, tree, url, status):
    answer = ask(url, cgi=CGI)
    assert (answer.status, b"SECRET" in answer.body) == (status, False)


def test_what_is_in_no_place_is_left_to_others(ask, tree):
    assert ask("/tools/page.txt", cgi=CGI).body == b"page"
    assert ask("/tools/build.sh", cgi=CGI).body.startswith(b"#!/bin/sh")
    assert ask("/tools/", cgi=CGI).status == 20
    assert ask("/tools", cgi=CGI).status == 31


def test_a_listing_has_scripts_that_can_run(ask, tree):
    listed = ask("/tools/", cgi=CGI).body.decode()
    assert "=> x.py" in listed
    assert "=> page.txt" in listed
    assert "lost.py" not in listed
    assert "cgi-bin" not in ask("/", cgi=CGI, index=["none"]).body.decode()
    assert "cgi-bin" not in ask("/users/ann/", cgi=CGI).body.decode()


def test_a_root_of_its_own_has_its_places(ask, tree):
    location = [{"path": "/t/", "root": str(tree / "tools"), "cgi": "*.py"}]
    assert ask("/t/x.py/a", location=location).body.decode() == f"SECRET /t/x.py /a {tree}/tools/x.py\n"
    assert ask("/t/lost.py", location=location).status == 42
    assert ask("/tools/lost.py", location=location).status == 51  # by its other name


# Where all of the root is a place


def test_what_is_executable_runs_and_what_is_not_is_a_file(ask, tree, caplog):
    assert ask("/anywhere/run/a", cgi=".").body.decode() == f"SECRET /anywhere/run /a {tree}/anywhere/run\n"
    assert ask("/tools/page.txt", cgi=".").body == b"page"
    assert ask("/page.gmi", cgi=".").body == b"page"
    assert ask("/page.gmi/a", cgi=".").status == 51
    assert ask("/anywhere/none", cgi=".").status == 51
    assert ask("/anywhere", cgi=".").status == 31
    assert caplog.text == ""


@pytest.mark.parametrize("url", ["/anywhere/lost.py", "/anywhere/lost"])
def test_what_looks_like_a_script_is_not_sent(ask, tree, caplog, url):
    answer = ask(url, cgi=".")
    assert (answer.status, b"SECRET" in answer.body) == (42, False)
    assert f"{tree}{url} looks like a script, and is not executable: it is not sent" in caplog.text
    assert b"SECRET" in ask(url).body


def test_a_directory_among_it_holds_scripts_alone(ask, tree):
    (tree / "cgi-bin/data.gmi").write_text("SECRET")
    assert ask("/cgi-bin/data.gmi", cgi=".").status == 20
    assert ask("/cgi-bin/data.gmi", cgi=[".", "cgi-bin"]).status == 42


def test_a_listing_of_it_leaves_out_what_is_not_sent(ask, tree):
    listed = ask("/anywhere/", cgi=".").body.decode()
    assert "=> run" in listed
    assert "lost.py" not in listed


def test_nobody_is_let_in_by_it(ask, tree):
    assert ask("/anywhere/run", cgi=".", location=[{"path": "/anywhere", "client-certificate": "any"}]).status == 60
    (tree / "tools/link").symlink_to("../anywhere/run")
    private = [{"path": "/anywhere", "client-certificate": "any"}]
    assert ask("/tools/link", cgi=".", location=private).status == 60
    assert ask("/tools/link", cgi=".").body.startswith(b"SECRET")


@pytest.mark.parametrize("cgi", [".", "tools", "tools/*"])
def test_a_part_without_scripts_has_none_by_a_link_either(ask, tree, cgi):
    (tree / "tools/link").symlink_to("../anywhere/run")
    assert ask("/tools/link", cgi=cgi).body.startswith(b"SECRET")
    assert ask("/tools/link", cgi=cgi, location=[{"path": "/anywhere", "cgi": []}]).status == 51


def test_a_part_without_scripts_has_files(ask, tree):
    none = [{"path": "/anywhere", "cgi": []}]
    assert ask("/anywhere/run", cgi="cgi-bin", location=none).body.startswith(b"#!/bin/sh")
    assert ask("/anywhere/run", cgi=".", location=none).status == 51  # which is a script of the host's


# Index scripts


@pytest.fixture
def indexed(tree):
    """A directory with an index script in each kind of place, and one that is no such place."""
    for name in ("cgi-bin/d", "anywhere/d", "tools/d", "plain"):
        (tree / name).mkdir()
        shutil.copy(tree / "cgi-bin/run", tree / name / "index.cgi")
    return tree


INDEX = ["index.gmi", "index.cgi"]
INDEXED = [("/cgi-bin/d/", "cgi-bin"), ("/tools/d/", "tools/*/*.cgi"), ("/anywhere/d/", "."), ("/", "*.cgi")]


@pytest.mark.parametrize(("url", "cgi"), INDEXED)
def test_an_index_script_stands_for_its_directory(ask, indexed, url, cgi):
    (indexed / "index.gmi").unlink()
    shutil.copy(indexed / "cgi-bin/run", indexed / "index.cgi")
    expected = f"SECRET {url}index.cgi  {indexed}{url}index.cgi\n"
    assert ask(url, cgi=cgi, index=INDEX).body.decode() == expected
    assert ask(url, cgi=cgi, index=INDEX[:1]).body.decode() != expected


def test_an_index_page_goes_before_it_where_it_is_named_first(ask, indexed):
    for directory, cgi in (("anywhere/d", "."), ("tools/d", "tools/*/*.cgi"), ("plain", "cgi-bin")):
        (indexed / directory / "index.gmi").write_text("page")
        assert ask(f"/{directory}/", cgi=cgi, index=INDEX).body == b"page", directory
    assert ask("/tools/d/", cgi="tools/*/*.cgi", index=INDEX[::-1]).body.startswith(b"SECRET")


def test_among_scripts_a_page_is_none(ask, indexed):
    (indexed / "cgi-bin/d/index.gmi").write_text("SECRET")
    assert ask("/cgi-bin/d/", cgi="cgi-bin", index=INDEX).body.startswith(b"SECRET /cgi-bin/d/index.cgi")
    (indexed / "cgi-bin/d/index.cgi").unlink()
    answer = ask("/cgi-bin/d/", cgi="cgi-bin", index=INDEX)
    assert (answer.status, b"SECRET" in answer.body) == (42, False)


def test_an_index_script_that_can_not_run_is_not_sent(ask, indexed, caplog):
    for directory, cgi in (("anywhere/d", "."), ("tools/d", "tools/*/*.cgi"), ("cgi-bin/d", "cgi-bin")):
        (indexed / directory / "index.cgi").chmod(0o644)
        answer = ask(f"/{directory}/", cgi=cgi, index=INDEX)
        assert (answer.status, b"SECRET" in answer.body) == (42, False), directory
        assert f"{indexed}/{directory}/index.cgi" in caplog.text
        caplog.clear()


def test_a_directory_is_reached_with_its_slash(ask, indexed):
    for directory, cgi in (("anywhere/d", "."), ("tools/d", "tools/*/*.cgi"), ("cgi-bin/d", "cgi-bin")):
        answer = ask(f"/{directory}", cgi=cgi, index=INDEX)
        assert (answer.status, answer.meta) == (31, f"/{directory}/"), directory
        assert ask(f"/{directory}?a%20b", cgi=cgi, index=INDEX).meta == f"/{directory}/?a%20b"


def test_where_there_are_no_scripts_an_index_file_is_a_file(ask, indexed):
    assert ask("/plain/", cgi="cgi-bin", index=INDEX).body.startswith(b"#!/bin/sh")


@pytest.mark.parametrize("cgi", [".", "*/index.cgi", "*/d", "*/*", "anywhere/d", "anywhere"])
def test_an_encoded_slash_divides_no_names_of_directories(ask, indexed, cgi):
    """Else what protects a directory would not be asked, and a pattern match what is deeper."""
    private = [{"path": "/private/", "root": str(indexed / "anywhere"), "client-certificate": "any"}]
    for location in ([], private):
        for url in ("/anywhere%2Fd/", "/anywhere%2fd", "/anywhere%2Fd/index.cgi", "/anywhere%2Fd/index.cgi/a"):
            assert ask(url, cgi=cgi, index=INDEX, location=location).status == 51, url


def test_nothing_stays_open(ask, indexed):
    ask("/cgi-bin/d/", cgi="cgi-bin", index=INDEX)  # the threads of scripts are there from now on
    assert SCRIPT_THREADS.wait(5)
    before = open_descriptors()
    for url in ("/cgi-bin/d/", "/cgi-bin/d", "/cgi-bin/", "/anywhere/d/", "/anywhere/lost", "/page.gmi", "/none"):
        for cgi in ("cgi-bin", ".", ["cgi-bin", "."], "*/d/index.cgi"):
            ask(url, cgi=cgi, index=INDEX)
    assert SCRIPT_THREADS.wait(5)
    assert open_descriptors() == before


# A location's own script


@pytest.fixture
def mounted(tree):
    """A script outside of the root."""
    path = tree.parent / "outside/x.sh"
    path.parent.mkdir()
    shutil.copy(tree / "cgi-bin/run", path)
    return path


@pytest.mark.parametrize(
    ("path", "url", "expected"),
    [
        ("/x", "/x", "/x "),
        ("/x", "/x/", "/x /"),
        ("/x/", "/x/a//b", "/x /a//b"),
        ("/a/x", "/a//x/b", "/a/x /b"),
        ("/", "/", " /"),
        ("/", "/cgi-bin/run", " /cgi-bin/run"),
    ],
)
def test_a_location_s_script_answers_all_of_it(ask, mounted, path, url, expected):
    location = [{"path": path, "script": str(mounted)}]
    assert ask(url, location=location, cgi="cgi-bin").body.decode() == f"SECRET {expected} {mounted}\n"


def test_other_locations_are_what_they_were(ask, mounted):
    location = [{"path": "/x", "script": str(mounted)}, {"path": "/x/files", "root": str(mounted.parent.parent)}]
    assert ask("/page.gmi", location=location).body == b"page"
    assert ask("/xy", location=location).status == 51
    assert ask("/x/files/secret.gmi", location=location).body == b"SECRET"
    assert ask("/x/files/outside/x.sh", location=location).status == 51  # whatever the name of its source


def test_it_is_for_whom_the_location_is_for(ask, mounted):
    assert ask("/x", location=[{"path": "/x", "script": str(mounted), "client-certificate": "any"}]).status == 60


@pytest.mark.parametrize("url", ["/x/.git", "/x/a%2f.git", "/x/%1b", "/x%2fa"])
def test_some_paths_lead_to_no_script(ask, mounted, url):
    assert ask(url, location=[{"path": "/x", "script": str(mounted)}]).status == 51


def test_its_source_is_not_shown_by_a_hard_link_either(ask, mounted, tree):
    mounted.chmod(0o644)
    (tree / "hard.txt").hardlink_to(mounted)
    assert ask("/hard.txt", location=[{"path": "/x", "script": str(mounted)}]).status == 51
    assert ask("/hard.txt").status == 20


def test_a_script_by_a_link_runs_where_it_is(configure, mounted, tree):
    (tree.parent / "link.sh").symlink_to(mounted)
    location = configure(location=[{"path": "/x", "script": str(tree.parent / "link.sh")}]).hosts[0].locations[1]
    directory, name = open_mounted(location)
    assert (os.fstat(directory).st_ino, name) == (mounted.parent.stat().st_ino, "x.sh")
    os.close(directory)


def test_what_can_not_run_is_42_and_told(ask, mounted, caplog):
    location = [{"path": "/x", "script": str(mounted)}]
    mounted.chmod(0o644)
    assert ask("/x", location=location).status == 42
    assert f"script /x is not executable: chmod +x {mounted}" in caplog.text
    mounted.unlink()
    assert ask("/x/a", location=location).status == 42
    assert f"script /x can't be found: {mounted}: No such file or directory" in caplog.text
    assert ask("/", location=[{"path": "/", "script": str(mounted)}]).status == 42
    assert "script / can't be found" in caplog.text


def test_without_a_root_there_is_none_to_know(configure, mounted):
    mounted.write_text('#!/bin/sh\necho 20 text/plain; echo "${DOCUMENT_ROOT-none} ${PATH_TRANSLATED-none}"\n')
    script = {"name": "g", "script": str(mounted)}
    router = Router(configure(hosts=[script]), {}, None)
    assert settle(lambda: router.respond(request("gemini://g/a"))).body == b"none none\n"
