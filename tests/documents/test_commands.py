"""Every command of README, docs/ and the manual pages is typed as it stands there, in the order of the document, or is
on the list of those that aren't, with the reason."""

import contextlib
import tempfile
from pathlib import Path

import pytest

from tests.conftest import need_root
from tests.documents.machine import NoMachine, raise_machine
from tests.documents.reading import DOCUMENTS, MANUALS, README, commands_of
from tests.documents.ways import NOT_RUN, SERVICE, WAYS, way_of
from tests.support.skipping import MAY_SKIP

ALL = [command for document in (*DOCUMENTS, *MANUALS) for command in commands_of(document)]


def test_what_is_said_of_commands_is_of_some_that_are_there():
    texts = {command.text for command in ALL}
    assert set(WAYS) - texts == set()
    assert set(NOT_RUN) - texts == set()
    assert set(WAYS) & set(NOT_RUN) == set()


@pytest.fixture(scope="module")
def machine():
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="gemd-machine-"))
        try:
            machine = stack.enter_context(raise_machine(Path(folder)))
        except NoMachine as reason:
            if not MAY_SKIP:
                pytest.fail(str(reason), pytrace=False)
            pytest.skip(str(reason))
        yield machine


@pytest.fixture(scope="module")
def typed():
    """What has been typed already: in the text it is the name of a command, which is then not run once more."""
    return set()


@need_root
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("document", [*DOCUMENTS, *MANUALS], ids=lambda path: path.name)
def test_each_command_does_what_it_is_there_for(document, machine, typed, tmp_path):
    folder, line = "", 0
    if document != README:
        machine.run(SERVICE)
    with contextlib.ExitStack() as serving:
        for command in commands_of(document):
            if command.text in NOT_RUN or (command.text in typed and not command.in_block):
                continue
            typed.add(command.text)
            way = way_of(command.text)
            if not way.beside:
                serving.close()
            if way.before:
                machine.run(way.before)
            folder = folder if command.in_block and command.line == line + 1 else ""
            line = command.line
            text = "\n".join(filter(None, ("set -e", folder, way.within, command.text)))
            folder = command.text if command.text.startswith("cd ") else folder
            if way.serves:
                serving.enter_context(machine.running(text, way.user, way.serves, tmp_path / f"{line}.log"))
            else:
                said = machine.run(text, way.user, network=way.network)
                assert way.says in said, command
