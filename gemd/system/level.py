"""How much a line of a log matters."""

import enum


class Level(enum.IntEnum):
    """From what only developers want to know to what ends the service; the numbers are those of the logging module."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40

    @property
    def word(self) -> str:
        """As the error log and the key `log.level` have it."""
        return self.name.lower()
