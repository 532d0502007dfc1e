import pytest

from gemd.protocol.quantities import count, format_count, format_duration, format_size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0s"),
        (0.9, "0s"),
        (59.9, "59s"),
        (60, "1m 0s"),
        (3599, "59m 59s"),
        (3600, "1h 0m"),
        (86399, "23h 59m"),
        (273_600, "3d 4h"),
        (400 * 86400, "400d 0h"),
    ],
)
def test_durations(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (1024 * 1024 - 1, "1.0 MiB"),
        (41_000_000, "39.1 MiB"),
        (2**40, "1.0 TiB"),
        (2**62, "4096.0 PiB"),
    ],
)
def test_sizes(size, text):
    assert format_size(size) == text


def test_counts():
    assert format_count(1234567) == "1,234,567"


@pytest.mark.parametrize(("number", "text"), [(0, "0 days"), (1, "1 day"), (1234, "1,234 days")])
def test_a_number_of_things(number, text):
    assert count(number, "day") == text
