"""The exit codes of gemd, as gemd(8) documents them."""

import enum


class ExitCode(enum.IntEnum):
    """What the starting shell, or systemd, is told."""

    OK = 0
    INTERNAL = 1  # a fault of gemd itself; the error log has a traceback
    USAGE = 2  # a flag is unknown, or can't apply
    CONFIGURATION = 3  # the configuration, a certificate or a key is bad
    BIND = 4  # an address can't be listened on
    PRIVILEGES = 5  # privileges could not be dropped as asked
    WORKERS = 6  # the workers die before they serve
    RUNNING = 7  # another gemd holds the pid file
    APPLICATION = 8  # an application can't be loaded; the error log says which and why
