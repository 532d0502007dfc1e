"""The URLs of servers that requests are passed on to, and what is wrong with a `proxy` table."""

import re

import pytest

from gemd.config.proxy_checks import ProxyUpstream, parse_proxy_upstream, parse_upstreams
from gemd.config.render import render_config
from gemd.config.types import Address

from .reading import DIGEST, first, parse, problems_of

HOST = '[[host]]\nname = "h"\n'
GEMINI = '"gemini://10.0.0.2"'


@pytest.mark.parametrize(
    ("text", "scheme", "address"),
    [
        ("gemini://10.0.0.2:1966", "gemini", Address("10.0.0.2", 1966)),
        ("gemini://10.0.0.2", "gemini", Address("10.0.0.2", 1965)),
        ("Gemini://B.Example/", "gemini", Address("b.example", 1965)),
        ("gemini://[::1]", "gemini", Address("::1", 1965)),
        ("gemini://[::1]:7", "gemini", Address("::1", 7)),
        ("http://localhost:8000", "http", Address("localhost", 8000)),
        ("http://127.0.0.1/", "http", Address("127.0.0.1", 80)),
        ("gemini+unix:/run/b.sock", "gemini", Address("unix", 0, "/run/b.sock")),
        ("http+unix:/run/b.sock", "http", Address("unix", 0, "/run/b.sock")),
    ],
)
def test_where_a_server_is(text, scheme, address):
    assert parse_proxy_upstream(text) == ProxyUpstream(scheme, address)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("10.0.0.2:1965", "expected a URL such as"),
        ("b.example", "expected a URL such as"),
        ("unix:/run/b.sock", 'what is spoken there too: "http+unix:/run/b.sock" or "gemini+unix:/run/b.sock"'),
        ("http://unix:/run/b.sock", 'expected "http+unix:/run/b.sock" for a socket'),
        ("http://b.example:http", 'expected "http://name:port", with an IPv6 address as "http://[::1]:port"'),
        ("http://::1", 'expected "http://name:port"'),
        ("http://user:word@b.example", 'expected "http://name:port"'),
        ("", "expected a URL such as"),
        ("https://b.example", "https is not there: expected"),
        ("titan://b.example", "expected gemini:// or http:// before the server"),
        ("gemini://", "expected a server behind"),
        ("gemini://b.example/path", "without a path"),
        ("gemini://b.example?x", "without a path"),
        ("gemini://b.example:0", "expected a port from 1 to 65535"),
        ("gemini://b.example:65536", "a port is at most 65535"),
        ("gemini://b.example:", "expected"),
        ("gemini://0.0.0.0:1965", "expected the address of one server"),
        ("gemini://[::]", "expected the address of one server"),
        ("gemini://1965", "expected"),
        ("gemini://[::1", "expected"),
        ("gemini://a b", "host name"),
        ("gemini+unix:b.sock", "expected an absolute path"),
    ],
)
def test_what_is_no_server(text, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        parse_proxy_upstream(text)
    problems = problems_of(HOST + f'proxy = {{ to = "{text}" }}\n')
    assert list(problems) == ["host[1].proxy" if not text else "host[1].proxy.to"] or "host[1].proxy.to" in problems


def test_one_or_several():
    proxy = first(HOST + f"proxy = {{ to = {GEMINI} }}\n").proxy
    assert proxy.upstreams == ("gemini://10.0.0.2",)
    assert proxy.fingerprints == ()
    assert (proxy.strip, proxy.timeout, proxy.rewrite_host) == (0, 30.0, False)
    text = f'proxy = {{ to = [{GEMINI}, "gemini://10.0.0.3"], fingerprint = ["{DIGEST}", "SPKI-SHA256:{DIGEST}"] }}\n'
    proxy = first(HOST + text).proxy
    assert [str(upstream.address) for upstream in parse_upstreams(proxy)] == ["10.0.0.2:1965", "10.0.0.3:1965"]
    assert proxy.fingerprints == (DIGEST, f"SPKI-SHA256:{DIGEST}")


@pytest.mark.parametrize(
    ("keys", "problems"),
    [
        ("to = []", {"to": "expected at least one server"}),
        (f"to = [{GEMINI}, {GEMINI}]", {"to": "a server is listed twice"}),
        (
            f'to = [{GEMINI}, "http://10.0.0.2"]',
            {"to": "all servers of a location have to speak the same protocol: gemini:// or http://"},
        ),
        (
            f'to = {GEMINI}, fingerprint = "abc"',
            {"fingerprint": 'expected SHA256: or SPKI-SHA256: and 64 hexadecimal digits, not "abc"'},
        ),
        (
            f"to = {GEMINI}, fingerprint = []",
            {
                "fingerprint": "expected at least one, or no such key: then the key that a server has first is "
                "remembered"
            },
        ),
        (
            f'to = {GEMINI}, ca = "x", fingerprint = "{DIGEST}"',
            {"ca": "a server is known by its fingerprint, or by authorities: remove one of the two keys"},
        ),
        (f'to = {GEMINI}, sni = "10.0.0.2"', {"sni": 'expected a host name in lower case, not "10.0.0.2"'}),
        (f'to = {GEMINI}, sni = "B.example"', {"sni": 'expected a host name in lower case, not "B.example"'}),
        (f'to = {GEMINI}, key = "k"', {"key": 'needs both "certificate" and "key", or neither'}),
        (f'to = {GEMINI}, certificate = "c"', {"certificate": 'needs both "certificate" and "key", or neither'}),
        (
            'to = "gemini+unix:/s", ca = "c"',
            {"ca": "needs sni beside it for a unix socket: the name that the server behind it has"},
        ),
        (
            'to = "gemini+unix:/s", rewrite-host = true',
            {"rewrite-host": "needs sni beside it for a unix socket: the name that the server behind it has"},
        ),
        (
            'to = "http://b", sni = "b", send-proxy = "v1"',
            {
                "sni": "is for gemini:// alone: remove it",
                "send-proxy": "is for gemini:// alone: remove it",
            },
        ),
    ],
)
def test_what_does_not_go_together(keys, problems):
    expected = {f"host[1].proxy.{key}": text for key, text in problems.items()}
    assert problems_of(HOST + f"proxy = {{ {keys} }}\n") == expected


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        (f'to = {GEMINI}, send-proxy = "v3"', "proxy.send-proxy"),
        (f"to = {GEMINI}, strip = -1", "proxy.strip"),
        (f"to = {GEMINI}, timeout = 0", "proxy.timeout"),
        (f"to = {GEMINI}, tls = true", "proxy.tls"),
        ("strip = 1", "proxy"),
        ("to = 1965", "proxy.to"),
    ],
)
def test_values_of_another_kind(keys, key):
    assert list(problems_of(HOST + f"proxy = {{ {keys} }}\n")) == [f"host[1].{key}"]


