import pytest

from gemd.config.types import Address
from gemd.config.upstream import parse_upstream


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.0.0.3:1966", Address("10.0.0.3", 1966)),
        ("b.internal", Address("b.internal", 1965)),
        ("Bücher.example:1", Address("xn--bcher-kva.example", 1)),
        ("[::1]:1966", Address("::1", 1966)),
        ("[fe80::1%eth0]", Address("fe80::1%eth0", 1965)),
        ("unix:/run/b.sock", Address("unix", 0, "/run/b.sock")),
    ],
)
def test_upstreams(text, address):
    assert parse_upstream(text) == address


@pytest.mark.parametrize(
    "text",
    ["*", "0.0.0.0:1965", "[::]", "[0::0]:1", "b:0", "b:65536", "b:x", "1966", "[b]", "a b:1", "unix:b", "::1", "[::1"],
)
def test_what_is_no_upstream(text):
    with pytest.raises(ValueError):
        parse_upstream(text)


def test_a_path_alone_is_told_what_it_lacks():
    with pytest.raises(ValueError, match=r'expected "unix:/run/php\.sock"'):
        parse_upstream("/run/php.sock")


@pytest.mark.parametrize("text", ["127.0.0.1:9000", "[::1]:9000", "php:9000", "unix:/run/php.sock"])
def test_where_a_port_is_needed(text):
    assert str(parse_upstream(text, needs_port=True)) == text


@pytest.mark.parametrize("text", ["127.0.0.1", "[::1]", "php"])
def test_where_one_is_missing(text):
    with pytest.raises(ValueError, match=r"expected a port too, as in .*:9000"):
        parse_upstream(text, needs_port=True)
