"""The command, from its words to what it prints."""

import io
import sys
import tomllib

import pytest

from gemd.gemctl.__main__ import main
from gemd.gemctl.failure import ExitCode
from gemd.gemctl.foreign.imports import IMPORTERS
from gemd.gemctl.former_servers import FORMER_SERVERS, IMPORTED


def test_each_server_has_its_importer():
    assert set(IMPORTERS) == set(IMPORTED) <= set(FORMER_SERVERS)


def test_what_is_printed(tmp_path, capsys):
    (tmp_path / "molly.conf").write_text('Hostname = "example.org"\nCertPath = "/c"\nKeyPath = "/k"\nAccessLog = "-"\n')
    assert main(["config", "import", "molly-brown", str(tmp_path / "molly.conf")]) == ExitCode.OK
    printed, said = capsys.readouterr()
    assert tomllib.loads(printed)["host"][0]["name"] == "example.org"
    assert said == ""


def test_what_is_left_is_counted(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"jetforce --dir /srv --odd")))
    assert main(["config", "import", "jetforce", "-"]) == ExitCode.OK
    printed, said = capsys.readouterr()
    assert "# standard input:1: --odd\n" in printed
    assert said.startswith("gemctl: 2 lines were not carried over")


@pytest.mark.parametrize("content", ["Port = ", "Port = 'x'", "Port = 1\nPort = 2"])
def test_a_mistake(content, tmp_path, capsys):
    (tmp_path / "molly.conf").write_text(content)
    assert main(["config", "import", "molly-brown", str(tmp_path / "molly.conf")]) == ExitCode.CONFIGURATION
    printed, said = capsys.readouterr()
    assert printed == ""
    assert said.startswith(f"gemctl: {tmp_path}/molly.conf")


def test_a_file_that_is_not_there(tmp_path, capsys):
    assert main(["config", "import", "agate", str(tmp_path / "x")]) == ExitCode.FAILED
    assert capsys.readouterr().err == f"gemctl: {tmp_path}/x: can't be read: No such file or directory\n"


def test_what_gemd_would_not_start_with_is_told(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"jetforce --dir /srv --index-file ../x")))
    assert main(["config", "import", "jetforce", "-"]) == ExitCode.FAILED
    printed, said = capsys.readouterr()
    line = printed.split("\n").index('index = ["../x"]') + 1
    assert f'standard output:{line}: localhost: index: expected a path below the root, not "../x"' in said
