import msgspec
import pytest

from gemd.config.tables import describe
from gemd.config.types import Count, RedirectStatus, Seconds, Text, Workers

LIMITS = {
    "seconds": (Seconds, [0.001, 1, 31_536_000], [0, -1, 31_536_001, "1", None]),
    "a count": (Count, [1, 1_000_000], [0, 1_000_001, 1.5, "1"]),
    "workers": (Workers, [1, 512], [0, 513]),
    "a text": (Text, ["x", " "], ["", 1]),
    "a redirect's status": (RedirectStatus, [30, 31], [29, 32, 20, "31"]),
}


@pytest.mark.parametrize(("kind", "right", "wrong"), LIMITS.values(), ids=LIMITS)
def test_the_limits_of_a_type(kind, right, wrong):
    assert [msgspec.convert(value, kind) for value in right] == right
    for value in wrong:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(value, kind)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Seconds, "a number of seconds above 0 and at most 31536000"),
        (Count, "a whole number from 1 to 1000000"),
        (Workers, "a whole number from 1 to 512"),
        (Text, "a text that is not empty"),
        (RedirectStatus, "30 or 31"),
    ],
)
def test_what_an_operator_is_told(kind, text):
    assert describe(kind) == text
