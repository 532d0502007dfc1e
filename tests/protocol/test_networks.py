from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.protocol.networks import Networks, build_rule, parse_network

WRITTEN = {
    "192.0.2.0/24": "192.0.2.0/24",
    "192.0.2.7": "192.0.2.7",
    "192.0.2.7/32": "192.0.2.7",
    "0.0.0.0/0": "0.0.0.0/0",
    "2001:DB8:0::/32": "2001:db8::/32",
    "::1": "::1",
    "::1/128": "::1",
    "::/0": "::/0",
    "::ffff:192.0.2.7": "192.0.2.7",
    "::ffff:192.0.2.0/120": "192.0.2.0/24",
    "::ffff:0:0/96": "0.0.0.0/0",
    "::ffff:0:0/95": None,
    "::fffe:0:0/95": "::fffe:0:0/95",
    "unix": "unix",
}


@pytest.mark.parametrize(("text", "network"), [(text, network) for text, network in WRITTEN.items() if network])
def test_what_is_a_network(text, network):
    assert str(parse_network(text)) == network
    assert parse_network(network) == parse_network(text)


WRONG = {
    "192.0.2.7/24": 'an address in the network "192.0.2.0/24"',
    "192.0.2.0/23": None,
    "192.0.3.0/23": 'an address in the network "192.0.2.0/23"',
    "2001:db8::1/32": 'in the network "2001:db8::/32"',
    "::ffff:192.0.2.7/120": 'in the network "192.0.2.0/24"',
    "::ffff:0:0/95": 'in the network "::fffe:0:0/95"',
    "192.0.2.0/33": "from 0 to 32",
    "2001:db8::/129": "from 0 to 128",
    "192.0.2.0/": "from 0 to 32",
    "192.0.2.0/024": "from 0 to 32",
    "192.0.2.0/+24": "from 0 to 32",
    "192.0.2.0/2_4": "from 0 to 32",
    "192.0.2.0/٢٤": "from 0 to 32",
    "192.0.2.0/255.255.255.0": "from 0 to 32",
    "192.0.2.0/24/24": "from 0 to 32",
    "192.0.2": "expected a network",
    "192.0.2.00": "expected a network",
    "192.0.2.0 ": "expected a network",
    "fe80::1%eth0": "expected a network",
    "fe80::%eth0/10": "expected a network",
    "example.org": "expected a network",
    "Unix": "expected a network",
    "unix/0": "expected a network",
    "": "expected a network",
    "3221225985": "expected a network",
}


@pytest.mark.parametrize(("text", "said"), [(text, said) for text, said in WRONG.items() if said])
def test_what_is_no_network(text, said):
    with pytest.raises(ValueError) as caught:
        parse_network(text)
    assert said in str(caught.value)


@given(st.text(alphabet="0123456789abcdef:./%unix ", max_size=24) | st.text(max_size=12))
def test_any_text_is_a_network_or_refused(text):
    try:
        network = parse_network(text)
    except ValueError:
        return
    assert parse_network(str(network)) == network
    assert text == "unix" or ip_network(text, strict=True)


def networks_of(make, bits):
    pairs = st.tuples(st.integers(0, 2**bits - 1), st.integers(0, bits))
    return pairs.map(lambda pair: str(ip_network((make(pair[0]), pair[1]), strict=False)))


V4 = networks_of(lambda number: ip_address(number.to_bytes(4)), 32)
V6 = networks_of(lambda number: ip_address(number.to_bytes(16)), 128)

# Few bits, so that networks lie within each other often.
NEAR_V4 = st.tuples(st.integers(0, 15), st.integers(24, 32)).map(
    lambda pair: str(ip_network((f"192.0.2.{pair[0]}", pair[1]), strict=False))
)
NEAR_V6 = st.tuples(st.integers(0, 15), st.integers(120, 128)).map(
    lambda pair: str(ip_network((f"2001:db8::{pair[0]:x}", pair[1]), strict=False))
)
ANY = NEAR_V4 | NEAR_V6 | V4 | V6


