"""Reverse proxies of gmid's."""

import pytest

SERVER = 'server "a.org" {\ncert "/c.pem" key "/k.pem" root "/srv/a"\n%s\n}'


@pytest.fixture
def gmid(become):
    return lambda text: become("gmid", SERVER % text)


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("proxy { relay-to b.org }", {"to": "gemini://b.org:1965", "sni": "b.org"}),
        ('proxy { relay-to "b.org:1966" }', {"to": "gemini://b.org:1966", "sni": "b.org"}),
        ("proxy { relay-to 10.0.0.6 port 1966 }", {"to": "gemini://10.0.0.6:1966"}),
        ('proxy { relay-to 10.0.0.6 port "domain" }', {"to": "gemini://10.0.0.6:53"}),
        ('proxy { relay-to "::1" sni C.org }', {"to": "gemini://[::1]:1965", "sni": "c.org"}),
        ('proxy proto gemini for-host "*.org" { relay-to b.org; proxy-v1; cert "/p" key "/q"; verifyname off }',
         {"to": "gemini://b.org:1965", "sni": "b.org", "certificate": "/p", "key": "/q", "send-proxy": "v1"}),
    ],
)  # fmt: skip
def test_a_whole_host(text, table, gmid):
    imported = gmid(text)
    assert imported.host == {
        "name": "a.org", "certificate": "/c.pem", "key": "/k.pem", "check-port": False, "proxy": table,
    }  # fmt: skip
    assert not imported.remarks


def test_who_may_use_it(gmid):
    assert gmid('proxy { relay-to b.org require client ca "/ca" }').host["client-certificate"] == {"ca": "/ca"}


@pytest.mark.parametrize(
    ("text", "reason", "is_set"),
    [
        ("proxy proto https { relay-to b.org }", "other schemes", False),
        ("proxy for-host c.org { relay-to b.org }", "not served", False),
        ("proxy for-host a.org port 1966 { relay-to b.org }", "the port that a URL names", False),
        ("proxy { sni b.org }", "no relay-to", False),
        ("proxy { relay-to b.org use-tls off }", "by TLS alone", True),
        ('proxy { relay-to b.org protocols "tlsv1.3" }', "both sides", True),
        ('location "/a/*" { lang it } proxy { relay-to b.org }', "before any location", True),
        ("proxy { relay-to b.org } proxy { relay-to c.org }", "before it", True),
    ],
)
def test_what_is_told(text, reason, is_set, gmid):
    imported = gmid(text)
    assert reason in imported.reason(3)
    assert ("proxy" in imported.host) == is_set
    assert ("root" in imported.host) != is_set
