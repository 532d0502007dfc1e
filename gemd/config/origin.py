"""Where a key of the configuration stands, in words that need no counting: file and line, host and location, key."""

import msgspec


class Origin(msgspec.Struct, frozen=True):
    """The key is within the location of this path, or else within the host of this name, where there are such, or
    it is one of the top. `source` is a file, or the variable or flag that sets the key, which has no `line`."""

    key: str
    host: str = ""
    location: str = ""
    source: str = ""
    line: int = 0

    def say(self, text: str) -> str:
        """One line, with what is to be said of it."""
        source = f"{self.source}:{self.line}" if self.line else self.source
        return ": ".join(filter(None, (source, self.host + self.location, self.key, text)))
