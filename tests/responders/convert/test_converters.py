"""Which files are converted, how, and what is remembered."""

import os

import pytest

from gemd.responders.convert import converters
from gemd.responders.router import Router
from gemd.system import file_state
from gemd.system.script_threads import SCRIPT_THREADS
from tests.responders.asking import request, settle
from tests.support.descriptors import open_descriptors
from tests.support.pump import Pump

from ..conftest import MIME_TABLE


@pytest.fixture
def build(configure):
    """What a router with these keys answers."""

    def build(**keys):
        router = Router(configure(**keys), MIME_TABLE, None)
        return lambda url: settle(lambda: router.respond(request(url)))

    return build


ANSWERS = {
    "page": "/page.md",
    "slashes": "//page.md",
    "encoded": "/page%2Emd",
    "encoded letters": "/p%61ge.m%64",
    "a query": "/page.md?x",
}


@pytest.mark.parametrize("url", ANSWERS.values(), ids=ANSWERS)
def test_a_file_is_converted_by_every_spelling(build, convert, url):
    answer = build(**convert("cat; echo converted"))(url)
    assert (answer.status, answer.meta, answer.body) == (20, "text/gemini", b"# Page\nconverted\n")


def test_upper_case_makes_no_difference(build, convert, capsule):
    ask = build(**convert("echo converted"))
    assert ask("/UPPER.MD").body == b"converted\n"
    (capsule / "page.Md").write_text("SECRET")
    assert ask("/page.Md").body == b"converted\n"


def test_an_index_file_is_converted(build, convert):
    assert build(index=["index.md"], **convert("cat; echo converted"))("/").body == b"# Index\nconverted\n"


def test_the_name_that_was_asked_for_decides(build, convert, capsule):
    """As it does about the media type: who makes a link by another name wants the file as it is."""
    (capsule / "source.txt").symlink_to("page.md")
    (capsule / "link.md").symlink_to("notes.txt")
    ask = build(**convert("echo converted"))
    assert (ask("/source.txt").meta, ask("/source.txt").body) == ("text/plain", b"# Page\n")
    assert ask("/link.md").body == b"converted\n"


def test_other_files_are_sent_as_they_are(build, convert):
    ask = build(**convert("echo converted"))
    assert (ask("/notes.txt").body, ask("/no%20extension").body) == (b"notes", b"octets")
    assert ask("/missing.md").status == 51


def test_what_lies_below_a_directory_that_is_converted_is_by_a_link_as_well(build, convert, capsule):
    (capsule / "dir/page.md").write_text("SECRET")
    (capsule / "link").symlink_to("dir")
    (capsule / "other.md").symlink_to("dir/page.md")
    ask = build(location=[{"path": "/dir", **convert("echo converted")}])
    assert [ask(url).body for url in ("/dir/page.md", "/link/page.md", "/other.md")] == [b"converted\n"] * 3
    assert ask("/page.md").body == b"# Page\n"


def test_what_is_below_has_it_until_it_says_otherwise(build, convert, capsule):
    (capsule / "dir/raw").mkdir()
    for name in ("dir/page.md", "dir/raw/page.md"):
        (capsule / name).write_text("as it is")
    own = convert("echo converted")
    locations = [{"path": "/dir", **own}, {"path": "/dir/x", "lang": "en"}, {"path": "/dir/raw", "convert": {}}]
    ask = build(location=locations)
    assert (ask("/dir/page.md").body, ask("/dir/raw/page.md").body) == (b"converted\n", b"as it is")
    (capsule / "dir/x").mkdir()
    (capsule / "dir/x/page.md").write_text("SECRET")
    assert (ask("/dir/x/page.md").meta, ask("/dir/x/page.md").body) == ("text/gemini; lang=en", b"converted\n")


def test_who_may_not_see_a_file_has_nothing_run(build, convert, runs):
    count_run, count = runs
    ask = build(client_certificate="any", **convert(count_run))
    assert ask("/page.md").status == 60
    assert count() == 0


TYPES = {
    "type": ({"type": "text/plain"}, {}, "text/plain"),
    "lang": ({}, {"lang": "en"}, "text/gemini; lang=en"),
    "charset": ({}, {"charset": "utf-8"}, "text/gemini; charset=utf-8"),
    "both": ({"type": "text/gemini; lang=de"}, {"lang": "en"}, "text/gemini; lang=de"),
}


@pytest.mark.parametrize(("own", "keys", "meta"), TYPES.values(), ids=TYPES)
def test_the_type_is_the_converters(build, convert, own, keys, meta):
    assert build(**keys, **convert("echo converted", **own))("/page.md").meta == meta


def test_what_is_not_text_is_not_looked_at(build, convert):
    answer = build(**convert(r"printf '\377\0'", type="image/x-one"))("/page.md")
    assert (answer.status, answer.body) == (20, b"\xff\0")


def test_in_another_charset_octets_are_what_they_are(build, convert):
    answer = build(charset="iso-8859-1", **convert(r"printf '\344'"))("/page.md")
    assert (answer.status, answer.meta, answer.body) == (20, "text/gemini; charset=iso-8859-1", b"\xe4")


def test_arguments_reach_the_program_as_they_are(build, convert):
    convert = convert('for each; do echo "<$each>"; done', "", "a b", "$HOME", "*", "ü", "'")
    assert build(**convert)("/page.md").body.decode() == "<>\n<a b>\n<$HOME>\n<*>\n<ü>\n<'>\n"


def test_nothing_of_a_request_reaches_the_program(build, convert):
    names = build(**convert("env; pwd; ls -l /proc/self/fd | grep -c /"))("/page.md?query").body.decode()
    lines = {line.partition("=")[0] for line in names.splitlines() if "=" in line}
    assert lines - {"PWD", "_", "SHLVL"} == {"PATH", "LANG", "HOME"}
    assert "query" not in names


