"""The command line of gemctl.

Rule: -c and -s may stand before or after the command.
"""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from gemd import __version__
from gemd.gemctl.former_servers import FORMER_SERVERS, IMPORTED, NONE
from gemd.protocol.mime import is_media_type

DEFAULT_CONFIG = Path("/etc/gemd.conf")
_ASKING = 10.0  # seconds that a status may take
_ACTING = 120.0
_FETCHING = 30.0

_ACTIONS = {
    "reload": "read the configuration, certificates and keys again",
    "reopen": "open the log files again, after they were rotated",
    "upgrade": "start the installed program in place of the running one",
    "stop": "finish what has begun, then leave",
}


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line; ends the program with code 2 when it makes no sense, 0 after -h and -V."""
    parser = argparse.ArgumentParser(
        prog="gemctl",
        description="Look at gemd, tell it what to do, and look at what it serves.",
        epilog="gemctl(8) has the details. Exit codes: 0 done, 1 failed, 2 usage, 3 configuration, 4 unchecked.",
    )
    parser.add_argument("-V", "--version", action="version", version=f"gemctl {__version__}")
    _add_config(parser, DEFAULT_CONFIG)
    _add_socket(parser, None)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_status(commands)
    for name, what in _ACTIONS.items():
        action = _add_command(commands, name, what, has_socket=True)
        action.add_argument(
            "--timeout", type=_seconds, default=_ACTING, metavar="S", help=f"wait at most S seconds ({_ACTING:g})"
        )
    _add_cert(commands)
    _add_configuration(commands)
    _add_init(commands)
    _add_fetch(commands)
    _add_put(commands)
    _add_edit(commands)
    _add_check(commands)
    return parser.parse_args(arguments)


Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _add_command(commands: Commands, name: str, what: str, *, has_socket: bool) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".")
    # Without a default of its own: it would undo what stands before the command.
    _add_config(parser, argparse.SUPPRESS)
    if has_socket:
        _add_socket(parser, argparse.SUPPRESS)
    return parser


def _add_config(parser: argparse.ArgumentParser, default: object) -> None:
    text = f"gemd's configuration ({DEFAULT_CONFIG})"
    parser.add_argument("-c", "--config", type=Path, default=default, metavar="FILE", help=text)


def _add_socket(parser: argparse.ArgumentParser, default: object) -> None:
    text = "gemd's socket (`control` in FILE)"
    parser.add_argument("-s", "--socket", type=Path, default=default, metavar="SOCKET", help=text)


def _add_status(commands: Commands) -> None:
    status = _add_command(commands, "status", "show what gemd does", has_socket=True)
    form = status.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="as JSON")
    for name, text in (("openmetrics", "OpenMetrics"), ("prometheus", "Prometheus")):
        form.add_argument(
            f"--{name}", dest="text_format", action="store_const", const=name, help=f"as {text} text, for a collector"
        )
    form.add_argument(
        "--watch", type=_seconds, nargs="?", const=2.0, metavar="SECONDS", help="again and again, until Ctrl-C (2)"
    )
    status.add_argument(
        "--timeout", type=_seconds, default=_ASKING, metavar="S", help=f"wait at most S seconds ({_ASKING:g})"
    )


def _add_cert(commands: Commands) -> None:
    cert = commands.add_parser(
        "cert", help="show, make, renew and take over certificates", description="Certificates of hosts."
    )
    actions = cert.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = _add_command(actions, "show", "show the certificates of the hosts", has_socket=False)
    show.add_argument("host", nargs="?", metavar="HOST", help="of this host alone")
    show.add_argument("--tlsa", action="store_true", help="as records for the DNS (RFC 6698, 3 1 1)")
    new = _add_command(actions, "new", "make a self-signed certificate, as gemd does at its start", has_socket=False)
    new.add_argument("host", metavar="HOST")
    new.add_argument("--directory", type=Path, metavar="DIR", help="make it here (default: where gemd keeps its own)")
    renew = _add_command(actions, "renew", "make a new self-signed certificate for the same key", has_socket=False)
    renew.add_argument("host", metavar="HOST")
    taken = _add_command(actions, "import", "take over the certificates of another server", has_socket=False)
    servers = ", ".join(name for name in FORMER_SERVERS if name != NONE)
    taken.add_argument("source", metavar="SOURCE", help=f"{servers}, a directory, or a certificate's file")
    taken.add_argument("--host", metavar="NAME", help="for this host alone")
    taken.add_argument("--key", type=Path, metavar="FILE", help="the certificate's key (default: in SOURCE, or beside)")
    taken.add_argument("--directory", type=Path, metavar="DIR", help="keep it here (default: where gemd keeps its own)")
    taken.add_argument("--replace", action="store_true", help="in the place of one that is there")


def _add_configuration(commands: Commands) -> None:
    text = "carry a configuration over from another server"
    configuration = commands.add_parser("config", help=text, description=text[0].upper() + text[1:] + ".")
    actions = configuration.add_subparsers(dest="action", required=True, metavar="ACTION")
    what = "print what the configuration of another server becomes"
    add = actions.add_parser("import", help=what, description=what[0].upper() + what[1:] + ".")
    add.add_argument("server", choices=IMPORTED, metavar="SERVER", help=f"one of {', '.join(IMPORTED)}")
    text = "its configuration, or what starts it: a unit, a script or a command line; - for standard input"
    add.add_argument("file", metavar="FILE", help=text)


def _add_init(commands: Commands) -> None:
    init = commands.add_parser(
        "init",
        help="write a configuration and a first page",
        description="Write a configuration and a first page. On a terminal, what is not said is asked. Other settings "
        "of a former server are carried over by gemctl config import.",
    )
    init.add_argument("directory", nargs="?", type=Path, metavar="DIR", help="where to; it need not exist")
    init.add_argument("--name", metavar="NAME", help="the host's name, as in its URLs")
    servers = ", ".join(FORMER_SERVERS)
    init.add_argument("--from", dest="former", choices=FORMER_SERVERS, metavar="SERVER", help=f"one of {servers}")
    init.add_argument("--root", type=Path, metavar="ROOT", help="pages that are there already (default: DIR/capsule)")
    init.add_argument("--cert", "--certificate", type=Path, metavar="FILE", help="a certificate that clients know")
    init.add_argument("--key", type=Path, metavar="FILE", help="its key")


def _add_fetch(commands: Commands) -> None:
    fetch = commands.add_parser(
        "fetch",
        help="fetch a URL over Gemini",
        description="Fetch a URL over Gemini: the body goes to standard output, all else to standard error.",
    )
    fetch.add_argument("url", metavar="URL", help="gemini://host/path?query; gemini:// may be left out")
    fetch.add_argument("--head", action="store_true", help="the header alone")
    fetch.add_argument("--follow", action="store_true", help="follow redirects, at most five")
    fetch.add_argument("--input", metavar="TEXT", help="the answer if the server asks for input")
    _add_client(fetch)


def _add_put(commands: Commands) -> None:
    put = commands.add_parser("put", help="upload a file by Titan", description="Upload a file by Titan.")
    put.add_argument("file", metavar="FILE", help="what is sent; - for standard input")
    put.add_argument("url", metavar="URL", help="where to: gemini://host/path; gemini:// may be left out")
    put.add_argument("--delete", action="store_true", help="delete what is there, by an empty FILE")
    _add_upload(put)


def _add_edit(commands: Commands) -> None:
    edit = commands.add_parser(
        "edit",
        help="edit a text on a server that takes uploads",
        description="Fetch a text by Titan, start $VISUAL or $EDITOR, and upload the text if it was changed.",
    )
    edit.add_argument("url", metavar="URL", help="gemini://host/path; gemini:// may be left out")
    _add_upload(edit)


def _add_check(commands: Commands) -> None:
    check = _add_command(
        commands, "check", "look for faults of a running server, and of its capsule, as a client", has_socket=True
    )
    check.add_argument(
        "target", nargs="?", metavar="HOST", help="a host or URL (default: each host of the running gemd)"
    )
    check.add_argument("--only", choices=("server", "content"), help="leave the other out")
    check.add_argument("--external", action="store_true", help="ask for what is linked on other servers, too")
    check.add_argument("--foreign", action="store_true", help="HOST may be somebody else's")
    check.add_argument("--limit", type=_number, default=1000, metavar="N", help="look at N pages at most (1000)")
    pause = "wait S seconds between requests (0.1, and 0 on this machine)"
    check.add_argument("--pause", type=_seconds_or_none, metavar="S", help=pause)
    check.add_argument("--within", type=_seconds, default=600.0, metavar="S", help="end after S seconds in all (600)")
    check.add_argument("--connect", metavar="HOST:PORT", help="connect there, whatever HOST says")
    check.add_argument("--json", action="store_true", help="as JSON")
    check.add_argument(
        "--timeout",
        type=_seconds,
        default=_ASKING,
        metavar="S",
        help=f"wait at most S seconds for a page ({_ASKING:g})",
    )


def _add_upload(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--type", type=_media_type, metavar="TYPE", help="its media type (default: by its name)")
    token = parser.add_mutually_exclusive_group()
    token.add_argument("--token", metavar="TOKEN", help="the server's password for uploads")
    token.add_argument("--token-file", type=Path, metavar="FILE", help="that password is the first line of FILE")
    _add_client(parser)


def _add_client(parser: argparse.ArgumentParser) -> None:
    """What every client has."""
    parser.add_argument("--trust", action="store_true", help="accept a certificate that has changed")
    parser.add_argument("--cert", "--certificate", type=Path, metavar="FILE", help="client certificate in PEM")
    parser.add_argument("--key", type=Path, metavar="FILE", help="its key in PEM (default: in --cert)")
    parser.add_argument("--connect", metavar="HOST:PORT", help="connect there, whatever the URL says")
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=_FETCHING,
        metavar="S",
        help=f"wait at most S seconds for the header, and for each piece of a body ({_FETCHING:g})",
    )


def _media_type(text: str) -> str:
    if not is_media_type(text):
        raise argparse.ArgumentTypeError(f"expected a media type such as text/plain, not {text!r}")
    return text


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 0 < len(text) < 8 or not int(text):
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, not {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 31_536_000:
        raise argparse.ArgumentTypeError(f"expected a number of seconds above 0, not {text!r}")
    return value


def _seconds_or_none(text: str) -> float:
    return 0.0 if text == "0" else _seconds(text)
