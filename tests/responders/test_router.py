import sys
from types import SimpleNamespace

import msgspec
import pytest

from gemd.protocol.errors import ProxyRefused, SlowDown
from gemd.responders.judged import Judged
from gemd.responders.router import Router
from gemd.system.client_certificates import parse_client_certificate
from tests.support.certificate_chains import Link, make_leaf
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
    "no host": ("gemini:/a", 59),
    "no authority": ("mailto:a@h", 53),
}


@pytest.mark.parametrize(("url", "status"), HOSTS.values(), ids=HOSTS)
def test_hosts(visit, url, status):
    assert visit(url) == status


PASSED = [{"name": "b.example", "aliases": ["*.b.example"], "pass": "192.0.2.3"}]


@pytest.mark.parametrize("name", [None, "h", "g", "b.example", "x.b.example", "z.example"])
@pytest.mark.parametrize("host", ["b.example", "B.Example.", "x.b.example"])
def test_a_url_of_a_host_that_is_passed_on_is_answered_by_nobody_here(configure, name, host):
    wild = {"name": "*.example", "gone": True}
    rest = {"name": "*", "gone": True}
    proxy = {"name": "p", "app": "m:app", "hosts": "*", "schemes": ["gemini", "https"]}
    router = Router(configure(hosts=[OTHER, wild, rest, proxy, *PASSED]), {}, None)
    for scheme in ("gemini", "https"):
        with pytest.raises(ProxyRefused, match="served only to who names it in the TLS handshake"):
            router.find(request(f"{scheme}://{host}/", peer(server_name=name)))


def test_what_is_left_may_be_passed_on(configure):
    router = Router(configure(hosts=[OTHER, {"name": "*", "pass": "192.0.2.3"}]), {}, None)
    with pytest.raises(ProxyRefused, match="served only to who names it in the TLS handshake"):
        router.find(request("gemini://anything.example/"))
    for url in ("gemini://h/", "gemini://g/", "gemini://x.wild.example/", "gemini://192.0.2.9/"):
        assert router.find(request(url))


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
    "/a/./b/": "/is-b",
    "/a/b/../x": "/is-a",
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
    (tmp_path / "says.py").write_text(SAYS)
    host = {**PROXIES[0], "app-path": str(tmp_path)}
    router = Router(configure(hosts=[{**host, "rate": "5/h"}]), {}, lambda budgets: refuse)
    assert settle(lambda: router.respond(request("https://wiki.example/"))).status == 44


# The order of things


def refuse(_peer):
    raise SlowDown("3")


def test_who_asks_too_often_learns_nothing_else(ask):
    for url in ("/", "/nothing", "/old/"):
        location = [{"path": "/old/", "client-certificate": "any"}]
        assert ask(url, make_limit=lambda budgets: refuse, location=location, rate="5/h").status == 44


def test_a_foreign_host_costs_no_hosts_budget(ask):
    assert ask("gemini://foreign/", make_limit=lambda budgets: refuse, rate="5/h").status == 53


def test_a_location_is_limited_by_its_budgets(ask):
    seen = []

    def make_limit(budgets):
        return lambda peer: seen.append((peer.address, [budget.place for budget in budgets]))

    location = [{"path": "/dir/", "rate": "5/h"}, {"path": "/indexed/", "rate": "none"}]
    for path in ("/", "/dir/page.gmi", "/indexed/"):
        assert ask(path, peer(address="192.0.2.77"), make_limit=make_limit, rate="9/h", location=location).status == 20
    assert seen == [("192.0.2.77", ["//h"]), ("192.0.2.77", ["//h", "//h/dir"])]


def test_without_a_rate_nobody_counts(ask):
    assert ask("/", make_limit=pytest.fail).status == 20


def test_without_a_certificate_nobody_learns_what_exists(ask):
    answers = {ask(url, client_certificate="any").meta for url in ("/page.gmi", "/nothing", "/dir", "/%ff")}
    assert answers == {"A client certificate is required"}


def test_a_move_is_told_to_those_who_may_know(ask):
    location = [{"path": "/old/", "redirect": {"to": "/new/"}, "client-certificate": "any"}]
    assert ask("/old/", location=location).status == 60


ADMIN = {"/admin/users": 60, "/admin%2Fusers": 60, "/%2fadmin": 60, "/a%2Fadmin": 20, "/administration": 20}
ECHO = """
def app(environ, send_status):
    send_status(20, "text/plain")
    return [environ["GEMINI_URL"]]
"""


def test_a_rule_holds_for_an_application_whatever_the_slashes_are(configure, tmp_path):
    (tmp_path / "slashes.py").write_text(ECHO)
    location = [{"path": "/admin", "client-certificate": "any"}]
    router = Router(configure(app="slashes:app", app_path=str(tmp_path), location=location), {}, None)
    router.applications.open(SimpleNamespace(begin=lambda _: None, end=lambda _: None))
    statuses = {path: settle(lambda path=path: router.respond(request(path))).status for path in ADMIN}
    assert statuses == ADMIN


def test_scripts_go_before_files(ask, capsule):
    (capsule / "cgi-bin").mkdir()
    (capsule / "cgi-bin" / "script").write_text("SECRET")
    assert ask("/cgi-bin/script", cgi="cgi-bin").status == 42
    assert ask("/cgi-bin/script").body == b"SECRET"


