import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.protocol.host import (
    ANY_HOST,
    bracket,
    covers,
    decode_host,
    find_by_name,
    is_address,
    is_host_name,
    is_wildcard,
    normalise_host,
    normalise_name,
    normalise_server_name,
    place,
    write_authority,
)
from tests.support.tables import check_table

HOSTS = {
    "Example.ORG": "example.org",
    "example.org.": "example.org",
    "BÜCHER.example": "xn--bcher-kva.example",
    "faß.example": "xn--fa-hia.example",
    "a\N{IDEOGRAPHIC FULL STOP}b": "a.b",
    "[::1]": "::1",
    "[2001:DB8:0:0::A]": "2001:db8::a",
    "my_host": "my_host",
}

NO_HOSTS = [
    "",
    ".",
    "a..b",
    ".a",
    "a b",
    "a/b",
    "a%41",
    "*",
    "a:1",
    "[1.2.3.4]",
    "[::1%eth0]",
    "x" * 254,
    "a\n",
    "é" * 99,
]


@pytest.mark.parametrize(("host", "normal"), HOSTS.items())
def test_normalises_hosts(host, normal):
    assert normalise_host(host) == normal


@pytest.mark.parametrize("host", NO_HOSTS)
def test_refuses_what_is_no_host(host):
    with pytest.raises(ValueError):
        normalise_host(host)


@given(st.text(st.sampled_from("aZ0-._") | st.characters(categories=["Ll", "Lu", "Lo"]), max_size=12))
def test_normalised_hosts_stay_as_they_are(text):
    try:
        host = normalise_host(text)
    except ValueError:
        return
    assert normalise_host(bracket(host)) == host


NAMES = {
    **{host: normal for host, normal in HOSTS.items() if not host.startswith("[")},
    "*.Example.ORG.": "*.example.org",
    "*.BÜCHER.example": "*.xn--bcher-kva.example",
    "2001:DB8:0:0::A": "2001:db8::a",
    "[::1]": "::1",
    "*": "*",
}


@pytest.mark.parametrize(("name", "normal"), NAMES.items())
def test_normalises_what_an_operator_wrote(name, normal):
    assert normalise_name(name) == normal
    assert normalise_name(normal) == normal


@pytest.mark.parametrize(
    "name", [*(host for host in NO_HOSTS if host not in ("a:1", ANY_HOST)), "*.", "*.*.a", "a.*.b", "*a"]
)
def test_refuses_names_that_no_host_can_have(name):
    with pytest.raises(ValueError):
        normalise_name(name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("example.org:1965", "has no port"),
        ("[::1]:1965", "has no port"),
        ("gemini://example.org/", "neither a URL"),
        ("example.org/", "neither a URL"),
        ("::g", "not an IPv6 address"),
    ],
)
def test_says_what_is_wrong_with_what_an_operator_wrote(name, said):
    with pytest.raises(ValueError, match=said):
        normalise_name(name)


@pytest.mark.parametrize(
    ("raw", "name"), [(b"Example.ORG.", "example.org"), (b"", ""), (b"b\xfccher", "b\\xfccher"), (b"*", "*")]
)
def test_the_name_of_a_handshake(raw, name):
    assert normalise_server_name(raw) == name


@pytest.mark.parametrize("raw", [b"192.0.2.1", b"192.0.2.1.", b"::1", b"[::1]", b"2001:DB8::1"])
def test_an_address_in_a_handshake_is_no_name(raw):
    assert normalise_server_name(raw) is None


def test_what_may_be_a_host_s_name():
    names = (
        "h",
        "a_b.xn--4ca",
        "127.0.0.1",
        ".".join(["x" * 62] * 4),
        "",
        "a b",
        "a\n.h",
        ".h",
        "h.",
        "*.h",
        "H",
        "ä",
        "x" * 254,
    )
    assert [name for name in names if is_host_name(name)] == list(names[:4])


def test_what_is_remembered_of_a_name_is_of_no_other():
    check_table(normalise_server_name, [((b"H%d", b"h\xff%d.")[n % 2] % n,) for n in range(1200)])


@pytest.mark.parametrize(("host", "text"), [("h", "h:1"), ("::1", "[::1]:1"), ("[::1]", "[::1]:1")])
def test_a_place(host, text):
    assert place(host, 1) == text


def test_an_entry_of_its_own_comes_before_that_of_a_wildcard():
    entries = {"a.g": 0, "*.g": 1, "h": 2}
    found = {name: find_by_name(entries, name) for name in ("a.g", "b.g", "h", "g", "a.b.g", "a.h", "localhost", "")}
    assert found == {"a.g": 0, "b.g": 1, "h": 2, "g": None, "a.b.g": None, "a.h": None, "localhost": None, "": None}
    found = {name: find_by_name({**entries, ANY_HOST: 3}, name) for name in found}
    assert found == {"a.g": 0, "b.g": 1, "h": 2, "g": 3, "a.b.g": 3, "a.h": 3, "localhost": 3, "": 3}


ADDRESSES = ["192.0.2.1", "::1", "[::1]", "2001:db8::1", "::ffff:192.0.2.1", "fe80::1%eth0"]


@pytest.mark.parametrize(
    "name", [*ADDRESSES, "", "h", "a.g", "1", "256.0.0.1", "h1", "[h1]", "a:1", "\xb2", "192.0.2.1."]
)
def test_what_is_an_address(name):
    assert is_address(name) == (name in ADDRESSES)


@pytest.mark.parametrize(
    ("name", "covered"),
    [("h", True), ("a.g", True), ("::1", True), ("*.g", True), ("g", False), ("a.b.g", False), ("a.h", False)],
)
def test_which_hosts_names_cover(name, covered):
    assert covers(("h", "*.g", "::1"), name) == covered


def test_a_wildcard_has_a_label_that_is_a_star():
    assert [name for name in ("*.h", "h", "*", "*h", "a.*.h") if is_wildcard(name)] == ["*.h", "*"]


@pytest.mark.parametrize(
    ("host", "port", "written"),
    [
        ("example.org", None, "example.org"),
        ("example.org", 1965, "example.org:1965"),
        ("::1", None, "[::1]"),
        ("::1", 70, "[::1]:70"),
    ],
)
def test_an_authority_has_a_port_if_there_is_one(host, port, written):
    assert write_authority(host, port) == written


DECODED = {
    "example.org": "example.org",
    "[::1]": "[::1]",
    "ex%61mple%2Eorg": "example.org",
    "b%C3%BCcher.example": "bücher.example",
    "a%2fb": "a/b",
    "a%252e": "a%2e",
    "a%": "a%",
    "a%z1": "a%z1",
}


@pytest.mark.parametrize(("host", "decoded"), DECODED.items())
def test_decodes_a_host_once(host, decoded):
    assert decode_host(host) == decoded


@pytest.mark.parametrize("host", ["b%fccher", "a%00", "a%0A", "%5b::1%5d", "a%E2%80%AE", "a%C2%85"])
def test_what_no_host_has_is_not_decoded(host):
    with pytest.raises(ValueError):
        decode_host(host)
