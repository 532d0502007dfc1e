"""What a process says to the kernel about itself: its title, its limits, how it ends with its parent."""

import contextlib
import ctypes
import os
import resource
import signal
import sys

import setproctitle

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_LIMITS = 16  # RLIM_NLIMITS
NAME = "gemd"  # the command name of every process of gemd
_libc = ctypes.CDLL(None, use_errno=True)


def call_prctl(option: int, argument: int) -> int:
    """prctl(2) with one argument; -1 on failure, which sets ctypes' errno."""
    return int(_libc.prctl(option, ctypes.c_ulong(argument), 0, 0, 0))


def set_title(role: str) -> None:
    """Name the process as ps(1) shows it: "gemd: " and its role.

    Its command name is `gemd` alone, for `ps -C`, `pgrep -x` and `systemctl status`. Were there a blank in it, Python
    3.12 and later would take a process for one that has threads.
    """
    setproctitle.setproctitle(f"{NAME}: {role}".encode("utf-8", "backslashreplace").decode())
    setproctitle.setthreadtitle(NAME)


def fill_standard_streams() -> None:
    """Open what is closed of standard input, output and error on /dev/null: no socket or log shall have its number."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one; not for exec to close
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))


def prefer_throughput() -> None:
    """Let this process interrupt no other when it wakes up (sched(7), SCHED_BATCH). Scripts inherit it.

    It then finds more to do each time, which is worth 5 % of its CPU under load.
    """
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def give_memory_back() -> None:
    """Return what the C library holds free to the system; a library without malloc_trim(3) keeps it."""
    with contextlib.suppress(AttributeError):
        _libc.malloc_trim(0)


class MemoryReport:
    """The share of memory that a process itself has (smaps_rollup, proc(5)); opened while /proc is within reach."""

    def __init__(self) -> None:
        self._descriptor: int | None = None
        with contextlib.suppress(OSError):  # a kernel without it
            self._descriptor = os.open("/proc/self/smaps_rollup", os.O_RDONLY | os.O_CLOEXEC)

    def read(self) -> tuple[int, int]:
        """Proportional and private share (PSS and USS), in bytes; zeros where the kernel does not tell."""
        if self._descriptor is None:
            return 0, 0
        lines = os.pread(self._descriptor, 4096, 0).decode().splitlines()
        sizes = {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines[1:])}
        return sizes.get("Pss", 0), sizes.get("Private_Clean", 0) + sizes.get("Private_Dirty", 0)


class DescriptorReport:
    """How many descriptors a process itself has open; made while /proc is within reach."""

    def __init__(self) -> None:
        self._directory: int | None = None
        with contextlib.suppress(OSError):
            self._directory = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def read(self) -> int:
        """Their number, without the one that this takes; 0 where the kernel does not tell."""
        return 0 if self._directory is None else max(0, count_descriptors(self._directory) - 1)


def count_descriptors(directory: int | str = "/proc/self/fd") -> int:
    """How many descriptors this process has open, by the directory that lists them (proc(5)); 0 if there is none.

    Since Linux 6.2 that is the directory's size, had in a microsecond; before, each is listed, at 0.4 ms for 1,000.
    """
    try:
        return os.stat(directory).st_size or len(os.listdir(directory)) - 1  # the listing has one of its own
    except OSError:
        return 0


def raise_descriptor_limit() -> int:
    """Lift the soft limit of open files to the hard one; return it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def read_limits() -> tuple[tuple[int, int], ...]:
    """All limits of this process (getrlimit(2)). Others of its user may lower them (prlimit(2)), and only root's raise
    them again."""
    return tuple(map(resource.getrlimit, range(_LIMITS)))


def die_with_parent(parent: int, number: signal.Signals = signal.SIGTERM) -> bool:
    """Have a signal sent to this process when `parent` dies; False when it is dead already.

    A change of uid or gid undoes it, so it comes after them.
    """
    call_prctl(_PR_SET_PDEATHSIG, int(number))
    return os.getppid() == parent


def outlive_parent() -> None:
    """Have no signal sent any more when the parent dies."""
    call_prctl(_PR_SET_PDEATHSIG, 0)


def forbid_inspection() -> None:
    """Keep other processes of the same user, scripts above all, out of this one's memory, where the keys are."""
    call_prctl(_PR_SET_DUMPABLE, 0)


def become_subreaper(wanted: bool = True) -> None:
    """Be the parent of every orphan among this process's descendants, in place of init; or be that no longer."""
    call_prctl(_PR_SET_CHILD_SUBREAPER, int(wanted))
