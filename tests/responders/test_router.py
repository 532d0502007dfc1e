"""The order of things: limits, access, responders; texts of refusals."""

import subprocess
import sys
from types import SimpleNamespace

import msgspec
import pytest

from gemd.protocol.errors import SlowDown
from gemd.protocol.upload import Intake
from gemd.responders.judged import Judged
from gemd.responders.router import Router
from gemd.system.client_certificates import parse_client_certificate
from tests.support.certificate_chains import Link, make_leaf
from tests.support.pump import Pump

from .asking import peer, request, settle


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
    router = Router(
        configure(hosts=[{"name": "g", "gone": True}], location=[location]), {}, lambda budgets: pytest.fail
    )
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


UPLOADS = {
    "where there are none": ("titan://h/public/a;size=1", 53),
    "without a certificate": ("titan://h/a;size=1", 60),
    "to a part that asks for one": ("titan://h/club/a;size=1", 60),
    "a URL that is none": ("titan://h/open/a;size=x", 59),
    "too much": ("titan://h/open/a;size=11", 59),
}


@pytest.mark.parametrize(("url", "status"), UPLOADS.values(), ids=UPLOADS)
def test_an_upload_is_refused_before_it_comes(ask, capsule, url, status):
    location = [
        {"path": "/public", "titan": False},
        {"path": "/club", "client-certificate": "any", "titan": {"public": True}},
        {"path": "/open", "titan": {"public": True, "max-size": 10}},
    ]
    before = sorted(capsule.rglob("*"))
    assert ask(url, titan={"allow": "any"}, location=location).status == status
    assert sorted(capsule.rglob("*")) == before


def test_a_judgement_may_come_before_an_upload_and_another_one(route, capsule, root, tmp_path):
    rule = {"ca": str(tmp_path / "ca.pem")}
    (tmp_path / "ca2.pem").write_bytes(root.pem)
    router = route(client_certificate=rule, titan={"allow": {"ca": str(tmp_path / "ca2.pem")}})
    asker = who_sent(make_leaf(root, 3).chain)
    with Pump() as pump:
        answer, judged = router.respond(request("titan://h/new.gmi;size=4", asker)), 0
        while isinstance(answer, Judged):
            answer.begin(pump)
            following = pump.wait_for(answer, answer.settle)
            answer.close()
            answer, judged = following, judged + 1
        assert isinstance(answer, Intake)
        assert judged == 2
        answer.begin(pump)
        answer.take(b"page")
        assert pump.settle(answer.finish()).status == 30
        answer.close()
    assert (capsule / "new.gmi").read_bytes() == b"page"


def test_an_upload_counts_as_any_request(ask):
    titan = {"public": True, "tokens": ["a"]}
    assert ask("titan://h/a;size=1;token=b", titan=titan, rate="5/h", make_limit=lambda budgets: refuse).status == 44


def test_what_takes_uploads_is_loaded_where_there_are_some():
    code = "import gemd.responders.router, sys; print('gemd.responders.uploads.front' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
