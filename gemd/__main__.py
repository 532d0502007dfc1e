"""The command `gemd`: from the command line to a running master, as a table of contents.

Whatever an operator did wrong ends here, in a line that says what to change and an exit code of its own.
"""

import functools
import sys
from collections.abc import Sequence
from pathlib import Path

from gemd.requirements import explain_import_error

try:
    from gemd.system.openssl import load_openssl

    load_openssl()  # before whatever needs it

    from gemd.config import render_config
    from gemd.exit_codes import ExitCode
    from gemd.options import UsageError, parse_arguments
    from gemd.protocol.characters import escape
    from gemd.startup.checks import check_applications, check_certificates, check_logs, read_config
    from gemd.startup.failures import FAILURES, explain_failure
    from gemd.startup.resources import Inherited
    from gemd.startup.serve import serve
    from gemd.system.encoding import start_again_in_utf8
    from gemd.system.process import fill_standard_streams
except ImportError as error:
    sys.exit(f"gemd: {explain_import_error(error)}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run gemd with these arguments, the process's own by default; return its exit code."""
    if arguments is None and (reason := start_again_in_utf8()):
        return _complain(ExitCode.USAGE, reason)
    fill_standard_streams()
    try:
        return start(arguments)
    except FAILURES as failure:
        code, lines = explain_failure(failure)
        return _complain(code, *lines)
    except KeyboardInterrupt:
        return ExitCode.OK  # it came before there was anything to stop


def start(arguments: Sequence[str] | None) -> ExitCode:
    """Every step that can fail comes before the first worker."""
    options = parse_arguments(arguments)
    inherited = Inherited(_current_directory())
    read = functools.partial(read_config, options, inherited.directory)
    if options.dump:
        print(render_config(read()), end="")
        return ExitCode.OK
    if options.test:
        config = read()
        check_certificates(config)
        check_logs(config)
        check_applications(config)
        print(f"gemd: the configuration {config.source or 'by flags'} is in order", file=sys.stderr)
        return ExitCode.OK
    return serve(read, inherited)


def _current_directory() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise UsageError(f"the current directory can't be used: {error.strerror}") from None


def _complain(code: ExitCode, *lines: str) -> ExitCode:
    for line in lines:
        print(f"gemd: {escape(line)}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