def test_paths_are_taken_from_the_folder_of_the_file():
    text = f'proxy = {{ to = {GEMINI}, certificate = "c.pem", key = "/k.pem" }}\n'
    proxy = first(HOST + text).proxy
    assert (proxy.certificate, proxy.key) == ("/etc/c.pem", "/k.pem")
    assert first(HOST + f'proxy = {{ to = {GEMINI}, ca = "ca" }}\n').proxy.ca == "/etc/ca"


def test_a_table_reads_back_as_the_same():
    text = (
        HOST
        + f"""proxy = {{ to = {GEMINI}, fingerprint = "{DIGEST}", certificate = "c", key = "k" }}
[[host.location]]
path = "/x"
proxy = {{ to = [{GEMINI}, "gemini+unix:/s"], ca = "ca", sni = "b", send-proxy = "v1", strip = 1, timeout = 5.5 }}
"""
    )
    config = parse(text)
    proxies = [location.proxy for location in config.hosts[0].locations]
    assert [location.proxy for location in parse(render_config(config)).hosts[0].locations] == proxies


def test_a_fault_of_a_host_is_told_once():
    text = HOST + f'proxy = {{ to = {GEMINI}, sni = "X" }}\n[[host.location]]\npath = "/x"\n'
    assert list(problems_of(text)) == ["host[1].proxy.sni"]


def test_an_http_server_on_a_unix_socket_may_be_asked_by_its_own_name():
    assert first(HOST + 'proxy = { to = "http+unix:/run/b.sock", rewrite-host = true }\n').proxy.rewrite_host
