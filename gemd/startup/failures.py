"""What can go wrong before anything is served, and what the operator is told of it.

Rule: whatever a user did wrong is raised as one of FAILURES, each with an exit code of its own.
"""

from gemd.config import ConfigError
from gemd.exit_codes import ExitCode
from gemd.options import UsageError
from gemd.responders.app.load import AppLoadError
from gemd.system.certificates import CertificateError
from gemd.system.listener import BindError
from gemd.system.log_file import LogError
from gemd.system.pid_file import AlreadyRunning, PidFileError
from gemd.system.privileges import PrivilegeError
from gemd.system.tls import TLSError

FAILURES = (
    UsageError,
    ConfigError,
    CertificateError,
    LogError,
    TLSError,
    BindError,
    PrivilegeError,
    PidFileError,
    AppLoadError,
)


def explain_failure(failure: Exception) -> tuple[ExitCode, list[str]]:
    """The exit code of one of FAILURES, and what to print."""
    codes: dict[type[Exception], ExitCode] = {
        UsageError: ExitCode.USAGE,
        BindError: ExitCode.BIND,
        PrivilegeError: ExitCode.PRIVILEGES,
        AlreadyRunning: ExitCode.RUNNING,
        AppLoadError: ExitCode.APPLICATION,
    }
    lines = failure.lines() if isinstance(failure, ConfigError) else [str(failure)]
    if isinstance(failure, AppLoadError):
        lines += failure.trace()
    return codes.get(type(failure), ExitCode.CONFIGURATION), lines
