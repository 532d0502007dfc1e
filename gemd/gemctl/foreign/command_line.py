"""The command line of a server that has no other configuration: in a unit of systemd, in a shell script, or alone.

Rule: nothing is run; what only a shell could work out is a mistake, which says what to write in its place.
"""

import os
import re
import shlex
from collections.abc import Iterator, Mapping

import msgspec

from gemd.gemctl.foreign.original import Spot, mistake

_ASSIGNMENT = re.compile(r"""(?:export\s+)?([A-Za-z_]\w*)=("[^"]*"|'[^']*'|[^\s"';&|]*)\s*;?""")
_DEFAULT = re.compile(r""":\s+"?\$\{([A-Za-z_]\w*):?=("[^"]*"|'[^']*'|[^}]*)\}"?""")
_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?::?[-=]([^{}]*))?\})")
_SPECIFIER = re.compile(r"%(.)")
_OPERATOR = re.compile(r"[;&|<>]+")
_PREFIXES = "-@:+!|"  # of ExecStart=, systemd.service(5)
_BEGINNINGS = ("do", "then", "else", "{", "(", "!")  # behind which a command begins, in a shell
_NO_START = {"add", "adduser", "echo", "enable", "install", "printf", "restart", "start", "type", "useradd", "which"}
_MOST_WORDS = 1_000  # that a command line has
_LONGEST = 1 << 16  # characters of one
_LONGEST_VALUE = 1 << 12  # of a variable
_MOST_TEXT = 1 << 23  # of all lines, with what variables stand for


class CommandLine(msgspec.Struct):
    """The arguments of the server, and what the file says of how it is started."""

    place: Spot
    arguments: list[str]
    directory: str | None = None
    user: str | None = None
    group: str | None = None

    def locate(self, path: str) -> str:
        """The path, from the directory that the server is started in if that is known."""
        return os.path.normpath(os.path.join(self.directory or "", path))


class _Reader:
    def __init__(self, text: str, file: str, program: str) -> None:
        self.file, self.program = file, program
        self.is_unit = re.search(r"^\[Service\]\s*$", text, re.MULTILINE) is not None
        self.lines = list(_join_lines(text))
        self.variables: dict[str, tuple[str, int]] = {}
        self.said: dict[str, str] = {}  # what is said of the start
        self.found: list[tuple[int, list[str]]] = []
        self.size = 0

    def read(self) -> CommandLine:
        for line, text in self.lines:
            if self.is_unit:
                self._read_unit_line(line, text)
            else:
                self._read_shell_line(line, text)
        if not self.found and not self.is_unit:
            self._read_arguments_alone()
        if not self.found:
            text = f"no command that starts {self.program} is here: expected a unit of systemd, a shell script, or its"
            raise mistake(Spot(self.file), f"{text} command line")
        if len(self.found) > 1:
            first, second = self.found[0][0], self.found[1][0]
            text = f"starts {self.program} again, as line {first} does: import each of them from a file of its own"
            raise mistake(Spot(self.file, second), text)
        line, arguments = self.found[0]
        if len(arguments) > _MOST_WORDS:
            raise mistake(Spot(self.file, line), f"{self.program} is given more than {_MOST_WORDS} words")
        for argument in arguments:
            self._judge(line, argument)
        names = ("directory", "user", "group")
        return CommandLine(Spot(self.file, line), arguments, **{name: self.said.get(name) for name in names})

    def _read_unit_line(self, line: int, text: str) -> None:
        key, _, value = (part.strip() for part in text.partition("="))
        if key == "Environment":
            for word in self._split(line, value):
                name, _, content = word.partition("=")
                self.variables[name] = content, line
        elif key == "ExecStart":
            self._find(line, value.lstrip(_PREFIXES))
        elif key in ("WorkingDirectory", "User", "Group"):
            name = "directory" if key == "WorkingDirectory" else key.lower()
            if value and not value.startswith(("~", "-")) and "%" not in value:
                self.said[name] = value

    def _read_shell_line(self, line: int, text: str) -> None:
        assigned = _ASSIGNMENT.fullmatch(text) or _DEFAULT.fullmatch(text)
        if assigned:
            value = assigned[2]
            if value[:1] != "'":
                value = self._expand(line, value)
            if len(value) <= _LONGEST_VALUE:
                self.variables.setdefault(assigned[1], (value.strip("\"'"), line))
            return
        moved = re.fullmatch(r"cd\s+([^;&|$`]+?)\s*(?:&&.*|;.*)?", text)
        if moved and moved[1].startswith("/"):
            self.said["directory"] = moved[1].strip("\"'")
        self._find(line, text)

    def _read_arguments_alone(self) -> None:
        """Those of a file that has nothing else, or of a variable such as command_args of OpenRC."""
        if self.lines and self.lines[0][1].startswith("-"):
            words = [word for line, text in self.lines for word in self._split(line, self._expand(line, text))]
            self.found.append((self.lines[0][0], words))
            return
        for value, line in self.variables.values():
            if value.startswith("--"):
                self.found.append((line, self._cut(self._split(line, value))))

    def _find(self, line: int, text: str) -> None:
        """Find commands that start the program in a line."""
        expanded = self._expand(line, text)
        if self.program not in expanded:
            return
        words = self._split(line, expanded)
        for i, word in enumerate(words):
            if os.path.basename(word) == self.program:
                arguments = self._cut(words[i + 1 :])
                if _is_started(words[:i], arguments):
                    self.found.append((line, arguments))
                    return
        if "-c" in words[:-1]:
            self._find(line, words[words.index("-c") + 1])

    def _split(self, line: int, text: str) -> list[str]:
        if len(text) > _LONGEST:
            raise mistake(Spot(self.file, line), f"has more than {_LONGEST} characters, which no command line has")
        lexer = shlex.shlex(text, posix=True, punctuation_chars=";&|<>")
        lexer.whitespace_split = True
        lexer.commenters = "" if self.is_unit else "#"
        try:
            return list(lexer)
        except ValueError:
            if self.program not in text and "--" not in text:
                return []  # a part of a script that says nothing of the server
            raise mistake(Spot(self.file, line), "a quote is not closed") from None

    def _cut(self, words: list[str]) -> list[str]:
        """The arguments alone, without what a shell does to the command."""
        for i, word in enumerate(words):
            if _OPERATOR.fullmatch(word):
                return words[: i - 1 if i and "2" in words[i - 1 : i] and word[0] in "<>" else i]
        return words

    def _expand(self, line: int, text: str) -> str:
        def find(match: re.Match[str]) -> str:
            known = self.variables.get(match[1] or match[2])
            if known is not None:
                return known[0]
            return match[3].strip("\"'") if match[3] is not None else match[0]

        if text.count("$") > _MOST_WORDS:
            raise mistake(Spot(self.file, line), f"has more than {_MOST_WORDS} variables")
        expanded = _VARIABLE.sub(find, text)
        self.size += len(expanded)
        if self.size > _MOST_TEXT:
            raise mistake(Spot(self.file, line), "variables make too much of this")
        return expanded

    def _judge(self, line: int, argument: str) -> None:
        place = Spot(self.file, line)
        if self.is_unit and _SPECIFIER.search(argument.replace("%%", "")):
            raise mistake(place, f"{argument} is worked out by systemd: write in its place what it stands for")
        if "$" in argument or "`" in argument:
            raise mistake(place, f"{argument} is worked out by a shell: write in its place what it stands for")


