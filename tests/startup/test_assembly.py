"""What a generation is made of, and what it shares with the one before."""

import os
import sys

import pytest

from gemd.protocol.errors import SlowDown
from gemd.responders.app.load import AppLoadError
from gemd.responders.gateway.proxy_means import ProxyMeans
from gemd.responders.router import Router
from gemd.startup import assembly
from gemd.startup.assembly import build_generation, build_router, build_server_context
from gemd.startup.files import read_files
from gemd.startup.resources import Resources
from gemd.system.access_log import Entry
from gemd.system.certificates import find_or_make
from gemd.system.privileges import PrivilegeError
from gemd.system.session_tickets import TicketContext
from tests.responders.asking import peer, request
from tests.support.certificate_chains import Link, make_leaf


@pytest.fixture
def resources(tmp_path):
    """Listeners are none; each host has a certificate."""

    def resources(config):
        made = {host.name: find_or_make(tmp_path / "certificates", host.names) for host in config.hosts}
        return Resources([], made)

    return resources


@pytest.fixture
def build(resources):
    """A generation, and what it was made of is closed in the end."""
    built = []

    def build(config, former=None, identity=None):
        built.append(build_generation(config, resources(config), read_files(config), identity, former))
        return built[-1]

    yield build
    for generation in built:
        generation.close_all_but(None)


def test_generations_are_numbered(build, configure):
    first = build(configure())
    assert (first.number, build(configure(), first).number) == (1, 2)


def test_a_host_is_counted_in_the_same_place_for_good(build, configure, root):
    """Also one of a reload that failed, whose new workers may have answered."""

    def slots_of(former, *names):
        hosts = [{"name": name, "root": str(root)} for name in names]
        generation = build(configure(host=hosts), former)
        return generation, generation.host_slots.find(names)

    first, before = slots_of(None, "a.example", "b.example")
    _, failed = slots_of(first, "a.example", "c.example")
    third, after = slots_of(first, "d.example", "b.example")
    assert after["b.example"] == before["b.example"]
    assert failed["a.example"] == before["a.example"]
    assert len({*before.values(), failed["c.example"], after["d.example"]}) == 4
    assert slots_of(third, "c.example")[1] == {"c.example": failed["c.example"]}


@pytest.mark.parametrize("keys", [{}, {"chroot": "{tmp}", "user": "nobody", "master_user": "root"}])
def test_a_key_in_a_root_is_not_shown(build, configure, root, tmp_path, monkeypatch, keys):
    for name in ("key.pem", "cert.pem"):
        (root / name).touch()
    host = {"name": "localhost", "root": str(root), "key": "capsule/key.pem", "certificate": "capsule/cert.pem"}
    keys = {key: value.replace("{tmp}", str(tmp_path)) for key, value in keys.items()}
    private = []
    monkeypatch.setattr(assembly, "Router", lambda *arguments: private.extend(arguments[5]) or Router(*arguments))
    build(configure(host=[host], **keys))
    top = tmp_path if keys else "/"
    assert private == [f"/{(root / 'key.pem').relative_to(top)}"]


@pytest.mark.parametrize("keys", [{}, {"chroot": "{tmp}", "user": "nobody", "master_user": "root"}])
def test_where_uploads_go_is_as_workers_see_it(build, configure, root, tmp_path, keys):
    host = {"name": "localhost", "root": str(root), "titan": {"allow": "any"}}
    keys = {key: value.replace("{tmp}", str(tmp_path)) for key, value in keys.items()}
    top = tmp_path if keys else "/"
    assert build(configure(host=[host], **keys)).upload_directories == (f"/{root.relative_to(top)}",)


SCRIPTS_OF_BIN = {"user": "nobody", "master_user": "root", "cgi": {"user": "bin"}}


@pytest.fixture
def with_scripts(configure, root):
    """A configuration whose scripts are a user's own."""
    (root / "cgi-bin").mkdir()
    host = {"name": "localhost", "root": str(root), "cgi": "cgi-bin"}
    return configure(host=[host], **SCRIPTS_OF_BIN)


def test_only_root_runs_scripts_as_others(build, with_scripts, monkeypatch):
    monkeypatch.setattr(assembly.os, "geteuid", lambda: 1000)
    with pytest.raises(PrivilegeError) as caught:
        build(with_scripts)
    reason = "cgi.user: only a master that stays root can run anything as bin, and this one is uid 1000: "
    assert str(caught.value) == reason + 'start gemd as root, with master-user = "root"'


