"""The manual pages are without fault, and there is one for each command."""

import re
import subprocess

import pytest

from gemd.config.settings import DERIVED, TLS, CGISettings, Host, Limits, Location, Log, Service, Timeouts
from gemd.config.tables import keys_of
from gemd.exit_codes import ExitCode
from gemd.master import master
from gemd.options import parse_arguments
from tests.packaging.installing import COMMANDS, PROJECT

PAGES = sorted((PROJECT / "man").iterdir())
TABLES = (Service, TLS, Timeouts, Limits, CGISettings, Log, Host, Location)


def items(page, macro):
    """What a manual page explains: the arguments of its lines `.It MACRO`."""
    lines = re.findall(r"^\.It (.*)", (PROJECT / "man" / page).read_text(), re.MULTILINE)
    parts = [part for line in lines for part in line.partition(" Pq ")[0].split(macro)[1:]]
    return {word for part in parts for word in re.split("[ ,]+", part)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_mandoc_has_no_complaint(page, need_program):
    done = subprocess.run([need_program("mandoc"), "-T", "lint", "-W", "warning", page], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_every_command_and_the_configuration_have_a_page():
    assert {page.name for page in PAGES} == {*(f"{command}.8" for command in COMMANDS), "gemd.conf.5"}


def test_every_key_is_explained():
    keys = {key for table in TABLES for key in keys_of(table)} - DERIVED - {"locations"}
    assert keys | {"listen", "workers"} <= items("gemd.conf.5", "Ic")


def test_every_flag_is_explained(capsys):
    with pytest.raises(SystemExit):
        parse_arguments(["--help"])
    flags = re.findall(r"^  (-.*?)(?:  |$)", capsys.readouterr().out, re.MULTILINE)
    names = {name for flag in flags for name in re.findall(r"(?:^|(?<=[ ,]))-(-?[A-Za-z][a-z-]*)", flag)}
    assert names <= items("gemd.8", "Fl")


def test_every_signal_and_command_is_explained():
    signals = {number.name.removeprefix("SIG") for number in master.SIGNALS} - {"CHLD"}  # which comes by itself
    assert signals <= items("gemd.8", "Dv")
    assert set(master.COMMANDS) <= items("gemctl.8", "Cm")


def test_every_exit_code_is_explained():
    codes = re.findall(r"^\.It ([0-9]+)$", (PROJECT / "man/gemd.8").read_text(), re.MULTILINE)
    assert codes == [str(int(code)) for code in ExitCode]
