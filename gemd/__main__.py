"""The command `gemd`: from the command line to a running master, as a table of contents.

Whatever an operator did wrong ends here, in a line that says what to change and an exit code of its own.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from gemd import startup
from gemd.config import ConfigError, parse_config, render_config
from gemd.exit_codes import ExitCode
from gemd.options import UsageError, parse_arguments, read_tables
from gemd.system.certificates import CertificateError
from gemd.system.listener import BindError, bind_all
from gemd.system.log import LogError, open_error_log
from gemd.system.tls import TLSError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run gemd with these arguments, the process's own by default; return its exit code."""
    try:
        return start(arguments)
    except UsageError as error:
        return _complain(ExitCode.USAGE, str(error))
    except ConfigError as error:
        return _complain(ExitCode.CONFIGURATION, *error.lines())
    except (CertificateError, LogError, TLSError) as error:
        return _complain(ExitCode.CONFIGURATION, str(error))
    except BindError as error:
        return _complain(ExitCode.BIND, str(error))
    except KeyboardInterrupt:
        return ExitCode.OK  # it came before there was anything to stop


def start(arguments: Sequence[str] | None) -> ExitCode:
    """Every step that can fail comes before the first worker."""
    options = parse_arguments(arguments)
    try:
        Path.cwd()
    except OSError as error:
        raise UsageError(f"the current directory can't be used: {error.strerror}") from None
    base = options.config.absolute().parent if options.config else Path.cwd()
    source = str(options.config) if options.config else None
    config = parse_config(read_tables(options), base=base, source=source, cpus=len(os.sched_getaffinity(0)))
    startup.check_roots(config)
    if options.dump:
        print(render_config(config), end="")
        return ExitCode.OK
    if options.test:
        startup.check_certificates(config)
        print(f"gemd: the configuration {source or 'by flags'} is in order", file=sys.stderr)
        return ExitCode.OK
    open_error_log(config.log.error, config.log.level)
    router = startup.build_router(config)
    listeners = bind_all(config.listen, config.timeouts.request)
    loaded = {host.name: startup.load_certificate(host, config) for host in config.hosts}
    context = startup.build_context(config, loaded)
    startup.announce(config, listeners, loaded)
    return startup.run_master(config, listeners, context, router)


def _complain(code: ExitCode, *lines: str) -> ExitCode:
    for line in lines:
        print(f"gemd: {line}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
