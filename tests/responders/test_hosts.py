"""Whose a request is: hosts, names of the handshake, locations, and who answers for others."""

import sys
from types import SimpleNamespace

import pytest

from gemd.config.host_settings import Location
from gemd.protocol.errors import Overloaded, ProxyRefused, SlowDown
from gemd.protocol.response import Response
from gemd.responders.attribution import NOWHERE, CountPlace, Note
from gemd.responders.hosts import ServedHosts, ServedLocation
from gemd.responders.judged import MAX_JUDGEMENTS, Unjudged
from gemd.responders.router import Router
from tests.support.pump import Pump

from .asking import peer, request, settle

OTHER = {"name": "g", "aliases": ["*.wild.example", "bücher.example"], "gone": True}


@pytest.fixture
def visit(ask):
    """The status at a server with the host h, which has a capsule, and the host g, which is gone."""

    def visit(url, asker=None, **keys):
        return ask(url, asker, hosts=[OTHER], **keys).status

    return visit


HOSTS = {
    "by its name": ("gemini://h/", 20),
    "in capitals": ("gemini://H/", 20),
    "with a dot": ("gemini://h./", 20),
    "without a path": ("gemini://h", 20),
    "with the port": ("gemini://h:1965/", 20),
    "with an empty port": ("gemini://h:/", 20),
    "the other": ("gemini://g/", 52),
    "wildcard": ("gemini://a.wild.example/", 52),
    "wildcard is one label": ("gemini://a.b.wild.example/", 53),
    "wildcard is no name": ("gemini://wild.example/", 53),
    "non-ASCII": ("gemini://Bücher.example/", 52),
    "A-label": ("gemini://xn--bcher-kva.example/", 52),
    "address of the connection": ("gemini://192.0.2.9/", 20),
    "another address": ("gemini://192.0.2.8/", 53),
    "foreign": ("gemini://example.org/", 53),
    "prefix": ("gemini://h.example/", 53),
    "asterisk of the wildcard": ("gemini://-.wild.example/", 52),
    "another port": ("gemini://h:1966/", 53),
    "https": ("https://h/", 53),
    "titan": ("titan://h/;size=1", 53),
    "a file": ("file:///etc/passwd", 53),
    "misfin": ("misfin://ann@h", 53),
    "misfin without an authority": ("misfin:ann@h", 53),
    "a scheme alone": ("gopher:", 53),
    "a foreign scheme's bad port": ("https://h:443443/", 53),
    "a foreign scheme's bad host": ("https://[::1/", 53),
    "a foreign scheme's fragment": ("https://h/#a", 53),
    "a foreign scheme that climbs": ("ftp://h/../../etc/passwd", 53),
    "encoded": ("gemini://%48/", 20),
    "encoded non-ASCII": ("gemini://b%C3%BCcher.example/", 52),
    "encoded foreign": ("gemini://ex%61mple.org/", 53),
    "no host": ("gemini:/a", 59),
    "no authority": ("mailto:a@h", 53),
}


@pytest.mark.parametrize(("url", "status"), HOSTS.values(), ids=HOSTS)
def test_hosts(visit, url, status):
    assert visit(url) == status


def serve(config):
    """The hosts alone, where nobody answers."""

    def make(location):
        return ServedLocation(location, None, None, (), application=lambda *_: None, texts=location.errors)

    return ServedHosts(config, {host.name: list(map(make, host.locations)) for host in config.hosts})


