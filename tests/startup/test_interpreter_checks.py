"""What -t says of scripts that could not be run."""

import os

import msgspec
import pytest

from gemd.startup import interpreter_checks
from gemd.startup.interpreter_checks import find_broken_places, find_broken_scripts
from gemd.startup.warnings import find_all_warnings
from gemd.system.privileges import Identity


@pytest.fixture
def write(root):
    """Make a file below the root."""

    def write(name, content="#!/usr/bin/nosuch\n", mode=0o755):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(mode)
        return path

    return write


@pytest.fixture
def with_host(configure, root):
    def with_host(**keys):
        return configure(host=[{"name": "localhost", "root": str(root), **keys}])

    return with_host


def told(problems):
    return [str(problem) for problem in problems]


MISSING = "has the interpreter /usr/bin/nosuch, which can't be used: No such file or directory"


def test_a_location_with_a_script_of_its_own(with_host, write):
    broken, fine = write("broken"), write("fine", "#!/bin/sh\n")
    config = with_host(
        location=[
            {"path": "/a", "script": str(broken)},
            {"path": "/b", "script": str(fine)},
            {"path": "/c", "script": str(broken)},
        ]
    )
    assert told(find_broken_scripts(config)) == [f"host[1].location[1].script: {broken} {MISSING}"]


def test_a_place_of_scripts(with_host, write, root):
    write("cgi-bin/a")
    write("cgi-bin/deep/b")
    write("cgi-bin/fine", "#!/bin/sh\n")
    write("cgi-bin/crlf", "#!/bin/sh\r\n")
    for name in ("w", "x", "y", "z"):
        write(f"cgi-bin/{name}.txt", "", 0o644)
    write(".hidden")
    write("cgi-bin/.hidden")
    write("cgi-bin/b\nad")
    (root / "cgi-bin/link").symlink_to("/nowhere")
    os.mkfifo(root / "cgi-bin/fifo")
    assert told(find_broken_places(with_host(cgi="cgi-bin"))) == [
        f"host[1].cgi: {root}/cgi-bin/a {MISSING}; so it is with 1 other",
        f"host[1].cgi: {root}/cgi-bin/crlf has a #! line that ends with CR LF, and its CR is taken for a part of a "
        "name: end lines with LF alone",
        f"host[1].cgi: {root}/cgi-bin has 4 files that can't be executed, and who asks for one gets 42 (w.txt, x.txt, "
        "y.txt, ...): chmod +x what is a script, and keep the others elsewhere",
    ]


def test_a_file_and_a_pattern(with_host, write, root):
    write("one")
    write("other")
    write("tools/a.py")
    write("tools/a.txt")
    assert told(find_broken_places(with_host(cgi=["one", "tools/*.py", "one"]))) == [
        f"host[1].cgi[1]: {root}/one {MISSING}",
        f"host[1].cgi[2]: {root}/tools/a.py {MISSING}",
    ]


def test_where_all_that_is_executable_is_a_script(with_host, write, root):
    write("page.gmi", "# A page\n")
    write("plain.gmi", "# A page\n", 0o644)
    assert told(find_broken_places(with_host(cgi="."))) == [
        f"host[1].cgi: {root}/page.gmi is neither a program nor begins with a line such as #!/bin/sh"
    ]


def test_a_location_within_that_has_none(with_host, write):
    write("cgi-bin/fine", "#!/bin/sh\n")
    write("cgi-bin/data/x")
    config = with_host(cgi="cgi-bin", location=[{"path": "/cgi-bin/data/", "cgi": []}])
    assert told(find_broken_places(config)) == []


def test_the_path_of_the_scripts(with_host, write, tmp_path, root):
    write("cgi-bin/a", "#!/usr/bin/env tool\n")
    write("tools/tool", "#!/bin/sh\n")
    assert len(told(find_broken_places(with_host(cgi="cgi-bin")))) == 1
    environment = {"PATH": f"{root}/tools"}
    assert told(find_broken_places(with_host(cgi="cgi-bin", **{"cgi-environment": environment}))) == []


def test_a_user_of_their_own(with_host, write, root, monkeypatch):
    write("cgi-bin/a", "#!/bin/sh\n", 0o700)
    stranger = Identity("stranger", 54321, 54321, (54321,))
    monkeypatch.setattr(interpreter_checks, "find_identity", lambda user, group: stranger)
    config = with_host(cgi="cgi-bin")
    config = msgspec.structs.replace(config, cgi=msgspec.structs.replace(config.cgi, user="stranger"))
    (problem,) = told(find_broken_places(config))
    assert "by stranger" in problem


def test_looking_has_an_end(with_host, write, root, monkeypatch):
    monkeypatch.setattr(interpreter_checks, "_MAX_ENTRIES", 5)
    for number in range(9):
        write(f"cgi-bin/{number}")
    write("more/x")
    one, other = told(find_broken_places(with_host(cgi=["cgi-bin", "more"])))
    assert one.endswith("so it is with 4 others")
    assert other == (
        f"host[1].cgi[1]: only 5 files in places of scripts were looked at, and not all in {root}/cgi-bin: of the "
        "others the error log tells once they are asked for"
    )


def test_it_is_all_told(with_host, write, root):
    write("cgi-bin/\u202ea")
    write("cgi-bin/a", "")
    (said,) = (text for text in told(find_all_warnings(with_host(cgi="cgi-bin"))) if "/a " in text)
    assert said == f"host[1].cgi: {root}/cgi-bin/a is empty"
