import pytest

from gemd.config.listen import parse_listen
from gemd.config.types import Address

LISTEN = {
    "localhost": Address("localhost", 1965),
    "localhost:1": Address("localhost", 1),
    "0.0.0.0:0": Address("0.0.0.0", 0),
    "*:65535": Address("::", 65535),
    "[::1]": Address("::1", 1965),
    "[::]:1965": Address("::", 1965),
    "unix:/run/gemd.sock": Address("unix", 0, "/run/gemd.sock"),
}


@pytest.mark.parametrize(("text", "address"), LISTEN.items())
def test_listen(text, address):
    assert parse_listen(text) == address
    assert parse_listen(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":1",
        "a:",
        "a:x",
        "a:-1",
        "a:65536",
        "a:1:2",
        "::1",
        "[::1",
        "[]:1",
        "a:١",
        "unix:",
        "unix:a",
        "a:" + "9" * 5000,
    ],
)
def test_listen_on_nothing(text):
    with pytest.raises(ValueError):
        parse_listen(text)
