"""A line of a log as octets.

Rule: it has at most 4096 of them with its end, whoever takes it: up to there a write is never mixed with another's, and
a datagram to syslog has room for it.
"""

MAX_LINE = 4096  # PIPE_BUF
_CUT = b" ..."


def encode_line(text: str, end: bytes = b"\n") -> bytes:
    """The line with its end, cut where it is too long, and then " ..." before the end."""
    line = text.encode("utf-8", "backslashreplace")
    most = MAX_LINE - len(end)
    if len(line) > most:
        whole = line[: most - len(_CUT)].decode("utf-8", "ignore")  # no half of a character
        line = whole.encode() + _CUT
    return line + end
