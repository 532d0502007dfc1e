import os
import subprocess
import sys

import pytest

from gemd.options import parse_arguments
from gemd.startup.first_look import wants_tickets

ON = "[tls]\nsession-tickets = true\n"


@pytest.fixture
def file(tmp_path):
    """A configuration that wants tickets."""
    path = tmp_path / "gemd.conf"
    path.write_text(ON)
    return path


COMMANDS = [
    "-c {}",
    "-c{}",
    "--config {}",
    "--config={}",
    "-dc {}",
    "-d --config {} --workers 2",
    "--dir x -c {}",
    "-tc{}",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_file_is_found_as_the_command_line_has_it(file, command):
    arguments = command.format(file).split()
    assert parse_arguments(arguments).config == file
    assert wants_tickets(arguments)


TEXTS = {
    "": False,
    ON: True,
    "tls = { session-tickets = true }": True,
    "[tls]\nsession-tickets = false": False,
    "[tls]\nsession-tickets = 1": False,
    "[tls]\n# session-tickets = true": False,
    "session-tickets = true": False,
    "tls = ['session-tickets']": False,
    "[[tls]]\nsession-tickets = true": False,
    "[tls\nsession-tickets = true": False,
}


@pytest.mark.parametrize(("text", "is_wanted"), TEXTS.items())
def test_what_the_file_says(file, text, is_wanted):
    file.write_text(text)
    assert wants_tickets(["-c", str(file)]) is is_wanted


@pytest.mark.parametrize("pattern", ["conf.d/*.conf", "conf.d/b.conf", "{dir}/*.conf", "/{dir}/./b.conf"])
def test_what_an_included_file_says(file, pattern):
    directory = file.parent / "conf.d"
    directory.mkdir()
    (directory / "a.conf").write_text("[log]\naccess = 'off'\n")
    included = directory / "b.conf"
    included.write_text(f"\ufeff{ON}")
    file.write_text(f'include = ["{pattern.format(dir=directory)}"]\n')
    assert wants_tickets(["-c", str(file)])
    included.write_text(ON.replace("true", "false"))
    assert not wants_tickets(["-c", str(file)])
    included.unlink()
    os.mkfifo(included)
    assert not wants_tickets(["-c", str(file)])


@pytest.mark.parametrize(
    ("value", "is_wanted"),
    [("true", True), (" true # on", True), ("false", False), ("1", False), ("x", False), ("[" * 5000, False)],
)
def test_the_environment_has_the_last_word(file, value, is_wanted):
    environment = {"GEMD_TLS_SESSION_TICKETS": value}
    assert wants_tickets([], environment) is is_wanted
    assert wants_tickets(["-c", str(file)], environment) is is_wanted
    assert wants_tickets(["-c", str(file)], {"GEMD_TLS_SESSION_TICKETS": ""})


def test_only_the_pattern_has_wildcards(tmp_path):
    directory = tmp_path / "a[1]*"
    directory.mkdir()
    (directory / "b.conf").write_text(ON)
    (directory / "gemd.conf").write_text('include = ["b*.conf"]\n')
    assert wants_tickets(["-c", str(directory / "gemd.conf")])


def test_whatever_is_wrong_is_left_to_others(file, tmp_path, capsys):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "binary").write_bytes(b"\xff session-tickets")
    for name in ("missing", "fifo", "binary", "", "gemd.conf/x", "a" * 300):
        assert not wants_tickets(["-c", str(tmp_path / name)])
    for include in ("'a'", "[1]", "['']", "['\\u0000']", "['missing', '.', '**/*']", "[['b']]"):
        file.write_text(f"include = {include}\n")
        assert not wants_tickets(["-c", str(file)])
    file.write_text(f"include = {'[' * 5000}\n")
    assert not wants_tickets(["-c", str(file)])
    for arguments in ([], ["-c"], ["--config"], ["--nothing"], ["-h"], ["-V"], ["-d=x"]):
        assert not wants_tickets(arguments)
    assert capsys.readouterr() == ("", "")


def test_a_look_loads_no_openssl(file):
    """Nor does what it imports: it would be too late then, also if it is Python's own, which cryptography may share."""
    code = "import sys; from gemd.startup.first_look import wants_tickets as wants; wanted = wants(['-c', sys.argv[1]])"
    code += "; print(wanted, sys.modules.keys() & {'cryptography', '_hashlib', '_ssl'} or 'none')"
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["True", "none"], done.stderr