UPLOADS = {
    "to a file": ("titan://h/a;size=1", {}, ("/", True)),
    "with the port": ("titan://h:1965/a;size=1", {}, ("/", True)),
    "to a location": ("titan://h/notes/a;size=1", {}, ("/notes", True)),
    "by an encoded slash": ("titan://h/%2Fnotes%2fa;size=1", {}, ("/notes", True)),
    "in parameters is no place": ("titan://h/notes;x=/b;size=1", {}, ("/notes", True)),
    "to where there are none": ("titan://h/public/a;size=1", {}, "No uploads are taken here"),
    "of another scheme": ("titan-x://h/a;size=1", {}, "This scheme is not served here"),
    "by another port": ("titan://h:1966/a;size=1", {}, "only 1965 is"),
    "by another host's handshake": ("titan://h/a;size=1", {"server_name": "g"}, "another host than the TLS handshake"),
    "by its own": ("titan://h/a;size=1", {"server_name": "h"}, ("/", True)),
    "to another host": ("titan://g/a;size=1", {}, "No uploads are taken here"),
    "to a foreign host": ("titan://z.example/a;size=1", {}, "This scheme is not served here"),
    "to an application's": ("titan://h/app/a;size=1", {}, ("/app", False)),
    "to an application that says both": ("titan://h/both/a;size=1", {}, ("/both", True)),
    "by gemini": ("gemini://h/both/a;size=1", {}, ("/both", False)),
}


@pytest.mark.parametrize(("url", "tls", "expected"), UPLOADS.values(), ids=UPLOADS)
def test_whose_an_upload_is(configure, url, tls, expected):
    config = configure(
        hosts=[OTHER],
        titan={"allow": "any"},
        location=[
            {"path": "/notes", "lang": "en"},
            {"path": "/public", "titan": False},
            {"path": "/app", "app": "m:a", "schemes": ["gemini", "titan"]},
            {"path": "/both", "app": "m:a", "schemes": ["gemini", "titan"], "titan": {"public": True}},
        ],
    )

    def make(location):
        return ServedLocation(
            location, None, None, (("answers", NOWHERE),), "application", {}, "takes" if location.titan else None
        )

    hosts = ServedHosts(config, {host.name: list(map(make, host.locations)) for host in config.hosts})
    asker = peer(**tls)
    if isinstance(expected, str):
        with pytest.raises(ProxyRefused, match=expected):
            hosts.find(request(url, asker))
        return
    served = hosts.find(request(url, asker))
    path, is_upload = expected
    assert served.location.path == path
    assert ([responder for responder, _ in served.responders] == ["takes"]) == is_upload


PASSED = [{"name": "b.example", "aliases": ["*.b.example"], "pass": "192.0.2.3"}]
TEXTS = {
    "its host": ("gemini://h/a", None, "host"),
    "its location": ("gemini://h/inner/a", "h", "inner"),
    "another port": ("gemini://h:1966/inner", "h", "inner"),
    "another scheme": ("https://h/inner/", "h", "inner"),
    "a host without": ("gemini://g/inner", None, None),
    "a foreign host": ("gemini://example.org/inner/", None, None),
    "a host that is passed on": ("gemini://b.example/", None, None),
    "TLS for another host": ("gemini://h/inner/", "g", None),
    "TLS for one that is passed on": ("gemini://h/inner/", "b.example", None),
    "no host": ("gemini:/inner/", None, None),
}


@pytest.mark.parametrize(("url", "name", "text"), TEXTS.values(), ids=TEXTS)
def test_a_refusal_has_the_texts_of_where_a_url_leads(configure, url, name, text):
    inner = {"path": "/inner/", "errors": {"51": "inner"}}
    hosts = serve(configure(errors={"51": "host"}, location=[inner], hosts=[OTHER, *PASSED]))
    asked = request(url, peer(server_name=name))
    assert hosts.find_texts(asked).get("51") == text


@pytest.mark.parametrize("name", [None, "h", "g", "b.example", "x.b.example", "z.example"])
@pytest.mark.parametrize("host", ["b.example", "B.Example.", "x.b.example"])
def test_a_url_of_a_host_that_is_passed_on_is_answered_by_nobody_here(configure, name, host):
    wild = {"name": "*.example", "gone": True}
    rest = {"name": "*", "gone": True}
    proxy = {"name": "p", "app": "m:app", "hosts": "*", "schemes": ["gemini", "https"]}
    hosts = serve(configure(hosts=[OTHER, wild, rest, proxy, *PASSED]))
    for scheme in ("gemini", "https"):
        with pytest.raises(ProxyRefused, match="served only to who names it in the TLS handshake"):
            hosts.find(request(f"{scheme}://{host}/", peer(server_name=name)))


