"""What -t says of locations that take uploads."""

import os

import pytest

from gemd.startup import upload_checks
from gemd.startup.upload_checks import find_upload_warnings
from gemd.startup.warnings import find_all_warnings
from gemd.system.privileges import Identity

ANY = {"allow": "any"}


@pytest.fixture
def said(configure, root):
    """What is said of these locations of a capsule, and of the host itself."""

    def said(*locations, **keys):
        host = {"name": "localhost", "root": str(root), **keys, "location": list(locations)}
        return {problem.path: problem.text for problem in find_upload_warnings(configure(host=[host]))}

    return said


def test_what_is_in_order_is_not_mentioned(said, root):
    (root / "notes").mkdir()
    assert said({"path": "/notes/", "titan": ANY}, {"path": "/none"}) == {}


def test_that_strangers_may_write_is_said_once(said, root):
    for name in "ab":
        (root / name).mkdir()
    found = said({"path": "/a"}, {"path": "/b", "titan": {"public": True, "tokens": ["x"]}}, titan={"public": True})
    assert found == {
        "host[1].titan.public": "anybody may write here, without a certificate",
        "host[1].location[2].titan.public": (
            "anybody who knows a token may write here, without a certificate; nobody counts who guesses at it: set rate"
        ),
    }
    assert said(titan={"public": True, "tokens": ["x"]}, rate="5/1m") == {
        "host[1].titan.public": "anybody who knows a token may write here, without a certificate"
    }


TYPES = {
    "none": (["text/gemini", "text/plain"], {}),
    "all": (["*/*"], {}),
    "images": (["image/*"], {}),
    "no name's": (["image/*", "x-nothing/y"], "no name of a file has the type x-nothing/y, see mime"),
    "no names'": (["text/gemini", "x-nothing/*"], "no name of a file has the type x-nothing/*, see mime"),
    "the host's own": (["text/gemini", "x-own/y"], {}),
    "not pages": (["text/plain"], "pages (.gmi) can't be uploaded: they are text/gemini"),
}


@pytest.mark.parametrize(("types", "text"), TYPES.values(), ids=TYPES)
def test_types_that_no_name_has(said, types, text):
    found = said(titan={**ANY, "types": types}, mime={".own": "x-own/y; a=b"})
    if text:
        assert found.pop("host[1].titan.types").startswith(text)
    assert found == {}


def test_a_directory_that_is_not_there(said, root):
    text = "nothing can be uploaded: {} can't be used: No such file or directory"
    assert said({"path": "/a/b", "titan": ANY}) == {"host[1].location[1].titan": text.format(root / "a/b")}
    assert said({"path": "/a/b", "titan": {**ANY, "mkdir": True}}) == {}
    (root / "a").touch()
    found = said({"path": "/a/b", "titan": {**ANY, "mkdir": True}})
    assert found == {"host[1].location[1].titan": f"nothing can be uploaded: {root / 'a'} is no directory"}


def test_a_location_for_one_page(said, root):
    """What has to be writable is the directory that it is in."""
    (root / "page").touch()
    assert said({"path": "/page", "titan": ANY}, {"path": "/new.gmi", "titan": ANY}) == {}
    text = f"nothing can be uploaded: {root / 'a'} can't be used: No such file or directory"
    assert said({"path": "/a/new.gmi", "titan": ANY}) == {"host[1].location[1].titan": text}
    text = f"nothing can be uploaded: {root / 'v1.0'} can't be used: No such file or directory"
    assert said({"path": "/v1.0/", "titan": ANY}) == {"host[1].location[1].titan": text}


def test_a_root_of_its_own(said, tmp_path):
    assert said({"path": "/a/b", "root": str(tmp_path), "titan": ANY}) == {}


def test_a_directory_that_the_workers_may_not_write_is_named_once(said, root, monkeypatch):
    stranger = Identity("stranger", os.geteuid() + 12345, os.getegid() + 12345, ())
    monkeypatch.setattr(upload_checks, "find_worker", lambda _config: stranger)
    root.chmod(0o755)
    ((where, text),) = said(titan=ANY).items()
    assert where == "host[1].titan"
    assert text.startswith(f"nothing can be uploaded: {root} can't be written to by stranger: it belongs to ")
    assert text.endswith(", and its mode is 0755")


def test_places_of_scripts(said, root):
    (root / "cgi-bin/deep").mkdir(parents=True)
    (root / "notes").mkdir()
    assert said({"path": "/notes", "titan": ANY}, cgi="cgi-bin") == {}
    found = said({"path": "/cgi-bin/deep", "titan": ANY, "cgi": []}, cgi="cgi-bin", titan=ANY)
    assert found == {
        "host[1].titan": f"no file can be uploaded to {root}/cgi-bin: scripts are run from there",
        "host[1].location[1].titan": f"no file can be uploaded: scripts are run from {root}/cgi-bin",
    }


def test_where_scripts_take_all_it_is_meant(said, root):
    (root / "cgi-bin").mkdir(mode=0o500)
    assert said({"path": "/cgi-bin/", "titan": ANY}, cgi="cgi-bin") == {}
    assert said({"path": "/cgi-bin/wiki", "titan": ANY}, cgi="cgi-bin/*") == {}


def test_a_root_where_all_may_be_a_script(said, root):
    text = f"what is executable in {root} is run: no script can be uploaded, nor changed"
    assert said(cgi=".", titan=ANY) == {"host[1].titan": text}


def test_a_program_keeps_its_uploads_itself(said):
    assert said({"path": "/a", "script": "/bin/true", "titan": {**ANY, "types": ["x-nothing/y"]}}) == {}


def test_each_is_a_warning(configure, root):
    (warning,) = find_all_warnings(
        configure(host=[{"name": "localhost", "root": str(root), "titan": {"public": True}}])
    )
    assert str(warning) == "host[1].titan.public: anybody may write here, without a certificate"