def test_who_is_that_user_runs_them(build, with_scripts, monkeypatch):
    monkeypatch.setattr(assembly, "can_become", lambda identity: identity.name == "bin")
    assert [host.name for host in build(with_scripts).hosts] == ["bin"]


RATE = {"limits": {"rate": "2/1h", "handshakes": 2}}


def passes(check):
    try:
        check(peer())
    except SlowDown:
        return False
    return True


def ask(generation):
    """Whether a request for the host is within its budgets."""
    try:
        generation.respond(request("gemini://localhost/"))
    except SlowDown:
        return False
    return True


def test_a_rate_that_stays_forgives_nobody(build, configure):
    first = build(configure(**RATE))
    assert [passes(first.rate_limit.check) for _ in range(2)] == [True, True]
    assert [first.handshake_limit.admits("192.0.2.1") for _ in range(2)] == [True, True]
    second = build(configure(**RATE, workers=3), first)
    assert not passes(second.rate_limit.check)
    third = build(configure(limits={"rate": "2/1h", "listing": 5}), second)
    assert (passes(third.rate_limit.check), third.handshake_limit) == (False, None)


def test_another_rate_begins_anew(build, configure):
    first = build(configure(**RATE))
    assert [passes(first.rate_limit.check) for _ in range(2)] == [True, True]
    second = build(configure(limits={"rate": "3/1h"}), first)
    assert passes(second.rate_limit.check)
    assert build(configure(), second).rate_limit is None


def test_a_hosts_rate_that_stays_forgives_nobody_wherever_the_host_is(build, configure, root):
    host = {"name": "localhost", "root": str(root), "rate": "1/1h"}
    first = build(configure(host=[host]))
    assert [ask(first), ask(first)] == [True, False]
    second = build(configure(host=[{"name": "other", "root": str(root)}, host]), first)
    assert not ask(second)
    assert ask(build(configure(host=[{**host, "rate": "2/1h"}]), second))
    assert ask(build(configure(host=[host])))


def test_addresses_are_hashed_the_same_by_all_generations(build, configure):
    first = build(configure(log={"access": "off", "error": "off", "addresses": "hashed"}))
    second = build(configure(log={"access": "off", "error": "off", "addresses": "hashed", "format": "json"}), first)
    other = build(configure(log={"access": "off", "error": "off", "addresses": "hashed"}))
    written = [generation.access_log.write_address("192.0.2.1") for generation in (first, second, other)]
    assert written[0] == written[1] != written[2]


def test_a_log_that_stays_is_not_opened_again(build, configure, tmp_path):
    log = {"access": str(tmp_path / "access.log"), "error": "off"}
    first = build(configure(log=log))
    second = build(configure(log=log, workers=3), first)
    assert second.logs.access is first.logs.access


def test_each_name_has_the_certificate_of_its_host(configure, resources, root, monkeypatch):
    chosen = []
    monkeypatch.setattr(
        assembly.tls_context, "choose_by_server_name", lambda first, by_name: chosen.append((first, by_name))
    )
    hosts = [{"name": "a.example", "aliases": ["www.a.example"], "root": str(root)}, {"name": "b", "root": str(root)}]
    config = configure(host=hosts)
    context = build_server_context(config, resources(config).certificates)
    ((first, by_name),) = chosen
    assert first is context
    assert set(by_name) == {"a.example", "www.a.example", "b"}
    assert by_name["a.example"] is by_name["www.a.example"] is context
    assert by_name["b"] is not context


def test_one_host_has_nothing_to_choose(configure, resources, monkeypatch):
    monkeypatch.setattr(assembly.tls_context, "choose_by_server_name", None)
    config = configure()
    build_server_context(config, resources(config).certificates)


def test_hosts_have_tickets_unless_they_may_ask_for_a_certificate(configure, resources, root):
    locations = [{"path": "/m/", "client-certificate": "any"}]
    hosts = [{"name": "a", "root": str(root)}, {"name": "b", "root": str(root), "location": locations}]
    tls = {"certificates": str(root.parent / "certificates"), "session-tickets": True}
    config = configure(host=hosts, tls=tls)
    context = build_server_context(config, resources(config).certificates)
    assert isinstance(context, TicketContext)
    assert context._only is None
    assert context._find(b"b") is context.plain
    assert context._find(b"a") is not context.plain
    assert context._find(b"x") is None
    alone = configure(host=hosts[:1], tls=tls)
    context = build_server_context(alone, resources(alone).certificates)
    assert context._only is context._find(b"a") is not None


