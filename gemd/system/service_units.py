"""What systemd makes for gemd when it starts it, by its units: directories, credentials, a user.

Rule: units are read as they stand in files; one that can't be read says nothing. They are looked for where something is
missing, and at no start.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

# As systemd.unit(5) has them, those that win first.
_PLACES = ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system")
_BASES = {  # directories of a unit, below which its setting names some: systemd.exec(5)
    "RuntimeDirectory": ("/run", "RUNTIME_DIRECTORY"),
    "StateDirectory": ("/var/lib", "STATE_DIRECTORY"),
    "CacheDirectory": ("/var/cache", "CACHE_DIRECTORY"),
    "LogsDirectory": ("/var/log", "LOGS_DIRECTORY"),
}
_CREDENTIALS = frozenset({"LoadCredential", "LoadCredentialEncrypted", "SetCredential", "ImportCredential"})
_MOST_READ = 64 * 1024  # bytes of a file


class Unit(msgspec.Struct, frozen=True):
    """A service that runs gemd: its name, and all its settings, those of drop-ins behind them."""

    name: str
    settings: tuple[tuple[str, str], ...]

    def find_directory(self, path: str) -> tuple[str, str] | None:
        """The directory at or above `path` that systemd makes for it, and the setting that says so; None where it
        makes none, and where it has made it for this process already."""
        for setting, value in self.settings:
            if setting in _BASES:
                base, variable = _BASES[setting]
                for name in value.split():
                    own = name.partition(":")[0].replace("%p", self.name).replace("%N", self.name)
                    directory = os.path.join(base, own)
                    if _is_at(path, directory) and directory not in os.environ.get(variable, "").split(":"):
                        return directory, setting
            elif setting in _CREDENTIALS:
                directory = f"/run/credentials/{self.name}.service"
                if _is_at(path, directory) and os.environ.get("CREDENTIALS_DIRECTORY") != directory:
                    return directory, setting
        return None

    @property
    def user(self) -> str | None:
        """How it is said that it runs as somebody else than root."""
        found = None
        for setting, value in self.settings:
            if setting == "User":
                found = f"User={value}" if value not in ("", "root", "0") else None
            elif setting == "DynamicUser" and value.lower() in ("yes", "true", "on", "1"):
                return "DynamicUser="
        return found


def name_maker(path: str) -> str | None:
    """Who will make the directory that has `path`, for people; None where nobody does."""
    for unit in find_units():
        found = unit.find_directory(path)
        if found is not None:
            return f"systemd makes {found[0]} when it starts {unit.name}.service ({found[1]}=)"
    return None


def find_units() -> Iterator[Unit]:
    """The services whose program is gemd."""
    names: set[str] = set()
    for place in _PLACES:
        for path in sorted(Path(place).glob("*.service")) if os.path.isdir(place) else ():
            name = path.name.removesuffix(".service")
            lines = [] if name in names else _read(path)
            names.add(name)
            for other in _PLACES:
                for drop_in in sorted(Path(other, f"{path.name}.d").glob("*.conf")) if lines else ():
                    lines += _read(drop_in)
            if any(key == "ExecStart" and _runs_gemd(value) for key, value in lines):
                yield Unit(name, tuple(lines))


def _runs_gemd(command: str) -> bool:
    return any(os.path.basename(word) == "gemd" for word in command.split()[:4])  # the interpreter may come first


def _read(path: Path) -> list[tuple[str, str]]:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            text = file.read(_MOST_READ)
    except OSError:
        return []
    pairs = (line.partition("=") for line in text.splitlines() if not line.lstrip().startswith(("#", ";")))
    return [(key.strip(), value.strip()) for key, sign, value in pairs if sign]


def _is_at(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")
