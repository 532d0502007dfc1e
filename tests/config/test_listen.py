import pytest

from gemd.config.listen import LOCAL_PROXIES, Listen, find_listen, is_loopback, parse_listen, read_listen
from gemd.config.types import Address

LISTEN = {
    "localhost": Address("localhost", 1965),
    "localhost:1": Address("localhost", 1),
    "0.0.0.0:0": Address("0.0.0.0", 0),
    "*:65535": Address("::", 65535),
    "[::1]": Address("::1", 1965),
    "[::]:1965": Address("::", 1965),
    "unix:/run/gemd.sock": Address("unix", 0, "/run/gemd.sock"),
    "unix:/" + "x" * 106: Address("unix", 0, "/" + "x" * 106),
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
        "unix:/" + "x" * 107,
        "a:" + "1" * 5000,
        "unix:/" + "ä" * 54,
        "a:" + "9" * 5000,
    ],
)
def test_listen_on_nothing(text):
    with pytest.raises(ValueError):
        parse_listen(text)


def read(*entries):
    """What becomes of the entries, and what is wrong with them by key."""
    problems = []
    found = read_listen(entries, problems)
    return found, {problem.path: problem.text for problem in problems}


def test_an_address_alone_is_for_tls():
    (listen,), problems = read("a:1")
    assert listen == Listen(address=Address("a", 1))
    assert (listen.tls, listen.proxy_protocol, problems) == (True, False, {})


def test_a_table_says_more():
    table = {
        "address": "[::]:1965", "proxy-protocol": True, "from": ["192.0.2.0/24", "unix"], "tls": False, "force": True,
    }  # fmt: skip
    (listen,), problems = read(table)
    assert problems == {}
    assert listen.trusted == ("192.0.2.0/24", "unix")
    assert (listen.proxy_protocol, listen.tls, listen.force) == (True, False, True)
    (listen,), problems = read({"address": "unix:/s", "mode": "660", "owner": "a"})
    assert (listen.mode, listen.owner, problems) == ("660", "a", {})


@pytest.mark.parametrize("address", ["localhost", "127.0.0.2:1", "[::1]:1", "unix:/s"])
def test_on_this_machine_its_own_proxies_are_trusted_and_tls_may_be_missing(address):
    (listen,), problems = read({"address": address, "proxy-protocol": True, "tls": False})
    assert problems == {}
    assert listen.trusted == LOCAL_PROXIES


NEEDED = 'is needed: the networks of the proxies, as in from = ["192.0.2.10/32"]'
PLAIN = "without TLS others can read and change all: only for loopback and unix sockets, or with force = true"
WRONG = {
    "no address": ({"tls": True}, {"listen[1]": 'needs the key "address"'}),
    "a wrong one": ({"address": "1965"}, {"listen[1].address": 'a port needs an address: expected "[::]:1965" for all, '
                    'or "localhost:1965", not "1965"'}),
    "a key": ({"address": "a:1", "tsl": False}, {"listen[1].tsl": "there is no such key; did you mean 'tls'?"}),
    "a type": ({"address": "a:1", "tls": 1}, {"listen[1].tls": "expected true or false, not 1"}),
    "strangers as proxies": ({"address": "[::]:1", "proxy-protocol": True}, {"listen[1].from": NEEDED}),
    "a name may be anybody": ({"address": "h:1", "proxy-protocol": True}, {"listen[1].from": NEEDED}),
    "no network": (
        {"address": "a:1", "proxy-protocol": True, "from": ["192.0.2.1/24"]},
        {"listen[1].from": '"192.0.2.1" is an address in the network "192.0.2.0/24": expected one of the two, '
         'not "192.0.2.1/24"'},
    ),
    "networks for nothing": (
        {"address": "a:1", "from": ["::/0"]},
        {"listen[1].from": "needs proxy-protocol = true: nothing else is taken from a proxy"},
    ),
    "networks for a unix socket": (
        {"address": "unix:/s", "proxy-protocol": True, "from": ["127.0.0.1"]},
        {"listen[1].from": 'has to hold "unix": whoever comes by a unix socket has no address'},
    ),
    "unix for TCP": (
        {"address": "a:1", "proxy-protocol": True, "from": ["unix"]},
        {"listen[1].from": 'needs a network: "unix" is who comes by a unix socket'},
    ),
    "plain for all": ({"address": "0.0.0.0:1", "tls": False}, {"listen[1].tls": PLAIN}),
    "plain for a name": ({"address": "h:1", "tls": False}, {"listen[1].tls": PLAIN}),
    "force for nothing": (
        {"address": "a:1", "force": True},
        {"listen[1].force": "has no effect here: it allows tls = false where others could listen in"},
    ),
    "a mode of TCP": ({"address": "a:1", "mode": "0660"}, {"listen[1].mode": "is for unix sockets alone"}),
    "an owner of TCP": ({"address": "a:1", "owner": "x"}, {"listen[1].owner": "is for unix sockets alone"}),
    "a mode that is none": (
        {"address": "unix:/s", "mode": "rw"},
        {"listen[1].mode": 'expected octal digits, such as "0660", not "rw"'},
    ),
    "an owner that is none": (
        {"address": "unix:/s", "owner": "a:"},
        {"listen[1].owner": 'expected a user, "user:group" or ":group", not "a:"'},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("entry", "expected"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_by_key(entry, expected):
    assert read(entry)[1] == expected


def test_no_address_is_listed_twice():
    assert read("a:1", {"address": "a:1"})[1] == {"listen[2]": "a:1 is listed twice"}
    assert read("unix:/s", "unix:/s")[1] == {"listen[2]": "unix:/s is listed twice"}
    assert read("a:0", "a:0")[1] == {}
    assert read("a:0", {"address": "a:0", "tls": True})[1] == {}
    assert read("a:0", {"address": "a:0", "proxy-protocol": True, "from": ["::1"]})[1] == {
        "listen[2]": "a:0 is listed twice"
    }


@pytest.mark.parametrize(
    ("host", "is_loopback_"),
    [("localhost", True), ("127.9.9.9", True), ("::1", True), ("::", False), ("192.0.2.1", False), ("h", False)],
)
def test_who_can_connect(host, is_loopback_):
    assert is_loopback(host) == is_loopback_


PROXIED = {"address": "[::]:7", "proxy-protocol": True, "from": ["192.0.2.1"]}


def test_a_socket_has_the_entry_of_its_address_or_of_every_address():
    entries, _ = read("192.0.2.1:7", PROXIED, "unix:/s")
    assert find_listen(Address("192.0.2.1", 7), entries) is entries[0]
    assert find_listen(Address("0.0.0.0", 7), entries) is entries[1]
    assert find_listen(Address("192.0.2.2", 7), entries) is entries[1]
    assert find_listen(Address("unix", 0, "/s"), entries) is entries[2]
    assert find_listen(Address("192.0.2.2", 8), entries) is None
    assert find_listen(Address("unix", 0, "/t"), entries) is None


def test_a_socket_of_no_entry_has_what_all_have_in_common():
    entries, _ = read("a:1", {"address": "unix:/s", "mode": "0600"})
    assert find_listen(Address("b", 2), entries) == Listen(address=Address("b", 2))
    entries, _ = read(PROXIED)
    assert find_listen(Address("b", 2), entries).trusted == ("192.0.2.1",)