def test_the_host_of_all_others_has_tickets_of_its_own(configure, resources, root):
    """And is not taken for one that gives none."""
    locations = [{"path": "/m/", "client-certificate": "any"}]
    hosts = [{"name": name, "root": str(root)} for name in ("a", "*")]
    hosts.append({"name": "b", "root": str(root), "location": locations})
    config = configure(host=hosts, tls={"certificates": str(root.parent / "certificates"), "session-tickets": True})
    context = build_server_context(config, resources(config).certificates)
    assert context._find(b"b") is context.plain
    assert len({context._find(b"a"), context._find(b"x"), context.plain}) == 3


def test_authorities_are_those_that_were_read(configure, tmp_path):
    """Their files are not looked at again."""
    root = Link()
    (tmp_path / "ca.pem").write_bytes(root.pem)
    config = configure(tls={"certificates": str(tmp_path / "certificates"), "ca-file": str(tmp_path / "ca.pem")})
    files = read_files(config)
    (tmp_path / "ca.pem").unlink()
    router = build_router(config, files, None, {}, {}, ProxyMeans())
    assert router.applications._authorities.judge(make_leaf(root).chain).is_vouched_for


# Logs


def test_a_location_has_its_own_log(build, configure, root, tmp_path):
    """Whatever the answer was; a request that no location has is in the common one."""
    quiet = {"path": "/quiet/", "log": False}
    own = {"path": "/own/", "log": str(tmp_path / "own.log"), "gone": True}
    host = {"name": "localhost", "root": str(root), "check-port": False, "location": [quiet, own]}
    log = {"access": str(tmp_path / "access.log"), "error": "off", "format": "common"}
    generation = build(configure(host=[host], log=log))
    for url in (
        "gemini://localhost/",
        "gemini://localhost/own/a",
        "gemini://localhost/quiet/a",
        "gemini://elsewhere/own/",
    ):
        entry = Entry("192.0.2.1", "h", url, 20, "", 1, 0.1, complete=True)
        generation.access_log.write(entry, request(url))
    assert (tmp_path / "own.log").read_text().count("\n") == 1
    assert "/own/a" in (tmp_path / "own.log").read_text()
    assert [line.split('"')[1] for line in (tmp_path / "access.log").read_text().splitlines()] == [
        "gemini://localhost/",
        "gemini://elsewhere/own/",
    ]


def test_where_all_have_the_same_log_nobody_is_looked_up_for_it(build, configure):
    assert build(configure()).access_log._choose is None


def test_the_logs_are_open_before_code_of_an_application_runs(configure, resources, root, tmp_path):
    """It may lead standard output elsewhere, or close it, and is no reason to keep files open when it fails."""
    (tmp_path / "closing_app.py").write_text("import os\nos.close(1)\napp = print\n")
    host = {"name": "localhost", "app": "closing_app:app", "app-path": str(tmp_path), "preload": True}
    before = os.dup(1)
    try:
        with (tmp_path / "stream").open("wb") as stream:
            os.dup2(stream.fileno(), 1)
            config = configure(host=[host], log={"access": "stdout", "error": "off"})
            generation = build_generation(config, resources(config), read_files(config), None)
            generation.logs.access.write("line")
            assert os.readlink("/proc/self/fd/1") == os.devnull
            generation.close_all_but(None)
    finally:
        os.dup2(before, 1)
        os.close(before)
    assert (tmp_path / "stream").read_text() == "line\n"


def test_an_application_that_can_not_be_loaded_leaves_no_log_open(configure, resources, tmp_path):
    host = {"name": "localhost", "app": "no_such_module:app", "app-path": str(tmp_path), "preload": True}
    config = configure(host=[host], log={"access": str(tmp_path / "access.log"), "error": "off"})
    made = resources(config)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(AppLoadError):
        build_generation(config, made, read_files(config), None)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("is_needed", [True, False])
def test_what_takes_uploads_is_loaded_where_any_are_taken(build, configure, root, monkeypatch, is_needed):
    """Once for all workers."""
    monkeypatch.delitem(sys.modules, "gemd.worker.uploading", raising=False)
    titan = {"titan": {"allow": "any"}} if is_needed else {}
    build(configure(host=[{"name": "localhost", "root": str(root), **titan}]))
    assert ("gemd.worker.uploading" in sys.modules) is is_needed
