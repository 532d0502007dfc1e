"""Completion offers what the commands take: in bash and fish as they really do it, in zsh by what the file says."""

import re
import subprocess

import pytest

from gemd import options
from gemd.gemctl import options as gemctl_options
from tests.packaging.installing import COMMANDS, PROJECT

COMPLETION = PROJECT / "etc/completion"
LINES = ["gemd", "gemctl", "gemctl status", "gemctl reload", "gemctl reopen", "gemctl upgrade", "gemctl stop",
         "gemctl cert", "gemctl cert show", "gemctl cert new", "gemctl cert renew", "gemctl cert import",
         "gemctl config", "gemctl config import", "gemctl init", "gemctl fetch",
         "gemctl put", "gemctl edit", "gemctl check"]  # fmt: skip
EVERY_LINE = pytest.mark.parametrize("line", LINES)


@pytest.fixture
def flags(capsys):
    """The options that a command takes, by its own help."""

    def flags(line: str) -> set[str]:
        command, *words = line.split()
        parse = options.parse_arguments if command == "gemd" else gemctl_options.parse_arguments
        with pytest.raises(SystemExit):
            parse([*words, "--help"])
        entries = re.findall(r"^  (-.*?)(?:  |$)", capsys.readouterr().out, re.MULTILINE)
        return {flag for entry in entries for flag in re.findall(r"(?:^|(?<=[ ,]))--?[A-Za-z][a-z-]*", entry)}

    return flags


def long(flags):
    return {flag for flag in flags if flag.startswith("--")}


BASH = """
source "$1/$2.bash"
compopt() { :; }
COMP_WORDS=("${@:2}") COMP_CWORD=$(($# - 2))
_$2
printf '%s\\n' "${COMPREPLY[@]}"
"""


def ask_bash(line: str, word: str, bash: str) -> set[str]:
    words = [bash, "-c", BASH, "bash", str(COMPLETION), *line.split(), word]
    return set(subprocess.run(words, capture_output=True, text=True, check=True).stdout.split())


def ask_fish(line: str, word: str, fish: str) -> set[str]:
    script = f"source {COMPLETION}/{line.split()[0]}.fish; complete -C '{line} {word}'"
    done = subprocess.run([fish, "--no-config", "-c", script], capture_output=True, text=True, check=True)
    return {offer.partition("\t")[0] for offer in done.stdout.splitlines()}


@EVERY_LINE
def test_bash_offers_every_option(line, flags, need_program):
    assert ask_bash(line, "-", need_program("bash")) == flags(line)


@EVERY_LINE
def test_fish_offers_every_option(line, flags, need_program):
    assert long(ask_fish(line, "--", need_program("fish"))) == long(flags(line))


EVERY_COMMAND = {"status", "reload", "reopen", "upgrade", "stop", "cert", "config", "init", "fetch", "put", "edit"}
EVERY_COMMAND |= {"check"}
COMMANDS_OF = {
    "gemctl": EVERY_COMMAND,
    "gemctl -c /x/gemd.conf": EVERY_COMMAND,
    "gemctl config": {"import"},
    "gemctl cert": {"show", "new", "renew", "import"},
}


@pytest.mark.parametrize("line", COMMANDS_OF)
def test_the_commands_are_those_that_gemctl_takes(line, capsys):
    with pytest.raises(SystemExit):
        gemctl_options.parse_arguments([*line.split()[1:], "no-such-command"])
    choices = capsys.readouterr().err.partition("choose from ")[2].partition(")")[0]
    assert set(re.findall(r"[a-z]+", choices)) == COMMANDS_OF[line]


def test_every_line_that_can_be_completed_is_tried():
    under = {f"{line} {word}" for line in ("gemctl", "gemctl cert", "gemctl config") for word in COMMANDS_OF[line]}
    assert {"gemd", "gemctl", *under} == set(LINES)


@pytest.mark.parametrize("line", COMMANDS_OF)
def test_zsh_knows_the_commands(line):
    text = (COMPLETION / "gemctl.zsh").read_text()
    assert {command for command in COMMANDS_OF[line] if f"'{command}:" not in text} == set()


@pytest.mark.parametrize("line", COMMANDS_OF)
def test_bash_and_fish_offer_the_commands(line, need_program):
    assert ask_bash(line, "", need_program("bash")) == COMMANDS_OF[line]
    assert ask_fish(line, "", need_program("fish")) == COMMANDS_OF[line]


def test_bash_offers_files_after_an_option_that_takes_one(tmp_path, need_program):
    (tmp_path / "a.conf").touch()
    for words in (
        "gemd -c",
        "gemd --config =",
        "gemctl -c",
        "gemctl fetch --cert",
        "gemctl put --token-file",
        "gemctl put",
    ):
        assert ask_bash(words, f"{tmp_path}/a", need_program("bash")) == {f"{tmp_path}/a.conf"}


@EVERY_LINE
def test_zsh_knows_every_option(line, flags):
    text = (COMPLETION / f"{line.split()[0]}.zsh").read_text()
    assert {flag for flag in long(flags(line)) if not re.search(rf"{flag}\b", text)} == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_no_shell_finds_a_mistake(command, need_program):
    for shell in ("bash", "zsh", "fish"):
        done = subprocess.run([need_program(shell), "-n", COMPLETION / f"{command}.{shell}"], capture_output=True)
        assert (done.returncode, done.stderr) == (0, b"")
