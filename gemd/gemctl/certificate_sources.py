"""Where the certificate of another server is: by the server's word, by a directory, or by its file.

Rule: what is only looked for may have been put there by anybody where everybody can write; what is named by its path is
taken as it is.
"""

import configparser
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from gemd.gemctl.failure import ExitCode, Failure
from gemd.gemctl.former_servers import FORMER_SERVERS, NONE
from gemd.gemctl.planted import LEFT_ALONE, may_be_planted
from gemd.gemctl.terminal import complain, escape
from gemd.system.certificate_parsing import count_keys, is_pem, read_content

WORDS = tuple(word for word in FORMER_SERVERS if word != NONE)

_NAME = "{name}"
_SERVICES = {"agate": ("/srv/gemini",)}  # where its Debian service is started
_CAPSULE_RC = "~/.gmcapsulerc"
_PLAIN = (
    ("cert.der", "key.der"),  # Agate from 3.0 on
    ("cert.pem", "key.pem"),  # GmCapsule, Molly Brown
    ("cert.pem", "key.rsa"),  # Agate before
    ("fullchain.pem", "privkey.pem"),  # Let's Encrypt
)
_BY_NAME = (("{name}.crt", "{name}.key"), ("{name}.pem", "{name}.key"), ("{name}.pem", "{name}.pem"))
_LAYOUT = (*((f"{_NAME}/{one}", f"{_NAME}/{other}") for one, other in _PLAIN), *_BY_NAME, *_PLAIN)
_WITHIN = ("", ".certificates", ".certs")


class FoundPair(msgspec.Struct, frozen=True):
    """A certificate and its key; `is_shared` says that nothing about their places tells whose they are."""

    certificate: Path
    key: Path
    is_shared: bool


class CertificateSource(msgspec.Struct, frozen=True):
    """Where to look: pairs of patterns with {name} in them, below each of these directories. `title` says whose."""

    title: str
    patterns: tuple[tuple[str, str], ...]
    directories: tuple[Path, ...]
    is_named: bool = False

    def find(self, names: tuple[str, ...]) -> FoundPair | None:
        """The first pair there is for one of the names."""
        for certificate, key, is_shared in self._list(names):
            if os.path.lexists(certificate) and os.path.lexists(key):
                if self.is_named or not (may_be_planted(certificate) or may_be_planted(key)):
                    return FoundPair(certificate, key, is_shared)
                complain(f"{escape(str(key))} or its certificate {LEFT_ALONE}: name the file if it is right")
        return None

    def places(self, names: tuple[str, ...]) -> list[str]:
        """The directories in which `find` looks."""
        return list(dict.fromkeys(str(certificate.parent) for certificate, _, _ in self._list(names)))

    def _list(self, names: tuple[str, ...]) -> Iterator[tuple[Path, Path, bool]]:
        for pattern, key_pattern in self.patterns:
            for directory in self.directories:
                is_shared = _NAME not in pattern
                for name in names[:1] if is_shared else names:
                    certificate, key = (_expand(each.replace(_NAME, name)) for each in (pattern, key_pattern))
                    yield directory / certificate, directory / key, is_shared


def find_source(word: str, key: Path | None) -> CertificateSource:
    """What an operator has said: a server's word, a directory, or a certificate's file, with its key or not. Raises
    Failure."""
    if word in WORDS and key is None:
        server, here = FORMER_SERVERS[word], Path.cwd()
        places = (here, *map(Path, _SERVICES.get(word, ())))
        own = _read_capsule_rc() if word == "gmcapsule" else ()
        return CertificateSource(server.title, (*own, *server.certificates), places)
    path = Path(word).absolute()
    shown = escape(word)
    if path.is_dir():
        if key is not None:
            raise Failure(f"{shown} is a directory, and --key goes with a certificate's file", code=ExitCode.USAGE)
        return CertificateSource(shown, _LAYOUT, tuple(path / each for each in _WITHIN), is_named=True)
    if not os.path.lexists(path):
        raise Failure(f"{shown} is neither a file nor a directory, nor one of {', '.join(WORDS)}", code=ExitCode.USAGE)
    beside = key.absolute() if key is not None else _find_key(path)
    return CertificateSource(shown, ((str(path), str(beside)),), (path.parent,), is_named=True)


def _find_key(path: Path) -> Path:
    """The key of a certificate's file: in it, or beside it. Raises Failure."""
    try:
        content = read_content(path)
    except OSError as error:
        raise Failure(f"{escape(str(path))} can't be read: {error.strerror}") from None
    if is_pem(content) and count_keys(content):
        return path
    names = [key for certificate, key in _PLAIN if certificate == path.name]
    beside = [path.with_name(name) for name in (*names, f"{path.stem}.key") if name != path.name]
    for candidate in beside:
        if candidate.exists():
            return candidate
    raise Failure(f"{escape(str(path))} has no private key in it, and none beside it: --key FILE names it")


def _read_capsule_rc() -> tuple[tuple[str, str], ...]:
    """Where GmCapsule's own configuration says that certificates are, as patterns."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(_expand(_CAPSULE_RC), encoding="utf-8")
    except (configparser.Error, OSError, UnicodeDecodeError):
        return ()
    directory = parser.get("server", "certs", fallback=None)
    if directory is None:
        return ()
    return tuple((f"{directory}/{infix}cert.pem", f"{directory}/{infix}key.pem") for infix in (f"{_NAME}/", ""))


def _expand(text: str) -> Path:
    return Path(os.path.expanduser(text))
