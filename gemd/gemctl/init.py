"""`gemctl init`: a configuration and a first page, by three questions, or by flags and none.

Rules: nothing is written before all is known and judged; what a former server's clients know its capsule by is kept.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from gemd.gemctl.failure import ExitCode, Failure
from gemd.gemctl.first_capsule import CONFIGURATION, PAGE, Capsule, write_capsule
from gemd.gemctl.former_servers import FORMER_SERVERS, IMPORTED, NONE, FormerServer
from gemd.gemctl.planted import LEFT_ALONE, may_be_planted
from gemd.gemctl.questions import ask_for, can_ask
from gemd.gemctl.terminal import complain, escape
from gemd.protocol.host import ANY_HOST, bracket, normalise_name
from gemd.system import certificates
from gemd.system.certificate_forms import is_der, render_pem
from gemd.system.privileges import PrivilegeError, find_identity

_USER = "gemd"  # whom root has a service be


class _Answers(msgspec.Struct, frozen=True):
    name: str
    directory: Path
    server: FormerServer


def init(options: argparse.Namespace) -> ExitCode:
    """Ask, write, check, and say how to go on. Raises Failure, and CertificateError for a certificate that is named and
    can't be used."""
    if (options.cert is None) != (options.key is None):
        raise Failure("--cert and --key belong together", code=ExitCode.USAGE)
    answers = _find_answers(options)
    capsule = _add_user(_add_certificate(_add_root(Capsule(**msgspec.structs.asdict(answers)), options), options))
    for path in write_capsule(capsule):
        print(f"wrote {escape(str(path))}")
    return _check(capsule)


def _find_answers(options: argparse.Namespace) -> _Answers:
    """What flags say, and for the rest whoever is at the terminal. Raises Failure."""
    try:
        name = None if options.name is None else _parse_name(options.name)
        directory = None if options.directory is None else _parse_directory(str(options.directory))
    except ValueError as error:
        raise Failure(str(error), code=ExitCode.USAGE) from None
    missing = [
        word
        for word, value in (("--name NAME", name), ("DIR", directory), ("--from SERVER", options.former))
        if value is None
    ]
    if missing and not can_ask():
        text = f"nobody can be asked without a terminal: say {', '.join(missing)}; gemctl init -h explains them"
        raise Failure(text, code=ExitCode.USAGE)
    name = name or ask_for("Which name is the capsule to have, as in its URLs?", "localhost", _parse_name)
    directory = directory or ask_for("In which directory are its files to be?", _propose(name), _parse_directory)
    former = options.former or ask_for(f"From which server do you come? {_list_servers()}", NONE, _parse_server)
    return _Answers(name, directory, FORMER_SERVERS[former])


def _list_servers() -> str:
    return ", ".join(name for name in FORMER_SERVERS if name != NONE) + f" or {NONE}?"


def _propose(name: str) -> str:
    """A directory that is not there yet."""
    plain = name.replace("*", "+").replace(":", "_")
    return plain if not Path(plain).exists() else f"gemd-{plain}"


def _parse_name(text: str) -> str:
    try:
        name = normalise_name(text)
    except ValueError as error:
        raise ValueError(f"{escape(text)} can't be a host: {error}") from None
    if name == ANY_HOST:
        raise ValueError(f"{ANY_HOST} is what no other host has: the first one needs a name")
    return name


def _parse_directory(text: str) -> Path:
    try:
        text.encode()
        path = Path(text).expanduser()
        is_there = path.exists()
        if is_there and not path.is_dir():
            raise ValueError(f"{escape(text)} is no directory")
        if os.path.lexists(path / CONFIGURATION):
            raise ValueError(f"{escape(str(path / CONFIGURATION))} is there already, and is not overwritten")
        present = next(above for above in (path, *path.absolute().parents) if above.exists())
        if not present.is_dir():
            raise ValueError(f"{escape(str(present))} is no directory")
        if not os.access(present, os.W_OK | os.X_OK):
            raise ValueError(f"nothing can be written in {escape(str(present))}: choose another directory")
    except UnicodeEncodeError:
        raise ValueError(f"{escape(text)} is not UTF-8") from None
    except RuntimeError:
        raise ValueError(f"{escape(text)}: there is no such user") from None
    except OSError as error:
        raise ValueError(f"{escape(text)} can't be used: {error.strerror}") from None
    return path


def _parse_server(text: str) -> str:
    name = text.lower().replace(" ", "-")
    if name not in FORMER_SERVERS:
        raise ValueError(f"{escape(text)} is none of {', '.join(FORMER_SERVERS)}")
    return name


