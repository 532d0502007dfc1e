"""What -t tells, as lines or as JSON."""

import json
from pathlib import Path

import pytest

from gemd.config import ConfigError, Problem
from gemd.config.mistake import about
from gemd.config.origins import Origins
from gemd.exit_codes import ExitCode
from gemd.options import UsageError
from gemd.startup.telling import Teller
from gemd.system.certificates import CertificateError

TEXT = '[[host]]\nname = "a.org"\n[[host.location]]\npath = "/x"\nroot = "y"\n'
TABLES = {"host": [{"name": "a.org", "location": [{"path": "/x", "root": "y"}]}]}


def make_origins():
    origins = Origins(Path("/"), TABLES, main="gemd.conf", text=TEXT)
    origins.replace("workers", "GEMD_WORKERS")
    return origins


def tell_all(teller):
    """Some of everything."""
    teller.warn(Problem("", "is worth a look\x1b"))
    teller.warn(Problem("host[1].location[1].root", "is empty"))
    teller.tell("an application is somewhere")
    codes = [
        teller.fail(ConfigError([Problem("workers", "is 0"), Problem("host[1]", "is wrong")], None, make_origins()))
    ]
    with pytest.raises(CertificateError) as caught, about("host[1].certificate"):
        raise CertificateError("can't be read")
    codes += [teller.fail(caught.value), teller.fail(UsageError("--port can't apply"))]
    teller.end()
    assert codes == [ExitCode.CONFIGURATION, ExitCode.CONFIGURATION, ExitCode.USAGE]


def test_as_lines(capsys):
    tell_all(Teller(make_origins, is_json=False))
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        r"gemd: warning: is worth a look\x1b",
        "gemd: warning: gemd.conf:5: a.org/x: root: is empty",
        "gemd: an application is somewhere",
        "gemd: gemd.conf:1: a.org: is wrong",
        "gemd: GEMD_WORKERS: workers: is 0",
        "gemd: host[1].certificate: can't be read",
        "gemd: --port can't apply",
    ]


def found(severity, message, **known):
    nothing = dict.fromkeys(("file", "line", "set_by", "host", "location", "key"))
    return {"severity": severity, **nothing, **known, "message": message}


def test_as_json(capsys):
    tell_all(Teller(make_origins, is_json=True))
    printed = capsys.readouterr()
    assert printed.err == ""
    assert json.loads(printed.out)["findings"] == [
        found("warning", "is worth a look\x1b"),
        found("warning", "is empty", file="gemd.conf", line=5, host="a.org", location="/x", key="root"),
        found("error", "is wrong", file="gemd.conf", line=1, host="a.org"),
        found("error", "is 0", set_by="GEMD_WORKERS", key="workers"),
        found("error", "can't be read", key="host[1].certificate"),
        found("error", "--port can't apply"),
    ]


def test_nothing_is_an_empty_list(capsys):
    Teller(lambda: None, is_json=True).end()
    assert json.loads(capsys.readouterr().out) == {"findings": []}