def test_what_is_left_may_be_passed_on(configure):
    hosts = serve(configure(hosts=[OTHER, {"name": "*", "pass": "192.0.2.3"}]))
    with pytest.raises(ProxyRefused, match="served only to who names it in the TLS handshake"):
        hosts.find(request("gemini://anything.example/"))
    for url in ("gemini://h/", "gemini://g/", "gemini://x.wild.example/", "gemini://192.0.2.9/"):
        assert hosts.find(request(url))


def test_an_ipv6_address_of_the_connection(visit):
    asker = peer(local_address="2001:db8::1")
    assert visit("gemini://[2001:DB8:0::1]/", asker) == 20
    assert visit("gemini://[2001:db8::2]/", asker) == 53


def test_another_port_behind_a_forwarder(visit):
    assert visit("gemini://h:1966/", check_port=False) == 20


def test_the_port_of_the_connection_counts(visit):
    assert visit("gemini://h:3000/", peer(local_port=3000)) == 20
    assert visit("gemini://h:1965/", peer(local_port=3000)) == 53
    assert visit("gemini://h/", peer(local_port=3000)) == 20


def test_any_port_on_a_unix_socket(visit):
    asker = peer(address="unix", local_address="unix", local_port=0)
    assert visit("gemini://h:4000/", asker) == 20
    assert visit("gemini://unix/", asker) == 53


SERVER_NAMES = {
    "none": (None, "gemini://h/", 20),
    "the same": ("h", "gemini://H./", 20),
    "another": ("g", "gemini://h/", 53),
    "another way round": ("h", "gemini://g/", 53),
    "A-label": ("xn--bcher-kva.example", "gemini://bücher.example/", 52),
    "another of the wildcard": ("a.wild.example", "gemini://b.wild.example/", 52),
    "an alias": ("g", "gemini://a.wild.example/", 52),
    "the name for an alias": ("xn--bcher-kva.example", "gemini://g/", 52),
    "a foreign one": ("example.org", "gemini://h/", 53),
    "of the host at this address": ("h", "gemini://192.0.2.9/", 20),
    "of another host than at this address": ("g", "gemini://192.0.2.9/", 53),
}


@pytest.mark.parametrize(("server_name", "url", "status"), SERVER_NAMES.values(), ids=SERVER_NAMES)
def test_tls_was_set_up_for_the_same_host(visit, server_name, url, status):
    assert visit(url, peer(server_name=server_name)) == status


THE_REST = {
    "a foreign host": (None, "gemini://example.org/", 52),
    "another address": (None, "gemini://192.0.2.8/", 52),
    "a known host": (None, "gemini://h/", 20),
    "this address": (None, "gemini://192.0.2.9/", 20),
    "two foreign ones": ("a.example", "gemini://b.example/", 52),
    "a known host's handshake": ("h", "gemini://b.example/", 53),
    "a foreign one's handshake": ("b.example", "gemini://h/", 53),
    "another scheme": (None, "https://example.org/", 53),
}


@pytest.mark.parametrize(("server_name", "url", "status"), THE_REST.values(), ids=THE_REST)
def test_a_host_may_have_the_rest(ask, server_name, url, status):
    rest = {"name": "*", "gone": True}
    assert ask(url, peer(server_name=server_name), hosts=[rest]).status == status


LOCATIONS = [
    {"path": "/a/", "redirect": {"to": "/is-a"}},
    {"path": "/a/b/", "redirect": {"to": "/is-b"}},
    {"path": "/c d", "redirect": {"to": "/is-c"}},
    {"path": "/é/", "redirect": {"to": "/is-e"}},
]

