"""What a script may use of the machine: limits that are set from outside, for the process and all that it starts."""

import contextlib
import os
import resource

import msgspec

from gemd.config.cgi_settings import CGISettings

_MAX_DESCRIPTORS = 1024  # by default; a script may raise it, as far as the server may


class ScriptLimits(msgspec.Struct, frozen=True):
    """What a script may use: rlimits (seconds, bytes, bytes, processes of its user) and its niceness."""

    nice: int = 0
    cpu_seconds: int | None = None
    memory: int | None = None
    file_size: int | None = None
    processes: int | None = None

    @classmethod
    def of(cls, settings: CGISettings) -> "ScriptLimits":
        """Those that are configured."""
        return cls(settings.nice, settings.cpu_seconds, settings.memory, settings.file_size, settings.processes)


NO_LIMITS = ScriptLimits()


def set_limits(pid: int, limits: ScriptLimits) -> None:
    """Set those of a script, if it has not ended.

    That of descriptors is not the server's, which programs that close or select(2) suffer from.
    """
    with contextlib.suppress(ProcessLookupError):
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        if soft > _MAX_DESCRIPTORS or soft < 0:  # the latter is none
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (_MAX_DESCRIPTORS, hard))
        if limits != NO_LIMITS:
            _set_those_configured(pid, limits)


def _set_those_configured(pid: int, limits: ScriptLimits) -> None:
    wanted = {
        resource.RLIMIT_CPU: limits.cpu_seconds,
        resource.RLIMIT_AS: limits.memory,
        resource.RLIMIT_FSIZE: limits.file_size,
        resource.RLIMIT_NPROC: limits.processes,
    }
    for what, value in wanted.items():
        if value is not None:
            hard = resource.prlimit(pid, what)[1]
            most = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.prlimit(pid, what, (most, most))
    if limits.nice:
        os.setpriority(os.PRIO_PGRP, pid, limits.nice)
