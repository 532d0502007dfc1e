"""No upload leads out of the root, to what is hidden there, or to another location."""

import pytest
from hypothesis import HealthCheck, given, settings

from gemd.protocol.errors import GeminiError
from gemd.protocol.response import Response
from gemd.protocol.upload import Intake
from gemd.responders.router import Router
from tests.responders.asking import request
from tests.responders.test_traversal import ATTACKS, CLIMBS, HOSTILE, OTHERS, PROTECTED
from tests.support.pump import Pump

from .sending import upload

TITAN = {"public": True, "types": ["*/*"], "mkdir": True, "delete": True}
TYPES = {"*": "text/plain", ".gmi": "text/gemini"}


@pytest.fixture
def trapped(capsule):
    """The capsule with links that lead out of it."""
    (capsule / "link").symlink_to("..")
    (capsule / "absolute").symlink_to(capsule.parent)
    (capsule / "chain").symlink_to("link")
    (capsule / "link.gmi").symlink_to("../secret.gmi")
    return capsule


@pytest.fixture
def router(configure, trapped):
    location = [{"path": "/members/", "titan": False}]
    (trapped / "members").mkdir()
    (trapped / "members/page.gmi").write_text("SECRET")
    return Router(configure(titan=TITAN, mime=TYPES, location=location), {}, None)


@pytest.fixture
def guarded(trapped, router):
    """Fails where something has changed that must not: outside of the root, hidden in it, a link, or another
    location's."""

    def look():
        found = {}
        for path in trapped.parent.rglob("*"):
            inside = ("", *path.relative_to(trapped).parts) if path.is_relative_to(trapped) else ("", "..")
            if path.is_symlink():
                found[path] = path.readlink()
            elif inside[1:2] in (("..",), ("members",)) or any(part.startswith(".") for part in inside):
                found[path] = path.read_bytes() if path.is_file() else None
        return found

    before = look()

    def check(path=""):
        assert look() == before, path

    return check


def put(router, path, body):
    url = f"titan://h{path};size={len(body)};mime=text/plain"
    with Pump() as pump:
        try:
            taken = router.respond(request(url))
            if isinstance(taken, Intake):
                return upload(pump, taken, body)[0].status
            return (taken if isinstance(taken, Response) else pump.settle(taken)).status
        except GeminiError as refusal:
            return int(refusal.status)


def test_what_is_in_order_is_stored(router, guarded, trapped):
    assert put(router, "/dir/new/a.gmi", b"hello") == 30
    assert put(router, "/dir/page.gmi", b"") == 20
    guarded()


@pytest.mark.parametrize("climb", CLIMBS.values(), ids=CLIMBS)
def test_nothing_outside_is_changed(router, guarded, climb):
    for path in (path for path in ATTACKS if climb in path):
        put(router, path, b"hello")
        put(router, path, b"")
        guarded(path)


@pytest.mark.parametrize("path", [*OTHERS, "/link.gmi", "/chain/new/a.gmi", "/absolute/new.gmi", "/.well-known/a.txt"])
def test_no_other_way_leads_out_or_to_what_is_hidden(router, guarded, path):
    put(router, path, b"hello")
    put(router, path, b"")
    guarded()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(path=HOSTILE)
def test_whatever_is_uploaded_nothing_outside_is_changed(router, guarded, path):
    put(router, path, b"hello")
    guarded()


@pytest.mark.parametrize("path", [each.replace("dir", "members").replace("%64ir", "%6dembers") for each in PROTECTED])
def test_no_spelling_steps_around_a_location(router, guarded, path):
    put(router, path, b"hello")
    put(router, path, b"")
    guarded()
