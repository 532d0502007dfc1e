"""The command `gemctl`: from the command line to an exit code.

Rule: whatever an operator or the machine did wrong ends here, in lines that say what to change.
"""

import argparse
import sys
from collections.abc import Callable, Sequence

from gemd.requirements import explain_import_error

try:
    import msgspec

    from gemd.config.mistake import Mistake
    from gemd.config.sources import ConfigError
    from gemd.gemctl.control_client import ask, find_socket
    from gemd.gemctl.failure import ExitCode, Failure
    from gemd.gemctl.family import TextFormat
    from gemd.gemctl.metrics import render_metrics
    from gemd.gemctl.options import parse_arguments
    from gemd.gemctl.report import render_status
    from gemd.gemctl.status import parse_status
    from gemd.gemctl.terminal import complain, escape
    from gemd.system.encoding import print_in_locale, start_again_in_utf8
    from gemd.system.output import give_up_output
except ImportError as error:
    sys.exit(f"gemctl: {explain_import_error(error)}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run gemctl with these arguments, the process's own by default; return its exit code."""
    if arguments is None:
        if reason := start_again_in_utf8():
            return _end(ExitCode.USAGE, reason)
        print_in_locale()
    try:
        return _run(parse_arguments(arguments))
    except Failure as failure:
        return _end(failure.code, *failure.lines)
    except ConfigError as error:
        return _end(ExitCode.CONFIGURATION, *error.lines())
    except Mistake as error:
        return _end(ExitCode.FAILED, str(error))
    except KeyboardInterrupt:
        return _end(ExitCode.FAILED, "interrupted")
    except OSError as error:
        return _end(ExitCode.FAILED, *filter(None, [give_up_output(error)]))


def _run(options: argparse.Namespace) -> ExitCode:
    if options.command == "status":
        outcome = _show_status(options)
    elif (command := _find_command(options)) is not None:
        outcome = command(options)
    else:
        outcome = _act(options)
    sys.stdout.flush()
    return outcome


def _find_command(options: argparse.Namespace) -> Callable[[argparse.Namespace], ExitCode] | None:
    """What does what a running gemd does not do for us. Only the module that is asked for is imported, for most of them
    take cryptography along, which would double the time that a status takes."""
    match options.command, vars(options).get("action"):
        case "cert", "import":
            from gemd.gemctl.certificate_import import import_certificates as command
        case "cert", _:
            from gemd.gemctl.certificate import run_cert as command
        case "check", _:
            from gemd.gemctl.check.command import check as command
        case "config", _:
            from gemd.gemctl.foreign.imports import import_configuration as command
        case "edit", _:
            from gemd.gemctl.edit import edit as command
        case "fetch", _:
            from gemd.gemctl.fetch import fetch as command
        case "init", _:
            from gemd.gemctl.init import init as command
        case "put", _:
            from gemd.gemctl.put import put as command
        case _:
            return None
    return command


def _show_status(options: argparse.Namespace) -> ExitCode:
    path = find_socket(options.socket, options.config)
    if options.watch is not None:
        from gemd.gemctl.watch import watch

        watch(lambda: parse_status(ask(path, "status", options.timeout).status), options.watch, sys.stdout)
        return ExitCode.OK
    answer = ask(path, "status", options.timeout)
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(answer.status), indent=2).decode())
        return ExitCode.OK
    status = parse_status(answer.status)
    if options.text_format is not None:
        print(render_metrics(status, TextFormat(options.text_format)), end="")
    else:
        print(render_status(status), end="")
    return ExitCode.OK


def _act(options: argparse.Namespace) -> ExitCode:
    path = find_socket(options.socket, options.config)
    is_stop = options.command == "stop"
    answer = ask(path, options.command, options.timeout, until_gone=is_stop)
    print("gemd has stopped" if is_stop else escape(answer.message))
    return ExitCode.OK


def _end(code: ExitCode, *lines: str) -> ExitCode:
    complain(*lines)
    return code


if __name__ == "__main__":
    sys.exit(main())