def _is_started(before: list[str], arguments: list[str]) -> bool:
    """Whether the words before the program have it started, and are not about it."""
    begun = next((i for i in range(len(before), 0, -1) if _OPERATOR.fullmatch(before[i - 1])), 0)
    command = [word for word in before[begun:] if word not in _BEGINNINGS]
    if not _NO_START.isdisjoint(os.path.basename(word) for word in command):
        return False
    has_flags = bool(arguments) and arguments[0].startswith("-")
    return has_flags or all(word[:1] == "-" or "=" in word or word in ("exec", "env", "nohup") for word in command)


def find_command(text: str, file: str, program: str) -> CommandLine:
    """The one that starts this program. Raises Failure."""
    return _Reader(text, file, program).read()


def _join_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines that say something, with their numbers, those that end with a backslash together with the next one."""
    begun, whole = 0, ""
    for number, line in enumerate([*text.split("\n"), ""], 1):
        stripped = line.strip()
        if not whole:
            if not stripped or stripped[0] in "#;":
                continue
            begun = number
        elif stripped.startswith("#"):
            continue
        whole += " " + stripped.removesuffix("\\") if whole else stripped.removesuffix("\\")
        if not stripped.endswith("\\"):
            yield begun, whole.strip()
            whole = ""


class Flag(msgspec.Struct, frozen=True):
    """A flag that was given, with its value if it takes one. `name` is empty where there is no such flag."""

    name: str
    value: str
    written: str


def list_flags(command: CommandLine, flags: Mapping[str, bool], short: Mapping[str, str] | None = None) -> list[Flag]:
    """Those of a command line, in their order. `flags` says which there are, and whether each takes a value; `short`
    are the letters of some; the beginning of a name will do. Raises Failure."""
    found: list[Flag] = []
    words = iter(command.arguments)
    pending: list[str] = list(words)
    while pending:
        word = pending.pop(0)
        if not word.startswith("--") and short and word.startswith("-") and word[1:2] in short:
            found.append(Flag(short[word[1]], "", word[:2]))
            if word[2:]:
                pending.insert(0, "-" + word[2:])
            continue
        written, is_joined, value = word.partition("=")
        names = (
            [name for name in flags if name.startswith(written)] if written.startswith("--") and written != "--" else []
        )
        name = written if written in names else names[0] if len(names) == 1 else ""
        if name and not flags[name]:
            found.append(Flag(name, "", word))
        elif is_joined:
            found.append(Flag(name, value, word))
        elif name and not pending:
            raise mistake(command.place, f"{written} has no value")
        elif name or (word.startswith("-") and pending and not pending[0].startswith("-")):
            value = pending.pop(0)
            found.append(Flag(name, value, shlex.join([written, value])))
        else:
            found.append(Flag("", "", word))
    return found
