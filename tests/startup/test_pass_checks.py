"""Hosts that are passed on to gemd itself."""

import pytest

from gemd.startup.pass_checks import find_loops


@pytest.mark.parametrize(
    ("listen", "upstream", "is_loop"),
    [
        ("127.0.0.1:1965", "127.0.0.1:1965", True),
        ("127.0.0.1:1965", "localhost:1965", True),
        ("localhost:1965", "[::1]:1965", True),
        ("a.example:1965", "a.example:1965", True),
        ("[::]:1965", "127.0.0.1:1965", True),
        ("0.0.0.0:1965", "127.0.0.2:1965", True),
        ("*:1965", "[0:0::1]:1965", True),
        ("127.0.0.1:1965", "[::ffff:127.0.0.1]:1965", True),
        ("unix:/run/g.sock", "unix:/run/g.sock", True),
        ("127.0.0.1:1965", "127.0.0.1:1966", False),
        ("127.0.0.1:1965", "127.0.0.2:1965", False),
        ("[::]:1965", "192.0.2.7:1965", False),
        ("[::]:1965", "b.example:1965", False),
        ("unix:/run/g.sock", "unix:/run/b.sock", False),
        ("127.0.0.1:1965", "unix:/run/b.sock", False),
    ],
)
def test_loops(configure, root, listen, upstream, is_loop):
    hosts = [{"name": "localhost", "root": str(root)}, {"name": "b.example", "pass": upstream}]
    problems = find_loops(configure(listen=["127.0.0.1:0", listen], host=hosts))
    assert [problem.path for problem in problems] == ["host[2].pass"] * is_loop
    to = f"gemini+{upstream}" if upstream.startswith("unix") else f"gemini://{upstream}"
    host = {"name": "localhost", "proxy": {"to": ["gemini://192.0.2.99", to]}, "location": [{"path": "/x"}]}
    problems = find_loops(configure(listen=["127.0.0.1:0", listen], host=[host]))
    assert [problem.path for problem in problems] == ["host[1].proxy.to"] * is_loop
