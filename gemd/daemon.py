"""Becoming a daemon: whom to be, which sockets and files to hold, and then the master.

Rules: everything that can fail is tried while the shell that started us still looks; root is given up before anything
is read that others wrote. Called by `gemd.__main__`.
"""

import logging
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from gemd import startup
from gemd.config import Config
from gemd.config.load import parse_listen
from gemd.exit_codes import ExitCode
from gemd.processes.control import ControlSocket, bind_control
from gemd.processes.generation import Generation
from gemd.processes.kernel import ForkingKernel
from gemd.processes.launch import Launch, launch
from gemd.processes.master import MAX_SLOTS, Master
from gemd.processes.scoreboard import Scoreboard
from gemd.processes.service import DaemonService, LoadError
from gemd.processes.successor import Handover, take_handover
from gemd.processes.worker import run_worker
from gemd.system import process
from gemd.system.listener import Listener, take_over
from gemd.system.log import error_log
from gemd.system.pid_file import PidFile, lock_pid_file
from gemd.system.privileges import Identity, PrivilegeError, drop_privileges, find_identity, is_current, lock_down
from gemd.system.systemd import Notifier, take_listen_descriptors

Read = Callable[[], Config]  # of the configuration, anew each time; raises one of `startup.FAILURES`

_ROWS = 4 * MAX_SLOTS  # of the scoreboard: workers that serve, start and drain


class Circumstances:
    """Who started this process, and what was handed to it: by a shell, by systemd, or by a former master."""

    def __init__(self, directory: Path) -> None:
        """Takes what it finds from the environment, which is everybody's from then on."""
        self.handover = take_handover(os.environ)
        self.directory = Path(self.handover.directory) if self.handover is not None else directory
        self.notifier = Notifier(os.environ)
        self._given = take_listen_descriptors(os.environ)

    def take_listeners(self, request_timeout: float) -> list[Listener]:
        """The listeners that were handed to this process. Raises BindError."""
        if self.handover is None:
            return [take_over(descriptor, request_timeout) for descriptor in self._given]
        return [
            take_over(descriptor, request_timeout, None if is_given else parse_listen(address))
            for descriptor, address, is_given in self.handover.listeners
        ]


def find_user(config: Config) -> Identity | None:
    """Who to become; None to stay who started this process. Raises PrivilegeError."""
    service = config.service
    if service.user == "root" or (service.user is None and os.geteuid() != 0):
        if service.user == "root" and os.geteuid() != 0:
            raise PrivilegeError('only root can stay root: remove user = "root"')
        return None
    if service.user is None:
        raise PrivilegeError(
            'started as root: set user = "gemd", or another user without rights, to serve as '
            '(or "root", if strangers shall really be served by root)'
        )
    identity = find_identity(service.user, service.group)
    if os.geteuid() != 0:
        if is_current(identity):
            return None
        raise PrivilegeError(f"only root can become the user {identity.name}: start as root, or remove `user`")
    return identity


def become(config: Config, user: Identity | None) -> Identity | None:
    """Give up root, or leave that to the workers; who they are to become. Raises PrivilegeError."""
    if user is not None and config.service.master_user is None:
        drop_privileges(user)
        return None
    return user


def take_pid_file(config: Config, handover: Handover | None, owner: Identity | None) -> PidFile | None:
    """The locked pid file, if there is to be one. Raises PidFileError."""
    if config.service.pid_file is None:
        return None
    path = Path(config.service.pid_file)
    if handover is not None and handover.lock is not None:
        return PidFile(path, handover.lock)
    is_users = owner is not None and config.service.master_user is None
    return lock_pid_file(path, (owner.uid, owner.gid) if owner is not None and is_users else None)


def take_control(config: Config, handover: Handover | None) -> ControlSocket | None:
    """The control socket, if there is to be one. Raises BindError."""
    path = config.service.control
    if handover is not None and handover.control is not None and handover.control[1] == path:
        return ControlSocket(take_over(handover.control[0], 1.0, parse_listen(f"unix:{path}")))
    return bind_control(path) if path is not None else None


def serve(read: Read, circumstances: Circumstances) -> ExitCode:
    """Serve what `read` says, now and at each reload, until told to stop.

    Raises one of `startup.FAILURES` for what keeps it from beginning.
    """
    config = read()
    handover = circumstances.handover
    user = find_user(config)
    pid_file = take_pid_file(config, handover, user)
    present = circumstances.take_listeners(config.timeouts.request)
    materials = startup.fetch_materials(config, present, None if config.service.master_user else user)
    startup.close_new(present, materials.listeners)
    workers_user = become(config, user)
    startup.check_machine(config)  # again, for this user may see less
    if pid_file is not None:
        pid_file.check_writable()
    generation = startup.build_generation(config, materials, workers_user)
    control = take_control(config, handover)
    lock_down(keep_capabilities=os.geteuid() == 0)
    generation.logs.use()
    startup.announce(config, materials)
    launched = _detach(generation, pid_file, control) if config.service.daemon and handover is None else Launch()
    service = DaemonService(
        build_loader(read, workers_user),
        circumstances.directory,
        circumstances.notifier,
        pid_file,
        control,
        handover,
        launched,
    )
    service.keep(generation)
    code = run_master(service, generation)
    launched.tell(code)  # unless it has been told already, when the workers served
    return code


def _detach(generation: Generation, pid_file: PidFile | None, control: ControlSocket | None) -> Launch:
    """Leave the terminal with all that is open."""
    keep = [listener.socket.fileno() for listener in generation.listeners]
    keep += [sink.fileno() for sink in generation.logs.files().values()]
    if pid_file is not None:
        keep.append(pid_file.lock)
    if control is not None:
        keep.append(control.listener.socket.fileno())
    return launch(keep, generation.config.log.error)


def build_loader(read: Read, workers_user: Identity | None) -> Callable[[Generation], Generation]:
    """What reads the configuration again, as it was first read. It raises LoadError, and then nothing has changed."""

    def load(current: Generation) -> Generation:
        try:
            config = _keep_fixed(read(), current.config)
            materials = startup.fetch_materials(config, current.listeners, None)
            try:
                generation = startup.build_generation(config, materials, workers_user, current)
            except startup.FAILURES:
                startup.close_new(materials.listeners, current.listeners)
                raise
        except startup.FAILURES as failure:
            raise LoadError(*startup.explain(failure)[1]) from None
        startup.warn(materials)
        return generation

    return load


def _keep_fixed(config: Config, current: Config) -> Config:
    """The configuration with what is decided at the start and stays so."""
    new = config.service
    fixed = msgspec.structs.replace(
        current.service, max_requests=new.max_requests, max_memory=new.max_memory, auto_reload=new.auto_reload
    )
    if fixed != new:
        error_log.warning(
            "user, group, chroot, master-user, pid-file, control and daemon change at a restart, not at a reload"
        )
    return msgspec.structs.replace(config, service=fixed)


def run_master(service: DaemonService, generation: Generation) -> ExitCode:
    """Fork the workers and supervise them until the end."""
    config = generation.config
    place = config.hosts[0].locations[0]
    process.set_title(f"master {config.source or place.app or place.root}")
    scoreboard = Scoreboard(_ROWS)
    master = os.getpid()
    kernel = ForkingKernel(
        lambda generation, nr, row, channel: run_worker(generation, nr, scoreboard.row(row), master, channel),
        service.let_go,
    )
    service.wake(kernel.poll)
    try:
        return Master(kernel, service, scoreboard, generation).run()
    finally:
        logging.shutdown()
