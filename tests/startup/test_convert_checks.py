"""What -t says of the programs of converters."""

import pytest

from gemd.config import ConfigError
from gemd.startup.checks import check_machine
from gemd.startup.convert_checks import find_missing_programs, find_programs


@pytest.fixture
def host(tmp_path):
    """A host with files, and these keys."""
    return lambda **keys: {"name": "localhost", "root": str(tmp_path), **keys}


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "bin/x"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_what_is_there_is_in_order(configure, host, program):
    convert = {".a": [str(program)], ".b": ["x", "-f"], ".c": {"command": ["cat"]}}
    config = configure(host=[host(convert=convert)], cgi={"path": f"{program.parent}:/bin"})
    assert find_missing_programs(config) == []
    assert list(find_programs(config)) == [str(program), str(program), "/bin/cat"]


def test_what_is_not_there_is_named_once(configure, host, program):
    program.chmod(0o644)
    locations = [{"path": "/a", "client-certificate": "any"}, {"path": "/b", "convert": {".c": [str(program)]}}]
    config = configure(host=[host(convert={".a": ["no-such-program"]}, location=locations)])
    assert list(map(str, find_missing_programs(config))) == [
        "host[1].convert..a: no-such-program is in none of /usr/local/bin:/usr/bin:/bin (cgi.path): install it, or "
        "give its path",
        f"host[1].location[2].convert..c: {program} is not executable: chmod +x {program}",
    ]
    assert list(find_programs(config)) == []
    with pytest.raises(ConfigError, match="no-such-program"):
        check_machine(config)


def test_who_is_shut_in_has_programs_there(configure, host, program, tmp_path):
    config = configure(
        **{"user": "nobody", "master-user": "root", "chroot": str(tmp_path)},
        host=[host(convert={".a": ["x"]})],
        cgi={"path": "/bin"},
    )
    assert list(find_programs(config)) == [str(program)]