def test_limits_hold_for_a_program(build, convert):
    ask = build(cgi_cpu_seconds=7, cgi_file_size=4096, **convert('ulimit -t; ulimit -f; cat; echo "$@"', "a b", "c"))
    assert ask("/page.md").body.decode() == "7\n8\n# Page\na b c\n"


def test_a_program_is_found_where_scripts_find_theirs(build, convert, capsule):
    convert("")
    assert build(convert={".md": ["tr", "a-z", "A-Z"]})("/page.md").body == b"# PAGE\n"


def test_a_program_that_is_gone_is_told(build, convert, tmp_path, caplog):
    ask = build(**convert(""))
    (tmp_path / "program").unlink()
    answer = ask("/page.md")
    assert (answer.status, answer.meta) == (42, "The page could not be converted")
    path = f"{tmp_path}/program"
    said = f"the converter {path} of {tmp_path}/capsule/page.md can't be started: {path} can't be used: No such file"
    assert said in caplog.text


def test_a_page_is_converted_once(build, convert, runs):
    count_run, count = runs
    ask = build(index=["page.md"], **convert(f"{count_run}; cat"))
    assert [ask(url).body for url in ("/page.md", "/page.md?x", "/")] == [b"# Page\n"] * 3
    assert count() == 1


def test_a_page_is_converted_again_when_its_file_changes(build, convert, runs, capsule):
    count_run, count = runs
    ask = build(**convert(f"{count_run}; cat"))
    ask("/page.md")
    (capsule / "page.md").write_text("# Egap\n")  # as long as it was
    os.utime(capsule / "page.md", ns=(1, 1))
    assert ask("/page.md").body == b"# Egap\n"
    (capsule / "new").write_text("# New!\n")
    os.utime(capsule / "new", ns=(1, 1))
    (capsule / "new").rename(capsule / "page.md")
    assert ask("/page.md").body == b"# New!\n"
    assert count() == 3


def test_what_has_just_changed_is_not_remembered(build, convert, runs, monkeypatch):
    count_run, count = runs
    monkeypatch.setattr(file_state, "_STEP", 3600 * 10**9)
    ask = build(**convert(f"{count_run}; cat"))
    ask("/page.md")
    ask("/page.md")
    assert count() == 2


def test_what_changes_while_it_is_read_is_not_remembered(build, convert, runs, capsule):
    count_run, count = runs
    ask = build(**convert(f"{count_run}; cat; echo more >> {capsule}/page.md"))
    assert ask("/page.md").body == b"# Page\n"
    assert ask("/page.md").body == b"# Page\nmore\n"
    assert count() == 2


def test_a_failure_is_not_remembered(build, convert, tmp_path):
    ask = build(**convert(f"cat; test -e {tmp_path}/right"))
    assert ask("/page.md").status == 42
    (tmp_path / "right").touch()
    assert ask("/page.md").body == b"# Page\n"


def test_other_arguments_make_another_page(build, convert):
    first, second = (build(**convert('echo "$1"', argument)) for argument in "ab")
    assert (first("/page.md").body, second("/page.md").body) == (b"a\n", b"b\n")


def test_what_was_opened_is_what_is_read(build, convert, capsule):
    """Whoever changes the name meanwhile."""
    ask = build(**convert(f"mv {capsule}/notes.txt {capsule}/page.md; cat"))
    assert ask("/page.md").body == b"# Page\n"


def test_nothing_is_left_open(build, convert):
    ask = build(**convert("cat"))
    ask("/page.md")
    assert SCRIPT_THREADS.wait(15)
    before = open_descriptors()
    for url in ("/page.md", "/UPPER.MD", "/missing.md"):
        ask(url)
    assert SCRIPT_THREADS.wait(15)
    assert open_descriptors() == before


def test_without_a_free_descriptor_it_is_refused(build, convert, monkeypatch):
    def refuse(_descriptor):
        raise OSError(24, "Too many open files")

    ask = build(**convert("cat"))
    monkeypatch.setattr(converters.os, "dup", refuse)
    before = open_descriptors()
    assert ask("/page.md").status == 41
    assert open_descriptors() == before


def test_who_has_too_many_places_is_refused(configure, convert):
    router = Router(configure(**convert("sleep 60")), MIME_TABLE, None)
    router._scripts.places.max_per_client = 1
    with Pump() as pump:
        first = router.respond(request("/page.md"))
        first.begin(pump)
        assert first.settle() is None
        answer = settle(lambda: router.respond(request("/UPPER.MD")))
        assert (answer.status, answer.meta) == (41, "Too many scripts are running, try again later")
        first.close()


def test_a_name_that_is_not_utf_8_is_a_name(build, convert, capsule, caplog):
    (capsule / "a\udcff.md").write_text("text")
    answer = build(**convert("exit 1"))("/a%ff.md")
    assert answer.status == 42
    assert "a\udcff.md exited with code 1" in caplog.text  # the log itself escapes it


def test_where_names_fold_every_spelling_is_converted(build, convert, capsule):
    """As on vfat, where a dot at the end is none, and on ext4 with case folding."""
    for name in ("page.md.", "page.md ", "page.m\u200dd", "page.\uff2d\uff24"):
        (capsule / name).write_text("SECRET")
    ask = build(**convert("echo converted"))
    for url in ("/page.md.", "/page.md%20", "/page.m%E2%80%8Dd", "/page.%EF%BC%AD%EF%BC%A4"):
        assert ask(url).body == b"converted\n"
