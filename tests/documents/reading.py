"""What the documents tell a reader to type, and what to write into a configuration: README, docs/ and the manual pages.

Rules: a command is a line of a shell block, or what stands in the text between backquotes (.Ql in a manual page) and is
more than one word, unless NO_COMMANDS says what else it is. Nothing is changed but for the comment behind a command and
the joints of its lines.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.packaging.installing import PROJECT

README = PROJECT / "README.md"
DOCUMENTS = [README, *sorted((PROJECT / "docs").glob("*.md"))]
MANUALS = sorted((PROJECT / "man").glob("*.[1-9]"))

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$|(?<=\n\n)((?:    [^\n]*\n)+)", re.DOTALL | re.MULTILINE)
# First words of what stands between backquotes and is typed nowhere.
NO_COMMANDS = {
    "balance": "HAProxy",
    "bind": "HAProxy",
    "hash-type": "HAProxy",
    "on-marked-down": "HAProxy",
    "option": "HAProxy",
    "retries": "HAProxy",
    "state": "HAProxy",
    "stick-table": "HAProxy",
    "tcp-check": "HAProxy",
    "tcp-request": "HAProxy",
    "tcp-ut": "HAProxy",
    "timeout": "HAProxy",
    "show": "a command of HAProxy's socket",
    "20": "a line of Gemini",
    "await": "Python",
}
# A manual page has more between its quotes than commands: there only what begins so is one.
PROGRAMS = ("gemctl", "gemd", "make", "systemctl")
ROFF = {r"\(dq": '"', r"\e": "\\", r"\-": "-", r"\&": ""}


@dataclass(frozen=True)
class Command:
    document: Path
    line: int
    text: str
    in_block: bool

    def __str__(self) -> str:
        return f"{self.document.relative_to(PROJECT)}:{self.line}: {self.text}"


def read(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def find_blocks(document: Path) -> list[tuple[str, str, int]]:
    """Language, text and first line of each block of a Markdown document; the language of indented ones is "sh"."""
    text = read(document)
    return [
        (
            found[1] if found[3] is None else "sh",
            re.sub(r"^    ", "", found[3], flags=re.MULTILINE) if found[3] else found[2],
            text.count("\n", 0, found.start(3) if found[3] else found.start(2)) + 1,
        )
        for found in BLOCK.finditer(text)
    ]


def blocks(document: Path, language: str) -> list[str]:
    return [text for name, text, _ in find_blocks(document) if name == language]


def join_lines(text: str, first: int) -> list[tuple[int, str]]:
    """The commands of a block with their lines: one that ends with a backslash or a pipe goes on in the next."""
    found = []
    begun, line = "", first
    for number, part in enumerate(text.splitlines(), first):
        part = re.sub(r"(^|\s)#\s.*", "", part).rstrip()
        if not begun:
            line = number
        begun = f"{begun} {part.strip()}".strip()
        if begun.endswith("\\"):
            begun = begun[:-1].rstrip()
        elif begun and not begun.endswith("|"):
            found.append((line, begun))
            begun = ""
    assert not begun, f"line {line} of a block never ends"
    return found


def commands_of_markdown(document: Path) -> list[Command]:
    text = read(document)
    found = [
        Command(document, line, command, in_block=True)
        for language, block, first in find_blocks(document)
        if language == "sh"
        for line, command in join_lines(block, first)
    ]
    prose = BLOCK.sub(lambda block: re.sub(r"[^\n]", "", block[0]), text)
    for span in re.finditer(r"(?<!`)`([^`\n]+(?:\n[^`\n]+)*)`(?!`)", prose):
        words = span[1].split()
        if is_command(words):
            line = prose.count("\n", 0, span.start()) + 1
            found.append(Command(document, line, " ".join(words), in_block=False))
    return sorted(found, key=lambda command: command.line)


def is_command(words: list[str]) -> bool:
    return (
        len(words) > 1
        and bool(re.match(r"[~.\w/][\w./~-]*$", words[0]))
        and words[0] not in NO_COMMANDS
        and words[1] != "="
    )


def plain(text: str) -> str:
    """A line of a manual page as it is shown."""
    for sign, shown in ROFF.items():
        text = text.replace(sign, shown)
    return text


def displays(page: Path) -> list[tuple[int, str]]:
    """The literal displays of a manual page, with their first lines."""
    text = read(page)
    found = re.finditer(r"^\.Bd -literal.*\n((?:.*\n)*?)\.Ed$", text, re.MULTILINE)
    return [(text.count("\n", 0, display.start(1)) + 1, plain(display[1])) for display in found]


def commands_of_manual(page: Path) -> list[Command]:
    """What follows a prompt, and what is quoted in the text, unless a word of it is the reader's to choose."""
    found = []
    for number, line in enumerate(read(page).splitlines(), 1):
        if " Ar " in line:
            continue
        if display := re.match(r"\.Dl [#$] (.*)", line):
            found.append(Command(page, number, plain(display[1]), in_block=True))
        elif quoted := re.match(rf"\.Ql ((?:{'|'.join(PROGRAMS)}) .*?)(?: [.,;:)])*$", line):
            found.append(Command(page, number, plain(quoted[1]), in_block=False))
    for first, text in displays(page):
        lines = text.splitlines()
        if all(line.startswith(("# ", "$ ")) for line in lines):
            found += [Command(page, number, line[2:], in_block=True) for number, line in enumerate(lines, first)]
    return sorted(found, key=lambda command: command.line)


def commands_of(document: Path) -> list[Command]:
    return commands_of_markdown(document) if document.suffix == ".md" else commands_of_manual(document)


def configurations_of(document: Path) -> list[str]:
    """The examples of gemd.conf, each made whole: what is of a host or location gets one."""
    if document.suffix == ".md":
        return blocks(document, "toml")
    texts = [text for _, text in displays(document) if re.match(r"\[\[|[a-z-]+ = ", text)]
    return [complete(text) for text in texts]


def complete(text: str) -> str:
    if text.startswith("[[host.location]]"):
        text = f'[[host]]\nname = "example.org"\nroot = "/"\n{text}'
    elif "[[host]]" not in text:
        host = '[[host]]\nname = "example.org"\nroot = "/"\n'
        text = f"{text}{host}" if text.startswith("include") else f"{host}{text}"
    return text.replace("<64 hexadecimal digits>", "0" * 64)