LONGEST = {
    "/a": "/is-a",
    "/a/": "/is-a",
    "/a/x": "/is-a",
    "//a/x": "/is-a",
    "/a/b": "/is-b",
    "/a/b/c/d": "/is-b",
    "/a//b/": "/is-b",
    "/%61/%62/": "/is-b",
    "/c%20d": "/is-c",
    "/c%20d/x": "/is-c",
    "/%C3%A9/": "/is-e",
    "/é/": "/is-e",
    "/ab": "Not found",
    "/a%2Fb": "/is-b",
    "/a%2fx": "/is-a",
    "/%2Fa": "/is-a",
    "/ab%2Fb": "Not found",
    "/A": "Not found",
    "/x/a": "Not found",
}


@pytest.mark.parametrize(("url", "meta"), LONGEST.items())
def test_the_longest_location_counts(ask, url, meta):
    assert ask(url, location=LOCATIONS).meta == meta
    assert ask(url, location=LOCATIONS[::-1]).meta == meta


# Applications that answer for others

SAYS = """
def app(environ, send_status):
    send_status(20, "text/plain")
    return " ".join([environ["GEMINI_URL"], environ["HOSTNAME"], environ["SERVER_NAME"], environ["gemd.location"]])
"""
PROXIES = [
    {"name": "p", "app": "says:app", "schemes": ["gemini", "https"], "hosts": "*"},
    {"name": "q", "app": "says:app", "schemes": ["gopher"], "hosts": "*", "cgi": "cgi-bin", "root": "{capsule}"},
    {
        "name": "r",
        "gone": True,
        "location": [
            {"path": "/own", "app": "says:app", "schemes": ["gemini", "https"]},
            {"path": "/all", "app": "says:app", "schemes": ["https"], "hosts": "*"},
            {
                "path": "/all/members",
                "client-certificate": "any",
                "app": "says:app",
                "schemes": ["https"],
                "hosts": "*",
            },
        ],
    },
]
FOREIGN = {
    "own host, own scheme": ("p", "gemini://p/a", "p p /"),
    "own host, another scheme": ("p", "https://p/a", "p p /"),
    "a foreign host": ("p", "gemini://foreign/a", "foreign p /"),
    "both": ("p", "https://wiki.example/a?b", "wiki.example p /"),
    "any port": ("p", "https://wiki.example:8443/", "wiki.example p /"),
    "any port of a foreign host": ("p", "gemini://foreign:1966/", "foreign p /"),
    "TLS for whatever the URL names": ("wiki.example", "https://wiki.example/", "wiki.example p /"),
    "without a name in TLS": (None, "https://wiki.example/", "wiki.example p /"),
    "TLS for a host that has none": ("h", "https://wiki.example/", "wiki.example p /"),
    "dot segments": ("p", "https://wiki.example/a/../b", "wiki.example p /"),
    "in capitals": ("p", "HTTPS://Wiki.Example/", "wiki.example p /"),
    "an address": ("p", "https://[2001:db8::1]:444/x", "2001:db8::1 p /"),
    "a host whose own location does not take it": ("p", "https://h/page.gmi", "h p /"),
    "another one's scheme": ("p", "gopher://foreign/", "foreign q /"),
    "an application and no script": ("q", "gopher://foreign/cgi-bin/script", "foreign q /"),
    "its own alone": ("r", "https://r/own/x", "r r /own"),
    "the host that TLS was set up for": ("r", "https://wiki.example/all/x", "wiki.example r /all"),
    "another one where that has none": ("r", "https://wiki.example/own", "wiki.example p /"),
    "the port of the own host": ("p", "gemini://p:1966/", 53),
    "a scheme that nobody takes": ("p", "ftp://wiki.example/", 53),
    "no host": ("p", "https:/a", 53),
    "no authority": ("p", "mailto:a@p", 53),
    "a bad port of a scheme that one takes": ("p", "https://wiki.example:443443/", 59),
    "a user of a scheme that one takes": ("p", "https://ann@wiki.example/", 59),
    "no host of a scheme that one takes": ("p", "gopher:///a", 59),
    "a scheme that another host takes": ("h", "https://h/#a", 59),
    "a user of a scheme that nobody takes": ("p", "misfin://ann@wiki.example", 53),
    "a file": ("p", "file:///etc/passwd", 53),
    "files do not answer for others": ("h", "ftp://h/page.gmi", 53),
    "its host's other locations neither": ("r", "gopher://r/", "r q /"),
    "gemini where it is not among them": ("q", "gemini://q/", 53),
    "another host than TLS was set up for": ("p", "gemini://h/", 53),
    "access": ("r", "https://wiki.example/all/members/a", 60),
    "access by another spelling": ("r", "https://wiki.example/all%2Fmembers/a", 60),
}


