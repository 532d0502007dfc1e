"""README and docs/: short enough, with links that lead somewhere, and examples that gemd itself accepts."""

import re
import shlex
from pathlib import Path

import pytest

from gemd import options
from gemd.config import load_config
from gemd.gemctl import options as gemctl_options
from gemd.master.succession import CHANGES
from tests.documents.reading import DOCUMENTS, MANUALS, README, blocks, commands_of, configurations_of, read
from tests.documents.ways import A_NAME, NOT_RUN
from tests.packaging.installing import PROJECT

EACH = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
EACH_WITH_MANUALS = pytest.mark.parametrize("document", [*DOCUMENTS, *MANUALS], ids=lambda path: path.name)


def commands(document, program):
    """The words of each command that runs `program`, by whatever path."""
    whole = [command.text for command in commands_of(document) if NOT_RUN.get(command.text) != A_NAME]
    parts = [part for text in whole for part in re.split(r"&&|;|\|", text)]
    found = [shlex.split(re.sub(r">.*", "", part)) for part in parts if program in part]
    return [words for words in found if words and Path(words[0]).name == program]


def test_the_readme_is_short():
    assert len(README.read_bytes()) <= 8192


@EACH
def test_links_lead_to_files(document):
    targets = re.findall(r"\]\(([^)\s]+)\)", read(document))
    relative = [target for target in targets if not re.match(r"[a-z]+:", target)]
    assert [target for target in relative if not (document.parent / target).exists()] == []


@EACH_WITH_MANUALS
def test_the_configurations_are_in_order(document, tmp_path):
    """By what `gemd -t` loads them with."""
    path = tmp_path / "gemd.conf"
    for text in configurations_of(document):
        path.write_text(text, encoding="utf-8")
        load_config(path, cpus=2)


@EACH_WITH_MANUALS
def test_what_is_made_can_be_made(document):
    makefile = (PROJECT / "Makefile").read_text()
    targets = {name for names in re.findall(r"^([a-z][a-z -]*):", makefile, re.MULTILINE) for name in names.split()}
    made = [word for words in commands(document, "make") for word in words[1:] if "=" not in word]
    assert set(made) - targets == set()


@EACH_WITH_MANUALS
def test_the_commands_are_understood(document):
    for program, parse in (("gemd", options.parse_arguments), ("gemctl", gemctl_options.parse_arguments)):
        for words in commands(document, program):
            if words[1:] not in (["-h"], ["-V"]):  # which end by themselves
                parse(words[1:])


def test_there_are_examples_to_check():
    found = {kind: sum(len(blocks(document, kind)) for document in DOCUMENTS) for kind in ("toml", "sh")}
    assert min(found.values()) > 3
    assert len(configurations_of(PROJECT / "man" / "gemd.conf.5")) > 8
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