def test_nobody_answers(ask):
    assert ask("gemini://g/a", hosts=[{"name": "g", "location": [{"path": "/a/"}]}]).status == 51


# A judgement that takes a while


@pytest.fixture(scope="module")
def root():
    return Link()


@pytest.fixture
def route(configure, root, tmp_path):
    """The router, where both the location and scripts have an authority; `tls` says which."""
    (tmp_path / "ca.pem").write_bytes(root.pem)
    (tmp_path / "other.pem").write_bytes(Link("other").pem)

    def route(tls=None, **keys):
        config = configure(**keys)
        if tls is not None:
            settings = msgspec.structs.replace(config.tls, ca_file=str(tmp_path / f"{tls}.pem"))
            config = msgspec.structs.replace(config, tls=settings)
        return Router(config, {".gmi": "text/gemini"}, None)

    return route


def who_sent(chain):
    return peer(client_certificate=parse_client_certificate(chain[0]), client_chain=chain)


def test_access_that_takes_a_while_is_judged_before_anything_is_looked_up(route, root, tmp_path):
    router = route(client_certificate={"ca": str(tmp_path / "ca.pem")})
    asker = who_sent(make_leaf(root, 3).chain)
    assert isinstance(router.respond(request("/nothing", asker)), Judged)
    assert settle(lambda: router.respond(request("/page.gmi", asker))).body == b"page"
    assert settle(lambda: router.respond(request("/nothing", asker))).status == 51
    stranger = who_sent(make_leaf(Link("stranger"), 3).chain)
    assert settle(lambda: router.respond(request("/nothing", stranger))).status == 61


def test_a_page_that_a_judgement_was_remembered_for_is_answered_at_once(route, root, tmp_path):
    router = route(client_certificate={"ca": str(tmp_path / "ca.pem")})
    asker = who_sent(make_leaf(root, 3).chain)
    settle(lambda: router.respond(request("/page.gmi", asker)))
    assert router.respond(request("/page.gmi", asker)).status == 20


@pytest.fixture
def script(capsule):
    """One that says what it was told."""
    path = capsule / "cgi-bin/script"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\necho 20 text/plain; echo $TLS_CLIENT_AUTHORISED")
    path.chmod(0o755)


@pytest.mark.usefixtures("script")
@pytest.mark.parametrize(("is_member", "told"), [(True, b"1\n"), (False, b"0\n")])
def test_what_scripts_are_told_is_judged_for_them_alone(route, root, is_member, told):
    router = route("ca", cgi="cgi-bin")
    asker = who_sent(make_leaf(root if is_member else Link("other"), 3).chain)
    assert router.respond(request("/page.gmi", asker)).status == 20
    answer = router.respond(request("/cgi-bin/script", asker))
    assert isinstance(answer, Judged)
    assert settle(lambda: answer).body == told


@pytest.mark.usefixtures("script")
def test_who_has_no_certificate_is_not_judged(route, root):
    asker = peer(client_chain=make_leaf(root, 3).chain)
    answer = route("ca", cgi="cgi-bin").respond(request("/cgi-bin/script", asker))
    assert not isinstance(answer, Judged)
    assert settle(lambda: answer).body == b"\n"


@pytest.mark.usefixtures("script")
def test_two_judgements_follow_each_other(route, root, tmp_path):
    router = route("other", cgi="cgi-bin", client_certificate={"ca": str(tmp_path / "ca.pem")})
    asker = who_sent(make_leaf(root, 3).chain)
    with Pump() as pump:
        first = router.respond(request("/cgi-bin/script", asker))
        first.begin(pump)
        second = pump.wait_for(first, first.settle)
        assert isinstance(second, Judged)
        first.close()
        assert settle(lambda: second).body == b"0\n"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("gemini://h/", "/"),
        ("gemini://h/a/b?c", "/a/"),
        ("gemini://g/a/", "/"),
        ("gemini://x/a/", None),
        ("mailto:a@h", None),
    ],
)
def test_a_location_is_found_without_an_answer(configure, url, path):
    """By who logs it, whatever the answer was: a budget is not touched, nor is a certificate looked at."""
    location = {"path": "/a/", "client-certificate": "any"}
    router = Router(configure(hosts=[OTHER], location=[location]), {}, lambda budgets: pytest.fail)
    found = router.locate(request(url))
    assert path == (found.path if found is not None else None)


def test_refusals_have_the_texts_of_their_location(ask):
    location = [
        {"path": "/old", "gone": True},
        {"path": "/club", "client-certificate": "any", "errors": {"60": "For members"}},
        {"path": "/plain", "errors": {"51": "Not here either"}},
    ]
    asked = lambda url: ask(url, errors={"51": "Lost in space", "52": "Long gone", "53": "x"}, location=location)  # noqa: E731
    answers = [asked(path) for path in ("/none", "/old/a", "/club/a", "/plain/none", "gemini://elsewhere/")]
    assert [(answer.status, answer.meta) for answer in answers] == [
        (51, "Lost in space"),
        (52, "Long gone"),
        (60, "For members"),
        (51, "Not here either"),
        (53, "This host is not served here"),
    ]
