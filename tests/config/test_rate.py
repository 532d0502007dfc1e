import pytest

from gemd.config.rate import parse_rate
from gemd.config.types import Rate


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("120/1m", Rate(120, 60)),
        ("5/s", Rate(5, 1)),
        ("10/5s", Rate(10, 5)),
        ("1/2h", Rate(1, 7200)),
        ("9/d", Rate(9, 86400)),
        ("0/3s", Rate(0, 3)),
        ("010/s", Rate(10, 1)),
    ],
)
def test_rate(text, rate):
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text", ["", "5", "5/", "/s", "5/0s", "-5/s", "5/1w", "5 /s", "5/s\n", "1e3/s", "٥/s", "1234567890/s"]
)
def test_no_rate(text):
    with pytest.raises(ValueError, match="expected a rate such as"):
        parse_rate(text)
