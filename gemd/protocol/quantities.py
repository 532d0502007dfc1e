"""Numbers, sizes and durations as people read them: in listings, reports and messages."""

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_SPANS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def format_count(number: int) -> str:
    """ "1,234,567"."""
    return f"{number:,}"


def count(number: int, noun: str) -> str:
    """ "1 log line", "2 log lines"."""
    return f"{format_count(number)} {noun}{'' if number == 1 else 's'}"


def format_size(size: int) -> str:
    """ "20 B", "1.5 KiB", "39.1 MiB"."""
    value = float(size)
    for unit in _UNITS:
        if value < 1023.95 or unit == _UNITS[-1]:  # from there on, one decimal is 1024.0
            break
        value /= 1024
    return f"{size} B" if unit == "B" else f"{value:.1f} {unit}"


def format_duration(seconds: float) -> str:
    """The two largest units: "3d 4h", "5m 0s", "12s"."""
    rest = max(0, int(seconds))
    for i, (unit, length) in enumerate(_SPANS):
        if rest >= length and unit != "s":
            next_unit, next_length = _SPANS[i + 1]
            return f"{rest // length}{unit} {rest % length // next_length}{next_unit}"
    return f"{rest}s"