@pytest.fixture
def proxies(configure, tmp_path, capsule, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "says.py").write_text(SAYS)
    (capsule / "cgi-bin").mkdir()
    (capsule / "cgi-bin" / "script").write_text("SECRET")
    hosts = [
        {key: str(capsule) if value == "{capsule}" else value for key, value in host.items()}
        | {"app-path": str(tmp_path)}
        for host in PROXIES
    ]
    hosts[2]["location"] = [{**location, "app-path": str(tmp_path)} for location in PROXIES[2]["location"]]
    router = Router(configure(hosts=hosts), {".gmi": "text/gemini"}, None)
    router.applications.open(SimpleNamespace(begin=lambda _: None, end=lambda _: None))
    yield router
    del sys.modules["says"]


@pytest.mark.parametrize(("server_name", "url", "answer"), FOREIGN.values(), ids=FOREIGN)
def test_who_answers_for_others(proxies, server_name, url, answer):
    asker = peer(server_name=server_name)
    asked = request(url, asker)
    found = settle(lambda: proxies.respond(asked))
    if isinstance(answer, int):
        assert found.status == answer
        return
    assert (found.status, found.body.decode().partition(" ")[2]) == (20, answer)
    assert found.body.decode().startswith(url.replace("a/../b", "b") + " ")
    assert proxies.locate(asked).path == answer.split()[-1]


def test_a_limit_is_for_them_too(configure, tmp_path):
    def refuse(_peer):
        raise SlowDown("3")

    (tmp_path / "says.py").write_text(SAYS)
    host = {**PROXIES[0], "app-path": str(tmp_path)}
    router = Router(configure(hosts=[{**host, "rate": "5/h"}]), {}, lambda budgets: refuse)
    assert settle(lambda: router.respond(request("https://wiki.example/"))).status == 44


def test_what_is_never_judged_for_good_has_an_end():
    """A file of descriptions, for one, that somebody changes all the time."""
    judgements = []

    def ask(*_):
        raise Unjudged(lambda: judgements.append(1))

    answer = settle(lambda: ServedLocation(Location(), None, None, ((ask, NOWHERE),), ask).respond(request("/")))
    assert answer.status == Overloaded.status
    assert len(judgements) == MAX_JUDGEMENTS


def test_an_answer_that_needs_several_judgements_is_counted_for_who_gives_it_at_last():
    judged, nobody, root, titled = [], CountPlace(2, "none"), CountPlace(2, "root"), CountPlace(2, "cgi")

    def check_access(_peer):
        if not judged:
            raise Unjudged(lambda: judged.append("access"))

    def decline(*_):
        if len(judged) < 2:
            raise Unjudged(lambda: judged.append("script"))

    note = Note()
    responders = ((decline, titled), (lambda *_: Response(20, "text/plain", b""), root))
    served = ServedLocation(Location(), None, check_access, responders, decline, note=note, refused=nobody)
    asked = request("/")
    with Pump() as pump:
        waiting = served.respond(asked)
        place = note.take()
        assert (place.host, place.responder) == (nobody.host, nobody.responder)
        while not isinstance(waiting, Response):
            waiting = pump.settle(waiting)
    assert (place.host, place.responder) == (root.host, root.responder)
    assert note.take() is NOWHERE
    assert judged == ["access", "script"]
