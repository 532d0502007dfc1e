"""Each failure of a start has an exit code of its own, and says what it is."""

import pytest

from gemd.config import ConfigError, Problem
from gemd.exit_codes import ExitCode
from gemd.options import UsageError
from gemd.responders.app.load import AppLoadError
from gemd.startup.failures import FAILURES, explain_failure
from gemd.system.certificates import CertificateError
from gemd.system.listener import BindError
from gemd.system.log_file import LogError
from gemd.system.pid_file import AlreadyRunning, PidFileError
from gemd.system.privileges import PrivilegeError
from gemd.system.tls import TLSError

CODES = {
    UsageError: ExitCode.USAGE,
    CertificateError: ExitCode.CONFIGURATION,
    LogError: ExitCode.CONFIGURATION,
    TLSError: ExitCode.CONFIGURATION,
    BindError: ExitCode.BIND,
    PrivilegeError: ExitCode.PRIVILEGES,
    PidFileError: ExitCode.CONFIGURATION,
    AlreadyRunning: ExitCode.RUNNING,
    AppLoadError: ExitCode.APPLICATION,
}


@pytest.mark.parametrize(("failure", "code"), CODES.items())
def test_codes(failure, code):
    assert explain_failure(failure("the reason")) == (code, ["the reason"])
    assert issubclass(failure, FAILURES)


def test_none_is_forgotten():
    assert {*CODES, ConfigError} == {*FAILURES, AlreadyRunning}


def test_a_configuration_has_a_line_for_each_problem():
    problems = [Problem("workers", "expected a number"), Problem("host[1].root", "it does not exist")]
    code, lines = explain_failure(ConfigError(problems, "gemd.conf"))
    assert code is ExitCode.CONFIGURATION
    assert len(lines) == 2
    assert "workers" in lines[0]
    assert "host[1].root" in lines[1]


def test_an_applications_own_lines_of_the_traceback_are_shown(tmp_path):
    path = tmp_path / "app.py"
    path.write_text("def fail():\n    raise KeyError('no such key')\n")
    names = {}
    exec(compile(path.read_text(), str(path), "exec"), names)
    with pytest.raises(KeyError) as caught:
        names["fail"]()
    failure = AppLoadError("app can't be loaded: KeyError")
    failure.__cause__ = caught.value
    code, lines = explain_failure(failure)
    assert code is ExitCode.APPLICATION
    assert lines[0] == "app can't be loaded: KeyError"
    assert any(str(path) in line for line in lines[1:])
