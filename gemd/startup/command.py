"""From the command line to a running master, as a table of contents.

Rules: whatever an operator did wrong ends here, in a line that says what to change and an exit code of its own; what
does not serve can be interrupted at any time.
"""

import sys
from pathlib import Path

from gemd.config import Config
from gemd.config.settings import Timeouts
from gemd.exit_codes import ExitCode
from gemd.master.start_limit import hear_late, start_limit
from gemd.options import UsageError, parse_arguments
from gemd.protocol.characters import escape
from gemd.protocol.quantities import count
from gemd.startup.failures import FAILURES, explain_failure
from gemd.startup.reading import ConfigReader
from gemd.startup.resources import Inherited
from gemd.startup.serve import serve
from gemd.system.encoding import start_again_in_utf8
from gemd.system.last_words import tell_predecessor
from gemd.system.output import print_whole
from gemd.system.process import fill_standard_streams
from gemd.system.signals import restore_signals


def run() -> int:
    """Run gemd with the arguments of this process, whose signals are blocked; return its exit code."""
    if reason := start_again_in_utf8():
        return _complain(ExitCode.USAGE, reason)
    fill_standard_streams()
    try:
        return start()
    except FAILURES as failure:
        code, lines = explain_failure(failure)
        return _complain(code, *lines)


def start() -> ExitCode:
    """Every step that can fail comes before the first worker."""
    options = parse_arguments(None)
    if options.dump or options.test:
        restore_signals()
    inherited = Inherited(_current_directory())
    read = ConfigReader(options, inherited.directory, inherited.take_settings())
    if options.dump:
        from gemd.config.render import render_config

        with start_limit(Timeouts().start):
            config = read()
        reason = print_whole(render_config(config))
        return _complain(ExitCode.INTERNAL, reason) if reason else ExitCode.OK
    if options.json and not options.test:
        raise UsageError("--json is for -t, which tells what is wrong with a configuration")
    if options.test:
        return _test(read, inherited, is_json=options.json)
    return serve(read, inherited)


def _test(read: ConfigReader, inherited: Inherited, *, is_json: bool) -> ExitCode:
    """Try all that a start does, and tell what is wrong or worth a look."""
    from gemd.startup.rehearsal import rehearse
    from gemd.startup.telling import Teller

    teller = Teller(lambda: read.origins, is_json=is_json)
    hear_late(teller.give_up)
    try:
        with start_limit(Timeouts().start):
            config = read()
    except FAILURES as failure:
        code = teller.fail(failure)
        teller.end()
        return code
    code = rehearse(read, config, inherited, teller)
    if code == ExitCode.OK:
        teller.tell(f"the configuration {_describe_source(config)} is in order")
    return code


def _describe_source(config: Config) -> str:
    others = f", with {count(len(config.included), 'file')} that it includes," if config.included else ""
    return f"{config.source or 'by flags'}{others}"


def _current_directory() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise UsageError(f"the current directory can't be used: {error.strerror}") from None


def _complain(code: ExitCode, *lines: str) -> ExitCode:
    tell_predecessor(lines)
    for line in lines:
        print(f"gemd: {escape(line)}", file=sys.stderr)
    return code
