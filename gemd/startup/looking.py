"""What a start would make or take, looked at and left alone (-t).

Rules: what is in the way is raised as it would be at a start; what systemd will make before it starts gemd is a warning
that says so. Nobody is disturbed: neither a gemd that runs, nor what it holds.
"""

import contextlib
import os
import select
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from gemd.config import Config, Host, Problem
from gemd.config.mistake import about, key_under_way
from gemd.config.types import LOG_WORDS, Address
from gemd.master.control import ControlSocket, check_control
from gemd.startup.making import Making, Owner
from gemd.startup.places_named import find_place_key
from gemd.startup.private_files import find_log_files
from gemd.system.certificate_plan import find_or_plan, imagine
from gemd.system.certificates import CertificateError, ServerCertificate
from gemd.system.known_servers import KnownServers, look_for_known_servers
from gemd.system.listener import BindError, Listener
from gemd.system.listening_places import check_all
from gemd.system.log_file import LogError, check_log_file, log_files_opened
from gemd.system.pid_file import PidFile, PidFileError, check_pid_file
from gemd.system.privileges import Identity, PrivilegeError
from gemd.system.service_units import find_units, name_maker
from gemd.system.socket_file import SocketFile

_FAULTS = (CertificateError, BindError, LogError, PidFileError)


class _PidFileLookedAt(PidFile):
    """One that is not locked."""

    def __init__(self, path: Path, leaving: Callable[[str], AbstractContextManager[None]]) -> None:
        super().__init__(path, -1)
        self._leaving = leaving

    def check_writable(self) -> None:
        with self._leaving(str(self.path)):
            super().check_writable()


class Looking(Making):
    """Looks at it, as `config` has it. `warnings` is what else is to be said."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.warnings: list[Problem] = []
        self._planned: set[str] = set()  # directories that are made on the way

    def find_user(self, config: Config) -> Identity | None:
        try:
            return super().find_user(config)
        except PrivilegeError as error:
            unit = next((unit for unit in find_units() if unit.user is not None), None)
            if config.service.user is not None or unit is None:
                raise
            text = f"{error.text}; {unit.name}.service says who to be itself ({unit.user}), if that starts it"
            self.warnings.append(Problem("user", text))
            return None

    def bind(
        self,
        addresses: Iterable[Address],
        request_timeout: float,
        present: Sequence[Listener],
        files: Mapping[str, SocketFile],
    ) -> list[Listener]:
        for address in addresses if not any(listener.is_given for listener in present) else ():
            key = find_place_key(self._config, str(address))
            with about(key), self.leaving_to_systemd(address.path):
                check_all([address], files)
        return list(present)

    def load_configured(
        self, certificate: Path, key: Path, names: tuple[str, ...] = (), *, is_server: bool = True
    ) -> ServerCertificate:
        with self.leaving_to_systemd(str(certificate), str(key)):
            return super().load_configured(certificate, key, names, is_server=is_server)
        return imagine(certificate, names or ("localhost",))

    def find_certificate(self, directory: Path, host: Host, owner: Owner) -> ServerCertificate:
        with self.leaving_to_systemd(str(directory)):
            return find_or_plan(directory, host.certificate_names)
        return imagine(directory, host.certificate_names)

    def open_servers(self, directory: Path, owner: Owner) -> KnownServers | None:
        with self.leaving_to_systemd(str(directory)):
            return look_for_known_servers(directory)
        return None

    def lock_pid_file(self, path: Path, owner: Owner) -> PidFile | None:
        with self.leaving_to_systemd(str(path)):
            check_pid_file(path)
            if not path.parent.exists():
                self._planned.add(str(path.parent))
                return None
            return _PidFileLookedAt(path, self.leaving_to_systemd)
        return None

    def bind_control(self, path: str, poll: select.poll) -> ControlSocket | None:
        if os.path.dirname(path) not in self._planned:
            with self.leaving_to_systemd(path):
                check_control(path)
        return None

    @contextlib.contextmanager
    def opening_logs(self, config: Config) -> Iterator[None]:
        targets = {*(config.log.access, config.log.error), *find_log_files(config)}.difference(LOG_WORDS)
        for target in sorted(targets):
            with about(find_place_key(config, target)), self.leaving_to_systemd(target):
                check_log_file(target)
        with Path(os.devnull).open("wb") as nothing, log_files_opened(dict.fromkeys(targets, nothing.fileno())):
            yield

    @contextlib.contextmanager
    def leaving_to_systemd(self, *paths: str) -> Iterator[None]:
        """Inside, what is wrong with one of `paths` is no fault but a warning where systemd will have made it."""
        try:
            yield
        except _FAULTS as error:
            maker = next(filter(None, map(name_maker, paths)), None)
            if maker is None:
                raise
            self.warnings.append(Problem(error.key or key_under_way(), f"{error.text}; {maker}, and nobody else"))
