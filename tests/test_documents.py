"""README and docs/: short enough, with links that lead somewhere, and examples that gemd itself accepts."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from gemd import options
from gemd.config import parse_config
from gemd.gemctl import options as gemctl_options
from gemd.master.succession import CHANGES

PROJECT = Path(__file__).parents[1]
README = PROJECT / "README.md"
DOCUMENTS = [README, *sorted((PROJECT / "docs").glob("*.md"))]
EACH = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$|(?<=\n\n)((?:    [^\n]*\n)+)", re.DOTALL | re.MULTILINE)


def blocks(document, language):
    """The fenced blocks of a language; the indented ones count as "sh"."""
    found = ((name if fenced else "sh", fenced or indented) for name, fenced, indented in BLOCK.findall(read(document)))
    return [text for name, text in found if name == language]


def commands(document, program):
    """The words of each command in a block that runs `program`, by whatever path."""
    whole = [text.replace("\\\n", " ") for text in blocks(document, "sh")]
    lines = [re.sub(r"(^|\s)#.*", "", line) for text in whole for line in text.splitlines()]
    parts = [shlex.split(part) for line in lines for part in re.split(r"&&|;|\|", line)]
    return [words for words in parts if words and Path(words[0]).name == program]


def read(document):
    return document.read_text(encoding="utf-8")


def test_the_readme_is_short():
    assert len(README.read_bytes()) <= 8192


@EACH
def test_links_lead_to_files(document):
    targets = re.findall(r"\]\(([^)\s]+)\)", read(document))
    relative = [target for target in targets if not re.match(r"[a-z]+:", target)]
    assert [target for target in relative if not (document.parent / target).exists()] == []


@EACH
def test_the_configurations_are_in_order(document):
    for text in blocks(document, "toml"):
        parse_config(tomllib.loads(text), base=PROJECT, source=None, cpus=2)


@EACH
def test_what_is_made_can_be_made(document):
    makefile = (PROJECT / "Makefile").read_text()
    targets = {name for names in re.findall(r"^([a-z][a-z -]*):", makefile, re.MULTILINE) for name in names.split()}
    inline = [words.split() for words in re.findall(r"`(make [^`]+)`", read(document))]
    made = [word for words in (*commands(document, "make"), *inline) for word in words[1:] if "=" not in word]
    assert set(made) - targets == set()


@EACH
def test_the_commands_are_understood(document):
    for words in commands(document, "gemd"):
        options.parse_arguments(words[1:])
    for words in commands(document, "gemctl"):
        gemctl_options.parse_arguments(words[1:])


def test_there_are_examples_to_check():
    found = {kind: sum(len(blocks(document, kind)) for document in DOCUMENTS) for kind in ("toml", "sh")}
    assert min(found.values()) > 3
    assert ["make", "run"] in commands(README, "make")
    assert ["gemctl", "reload"] in commands(README, "gemctl")


def test_the_roles_of_a_master_are_those_of_the_table():
    text = read(PROJECT / "docs" / "ARCHITECTURE.md")
    rows = re.findall(r"^\| ([a-z]+) \| ([a-z, ]*)\|.*\|$", text.partition("| role | may become |")[2], re.MULTILINE)
    documented = {name: set(re.findall(r"[a-z]+", changes)) for name, changes in rows[: len(CHANGES)]}
    assert documented == {role.value: {change.value for change in changes} for role, changes in CHANGES.items()}


def test_the_map_has_each_module_of_the_wings_that_it_lists():
    tree = read(PROJECT / "docs" / "ARCHITECTURE.md").partition("## The tree")[2]
    entries = dict(re.findall(r"^  (\w+)/ (.*\n(?: {8}.*\n)*)", tree, re.MULTILINE))
    for wing in ("startup", "master", "worker", "shared"):
        modules = {path.stem for path in (PROJECT / "gemd" / wing).glob("*.py")} - {"__init__"}
        assert modules - set(re.findall(r"\w+", entries[wing])) == set(), wing