def _add_root(capsule: Capsule, options: argparse.Namespace) -> Capsule:
    """With the pages that are there already. Raises Failure."""
    root = options.root
    if root is None:
        root = next((path for path in _list_places(capsule, capsule.server.roots) if os.path.isdir(path)), None)
        if root is None:
            return capsule
        print(f"the pages of {capsule.server.title} are in {escape(str(root))}; --root ROOT names others")
    elif not os.path.isdir(root):
        raise Failure(f"{escape(str(root))} is no directory", code=ExitCode.USAGE)
    try:
        if not (root / PAGE).exists() and any(root.iterdir()):
            complain(f"{escape(str(root))} has no {PAGE}, which is the first page; none is made in it")
    except OSError as error:
        raise Failure(f"{escape(str(root))} can't be read: {error.strerror}") from None
    root = root.resolve()
    if capsule.directory.resolve().is_relative_to(root):
        text = f"{escape(str(capsule.directory))} is within the pages in {escape(str(root))}"
        raise Failure(f"{text}, so that its configuration and key would be served: choose another DIR")
    return msgspec.structs.replace(capsule, root=root)


def _list_places(capsule: Capsule, patterns: tuple[str, ...]) -> Iterator[Path]:
    """Where things of the former server may be: in the new directory, in the current one, or at an absolute path."""
    for pattern in patterns:
        path = Path(pattern.replace("{name}", capsule.name))
        try:
            yield from (Path(base, path.expanduser()) for base in (capsule.directory, Path.cwd()))
        except RuntimeError:
            continue  # there is no home directory


def _add_certificate(capsule: Capsule, options: argparse.Namespace) -> Capsule:
    """With the certificate that clients know. Raises CertificateError for one that is named and can't be used."""
    if options.cert is not None:
        return _use(capsule, options.cert.absolute(), options.key.absolute(), is_passing=False)
    for pair in capsule.server.certificates:
        for certificate, key in zip(*(_list_places(capsule, (pattern,)) for pattern in pair), strict=True):
            if not os.path.lexists(key):
                continue
            if may_be_planted(key.absolute()) or may_be_planted(certificate.absolute()):
                complain(f"{escape(str(key))} or its certificate {LEFT_ALONE}: --cert and --key name it if it is right")
                continue
            try:
                found = _use(capsule, certificate.absolute(), key.absolute(), is_passing=capsule.server.is_passing)
            except certificates.CertificateError as error:
                complain(f"{escape(str(error))}; --cert and --key name another certificate")
                continue
            print(f"the certificate of {capsule.server.title} is {escape(str(certificate))}, and stays in use")
            return found
    if capsule.server is not FORMER_SERVERS[NONE]:
        complain(f"no certificate of {capsule.server.title} was found, so a new one is made at the first start, and")
        complain("clients that know the old one will ask their users; --cert and --key name it")
    return capsule


def _use(capsule: Capsule, certificate: Path, key: Path, *, is_passing: bool) -> Capsule:
    """With this certificate, as a copy where it is no PEM or would not last. Raises CertificateError."""
    loaded = certificates.load(certificate, key)
    if is_passing or is_der(certificate) or is_der(key):
        complain(*(f"warning: {escape(text)}" for text in loaded.warnings))  # of the others `gemd -t` tells
        return msgspec.structs.replace(capsule, kept=render_pem(loaded))
    return msgspec.structs.replace(capsule, certificate=(certificate, key))


def _add_user(capsule: Capsule) -> Capsule:
    """With whom root has gemd become. Raises Failure where there is nobody."""
    if os.geteuid() != 0:
        return capsule
    try:
        identity = find_identity(_USER, None)
    except PrivilegeError:
        text = f"root needs a user without rights to serve as, and there is no {_USER}: make it, as in"
        raise Failure(f'{text} "useradd --system {_USER}", or run this as who is to serve') from None
    return msgspec.structs.replace(capsule, user=_USER, owner=(identity.uid, identity.gid))


def _check(capsule: Capsule) -> ExitCode:
    """Have gemd check what was written, and say how to go on."""
    path = str(capsule.directory / CONFIGURATION)
    path = f"./{path}" if path.startswith("-") else path  # which would be a flag
    sys.stdout.flush()
    if subprocess.run([sys.executable, "-P", "-m", "gemd", "-t", "-c", path], check=False).returncode:
        complain("so this is to be mended in what was written")
        return ExitCode.CONFIGURATION
    quoted = shlex.quote(path)
    print(f"start it:   {_find_command('gemd')} -c {escape(quoted)}")
    connect = "" if capsule.name == "localhost" else "--connect localhost:1965 "
    name = capsule.name.replace(ANY_HOST, "any")  # one of those that a wildcard stands for
    gemctl = _find_command("gemctl")
    print(f"look at it: {gemctl} fetch {connect}gemini://{bracket(name)}/")
    print(f"check it:   {gemctl} -c {escape(quoted)} check")
    former = next((word for word in IMPORTED if FORMER_SERVERS[word] is capsule.server), None)
    if former is not None:
        print(f"settings:   {gemctl} config import {former} FILE prints what those of {capsule.server.title} become")
    return ExitCode.OK


def _find_command(name: str) -> str:
    """What starts it: the name alone where a shell finds that, as it does not in a virtual environment."""
    beside = Path(sys.executable).with_name(name)
    return name if shutil.which(name) is not None or not beside.exists() else escape(shlex.quote(str(beside)))
