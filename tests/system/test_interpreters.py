"""Whether a script could be run: what is said of one, and whether the kernel agrees."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from gemd.system.interpreters import Runner, why_not_run
from gemd.system.privileges import Identity

SEARCH = "/usr/local/bin:/usr/bin:/bin"
ME = Runner(None, SEARCH)
STRANGER = Runner(Identity("stranger", 54321, 54321, (54321,)), SEARCH)

RUNS = {
    "a shell's": b"#!/bin/sh\nexit 0\n",
    "blanks": b"#! \t/bin/sh -e \nexit 0\n",
    "no end of the line": b"#!/bin/true",
    "one that env finds": b"#!/usr/bin/env sh\nexit 0\n",
    "one that env finds, with arguments": b"#!/usr/bin/env -S sh -e\nexit 0\n",
    "one that env finds, with a variable": b"#!/usr/bin/env -S A=b sh -e\nexit 0\n",
    "one that env has the path of": b"#!/usr/bin/env /bin/sh\nexit 0\n",
}
FAILS = {
    "a missing interpreter": (b"#!/usr/bin/nosuch\n", "has the interpreter /usr/bin/nosuch, which can't be used: "),
    "one that is a directory": (b"#!/usr/bin\n", "has the interpreter /usr/bin, which is no file"),
    "one that can't be executed": (b"#!/etc/passwd\n", "may not be executed by who serves: chmod a+x /etc/passwd"),
    "one that env does not find": (b"#!/usr/bin/env nosuch\n", f"nosuch, which is in none of {SEARCH} (cgi.path)"),
    "several words for env": (b"#!/usr/bin/env sh -e\n", '"sh -e", blank included: write env -S'),
    "a path for env": (b"#!/usr/bin/env /no/such\n", "has the interpreter /no/such, which can't be used: No such file"),
    "a missing one for env -S": (b"#!/usr/bin/env -S A=b nosuch -u\n", "env look for nosuch, which is in none of"),
    "CR LF": (b"#!/bin/sh\r\nexit 0\r\n", "ends with CR LF"),
    "CR LF behind env": (b"#!/usr/bin/env sh\r\nexit 0\r\n", "ends with CR LF"),
    "a byte order mark": (b"\xef\xbb\xbf#!/bin/sh\n", "begins with a byte order mark"),
    "no first line": (b"print('20 text/gemini')\n", "is neither a program nor begins with a line such as #!/bin/sh"),
    "nothing": (b"", "is empty"),
    "nobody": (b"#! \t\nexit 0\n", "names no interpreter behind its #!"),
    "one without a path": (b"#!python3\n", "for which nobody looks: give its path, or write #!/usr/bin/env python3"),
    "too long a line": (b"#!/" + b"a" * 300 + b"\n", "has a #! line of more than 255 bytes"),
    "a program that is cut short": (b"\x7fELF", "is cut short"),
    "another machine's program": (b"\x7fELF\2\1\1" + bytes(11) + b"\x34\x12" + bytes(100), "another kind of machine"),
}  # fmt: skip


def make(folder: Path, content: bytes, mode: int = 0o755) -> str:
    path = folder / "script"
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


def does_run(path: str) -> bool:
    """Whether the kernel, and env(1), can run it."""
    command = [sys.executable, "-c", "import os, sys; os.execve(sys.argv[1], sys.argv[1:], {'PATH': sys.argv[2]})"]
    return subprocess.run([*command, path, SEARCH], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("content", RUNS.values(), ids=RUNS)
def test_nothing_is_said_of_what_runs(tmp_path, content):
    path = make(tmp_path, content)
    assert (why_not_run(path, ME), does_run(path)) == (None, True)


@pytest.mark.parametrize(("content", "said"), FAILS.values(), ids=FAILS)
def test_what_does_not_run_is_told(tmp_path, content, said):
    path = make(tmp_path, content)
    assert said in str(why_not_run(path, ME))
    assert not does_run(path)


@pytest.mark.parametrize("program", [sys.executable, "/bin/sh"])
def test_a_program_runs(program):
    assert why_not_run(program, ME) is None


def test_what_is_executable_for_nobody(tmp_path):
    path = make(tmp_path, b"#!/bin/sh\n", 0o644)
    assert why_not_run(path, ME) == f"may not be executed by who serves: chmod a+x {path}"


def test_what_is_no_file(tmp_path):
    assert why_not_run(str(tmp_path), ME) == "is no file"
    os.mkfifo(tmp_path / "fifo", 0o755)
    assert why_not_run(str(tmp_path / "fifo"), ME) == "is no file"
    (tmp_path / "round").symlink_to("round")
    assert why_not_run(str(tmp_path / "round"), ME) == "can't be used: Too many levels of symbolic links"


def test_interpreters_in_a_circle(tmp_path):
    path = make(tmp_path, b"")
    make(tmp_path, f"#!{path}\n".encode())
    assert str(why_not_run(path, ME)).endswith("too many of them")
    assert not does_run(path)


def test_an_interpreter_with_one_of_its_own(tmp_path):
    (tmp_path / "own").write_bytes(b"#!/usr/bin/nosuch\n")
    (tmp_path / "own").chmod(0o755)
    reason = why_not_run(make(tmp_path, f"#!{tmp_path}/own\n".encode()), ME)
    assert reason == (
        f"has the interpreter {tmp_path}/own, which has the interpreter /usr/bin/nosuch, which can't be used: "
        "No such file or directory"
    )


def test_a_broken_one_on_the_path_is_told_where_there_is_no_other(tmp_path):
    path = make(tmp_path, b"#!/usr/bin/env tool\n")
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    reason = why_not_run(path, Runner(None, f"{tmp_path}/none:{tmp_path}:/bin"))
    assert reason is not None
    assert reason.startswith(f"has the interpreter {tmp_path}/tool, which may not be executed by")
    assert why_not_run(path, Runner(None, f".:{tmp_path}")) is None, "who knows what is there"


@pytest.mark.parametrize("text", ["-i", "A=b", "-S", "-S -i sh", "-S 'sh' x", "-S ${X}"])
def test_of_what_env_is_told_otherwise_nothing_is_known(tmp_path, text):
    assert why_not_run(make(tmp_path, f"#!/usr/bin/env {text}\n".encode()), ME) is None


def test_another_user(tmp_path):
    tmp_path.chmod(0o755)
    path = make(tmp_path, b"#!/bin/sh\n", 0o700)
    runner = Runner(STRANGER.user, SEARCH, str(tmp_path))  # whose way begins there
    assert why_not_run(path, runner) == f"may not be executed by stranger: chmod a+x {path}"
    make(tmp_path, b"#!/bin/sh\n", 0o711)
    assert str(why_not_run(path, runner)).startswith("may not be read by stranger, and its interpreter has to")
    (tmp_path / "shut").mkdir(mode=0o700)
    path = make(tmp_path / "shut", b"#!/bin/sh\n")
    assert str(why_not_run(path, runner)).startswith("can't be reached by stranger")


def test_a_list_may_allow_more(tmp_path, monkeypatch):
    path = make(tmp_path, b"", 0o700)
    tmp_path.chmod(0o700)
    monkeypatch.setattr("gemd.system.interpreters.has_list", lambda path: True)
    assert why_not_run(path, Runner(STRANGER.user, SEARCH, str(tmp_path))) == "is empty"


def test_within_a_chroot(tmp_path):
    runner = Runner(None, SEARCH, str(tmp_path))
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "bin").symlink_to("/usr/bin")  # which is the one in there
    path = make(tmp_path, b"#!/bin/tool\n")
    where = f" (within the chroot {tmp_path})"
    assert why_not_run(path, runner) == (
        f"has the interpreter /bin/tool, which can't be used: No such file or directory{where}"
    )
    shutil.copy("/bin/sh", tmp_path / "usr/bin/tool")
    reason = str(why_not_run(path, runner))
    assert reason.startswith("has the interpreter /bin/tool, which is a program that needs /")
    assert reason.endswith(f", which can't be used: No such file or directory{where}{where}")
    loader = Path(reason.partition(" needs ")[2].partition(",")[0])
    (tmp_path / loader.relative_to("/")).parent.mkdir(parents=True)
    shutil.copy(loader, tmp_path / loader.relative_to("/"))
    assert why_not_run(path, runner) is None


def test_a_file_system_where_nothing_may_be_run(tmp_path, monkeypatch):
    path = make(tmp_path, b"#!/bin/sh\n")
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_flag=os.ST_NOEXEC))
    assert why_not_run(path, ME) == "is on a file system that is mounted noexec, where nothing can be run"
