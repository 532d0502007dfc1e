"""The manual pages are without fault, and there is one for each command."""

import subprocess

import pytest

from tests.packaging.installing import COMMANDS, PROJECT

PAGES = sorted((PROJECT / "man").iterdir())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_mandoc_has_no_complaint(page, need_program):
    done = subprocess.run([need_program("mandoc"), "-T", "lint", "-W", "warning", page], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_every_command_and_the_configuration_have_a_page():
    assert {page.name for page in PAGES} == {*(f"{command}.8" for command in COMMANDS), "gemd.conf.5"}