@given(st.lists(ANY, max_size=12), st.lists(ANY, max_size=12), st.integers(0, 15), st.booleans())
def test_the_most_specific_network_decides(allow, deny, last, is_v6):
    """As whoever looks at every entry would decide."""
    address = f"2001:db8::{last:x}" if is_v6 else f"192.0.2.{last}"
    lengths = {True: -1, False: -1}
    for verdict, texts in ((True, allow), (False, deny)):
        for text in texts:
            network = ip_network(text)
            if network.version == ip_address(address).version and ip_address(address) in network:
                lengths[verdict] = max(lengths[verdict], network.prefixlen)
    expected = lengths[True] > lengths[False]  # nobody in neither, as there is a list of who may
    assert build_rule(allow, deny)(address) == expected
    if not is_v6:
        assert build_rule(allow, deny)(f"::ffff:{address}") == expected


ALLOW = ["192.0.2.0/24", "unix"]
RULES = {
    "allowed": (ALLOW, [], "192.0.2.9", True),
    "allowed alone closes to others": (ALLOW, [], "198.51.100.1", False),
    "and to IPv6": (ALLOW, [], "2001:db8::1", False),
    "to unix sockets": (["0.0.0.0/0", "::/0"], [], "unix", False),
    "unix": (ALLOW, [], "unix", True),
    "unix is denied": (None, ["unix"], "unix", False),
    "denied alone leaves others": (None, ["192.0.2.0/24"], "198.51.100.1", True),
    "denied": (None, ["192.0.2.0/24"], "192.0.2.1", False),
    "denied within": (ALLOW, ["192.0.2.7"], "192.0.2.7", False),
    "beside it": (ALLOW, ["192.0.2.7"], "192.0.2.8", True),
    "allowed within what is denied": (["192.0.2.7"], ["192.0.2.0/24"], "192.0.2.7", True),
    "equal is denied": (["192.0.2.0/24"], ["192.0.2.0/24"], "192.0.2.1", False),
    "nobody": ([], [], "192.0.2.1", False),
    "mapped": (None, ["::ffff:192.0.2.0/120"], "192.0.2.1", False),
    "an address that is mapped": (None, ["192.0.2.0/24"], "::ffff:192.0.2.1", False),
    "all of IPv6 has no IPv4": (None, ["::/0"], "192.0.2.1", True),
    "no address": (None, ["0.0.0.0/0", "::/0"], "nowhere", True),
    "no address is not among those": (["0.0.0.0/0", "::/0"], [], "nowhere", False),
}


@pytest.mark.parametrize(("allow", "deny", "address", "may_come"), RULES.values(), ids=RULES)
def test_who_may_come(allow, deny, address, may_come):
    rule = build_rule(allow, deny)
    assert [rule(address), rule(address)] == [may_come, may_come]


def test_what_is_remembered_has_an_end_and_is_ones_own():
    networks = Networks({parse_network("10.0.0.0/9"): "low", parse_network("10.128.0.0/9"): "high"})
    for number in range(5000):
        half = "low" if number % 2 else "high"
        assert networks.find(f"10.{0 if number % 2 else 128}.{number >> 8}.{number % 256}") == half
    assert networks.find.cache_info().currsize == 1024


def test_networks_around_one():
    networks = Networks({parse_network("10.0.0.0/8"): "wide", parse_network("10.1.0.0/16"): "narrow"})
    assert networks.find_around(parse_network("10.1.0.0/16")) == "narrow"
    assert networks.find_around(parse_network("10.1.0.0/16"), is_wider=True) == "wide"
    assert networks.find_around(parse_network("10.0.0.0/8"), is_wider=True) is None
    assert networks.find_around(parse_network("0.0.0.0/0")) is None
    assert networks.find_around(parse_network("::/0")) is None
