"""What protects a directory protects it by every name, and nobody is shown a script."""

import datetime
import errno
import os
import subprocess
import threading
from functools import partial

import pytest

from gemd.responders import protection
from gemd.responders.router import Router
from gemd.system import resolved
from gemd.system.authorities import Authorities
from gemd.system.beneath import has_openat2
from gemd.system.client_certificates import make_client_certificate, parse_client_certificate
from tests.support.certificate_chains import Link, make_leaf
from tests.support.descriptors import open_descriptors
from tests.support.swapping import swapping
from tests.support.waiting import wait_for

from .asking import peer, request, settle
from .conftest import MIME_TABLE

pytestmark = pytest.mark.skipif(not has_openat2(), reason="this kernel has no openat2, and follows no links")

PRIVATE = {"path": "/private", "client-certificate": "any"}


@pytest.fixture
def tree(capsule):
    """A capsule with a private directory, scripts, and links to both."""
    for name in (
        "private/page.gmi",
        "private/deep/page.gmi",
        "public/page.gmi",
        "cgi-bin/script",
        "cgi-bin/sub/script",
    ):
        (capsule / name).parent.mkdir(parents=True, exist_ok=True)
        (capsule / name).write_text("#!/bin/sh\necho 20 text/plain; echo SECRET")
        (capsule / name).chmod(0o755)
    for name, target in {
        "public/link": "../private",
        "public/deep": "../private/deep",
        "public/file": "../private/page.gmi",
        "public/self": "../public",
        "chain": "public/link",
        "private/out": "../public",
        "link": "cgi-bin",
        "script": "cgi-bin/script",
        "sub": "cgi-bin/sub",
        "indexed/index.gmi": "../cgi-bin/script",
        "dir/index.gmi": "../private/page.gmi",
    }.items():
        (capsule / name).symlink_to(target)
    return capsule


NAMES = {
    "/private/page.gmi": 60,
    "/public/page.gmi": 20,
    "/public/link/page.gmi": 60,
    "/public/link": 60,
    "/public/link/": 60,
    "/public/link/deep/page.gmi": 60,
    "/public/deep/page.gmi": 60,
    "/public/deep/": 60,
    "/public/file": 60,
    "/public/self/page.gmi": 20,
    "/public/self/link/page.gmi": 60,
    "/chain/page.gmi": 60,
    "/chain/nothing": 51,
    "/public/link/out/page.gmi": 20,  # for it is public, whichever way leads there
    "/dir/": 60,
    "/": 20,
}


@pytest.mark.parametrize("policy", ["beneath", "any"])
@pytest.mark.parametrize(("url", "status"), NAMES.items())
def test_a_rule_holds_for_every_name(ask, tree, url, status, policy):
    assert ask(url, location=[PRIVATE], symlinks=policy).status == status


def test_who_may_pass_is_shown_it_by_every_name(ask, tree, make_client):
    for url in ("/private/page.gmi", "/public/link/page.gmi", "/public/file", "/public/deep/", "/chain/"):
        assert ask(url, peer(client_certificate=make_client()), location=[PRIVATE]).status == 20


@pytest.fixture
def make_client():
    """A certificate that any rule but a list takes."""
    now = datetime.datetime.now(datetime.UTC)
    return lambda: make_client_certificate("a", now - datetime.timedelta(1), now + datetime.timedelta(1))


def test_the_nearest_location_decides(ask, tree):
    locations = [PRIVATE, {"path": "/private/deep", "client-certificate": "none"}]
    assert ask("/public/link/deep/page.gmi", location=locations).status == 20
    assert ask("/public/deep/page.gmi", location=locations).status == 20
    assert ask("/public/link/page.gmi", location=locations).status == 60


@pytest.mark.parametrize("url", ["/public/link/page.gmi", "/public/link/", "/public/file"])
def test_who_has_to_be_judged_at_length_is_judged_by_a_thread(configure, tree, tmp_path, monkeypatch, url):
    """Even in the moment when one of the certificates begins to be valid, in which nothing is remembered."""
    root = Link()
    (tmp_path / "ca.pem").write_bytes(root.pem)
    built = Router(configure(location=[{**PRIVATE, "client-certificate": {"ca": str(tmp_path / "ca.pem")}}]), {}, None)
    threads, verify = [], Authorities._verify
    monkeypatch.setattr(
        Authorities, "_verify", lambda *given: threads.append(threading.current_thread()) or verify(*given)
    )
    for issuer, status in ((root, 20), (Link("stranger"), 61)):
        chain = (*make_leaf(issuer, 3).chain, Link("now", start=datetime.datetime.now(datetime.UTC)).der)
        asker = peer(client_certificate=parse_client_certificate(chain[0]), client_chain=chain)
        assert settle(lambda asker=asker: built.respond(request(url, asker))).status == status
    assert len(threads) == 2
    assert threading.current_thread() not in threads


INSIDE = {"path": "/private", "access": {"deny": ["192.0.2.0/24"]}}


@pytest.mark.parametrize(
    "url", ["/private/page.gmi", "/public/link/page.gmi", "/public/deep/page.gmi", "/public/file", "/chain/", "/dir/"]
)
def test_a_network_is_refused_by_every_name(ask, tree, url):
    assert ask(url, location=[INSIDE], index=["index.gmi"]).status == 50
    assert ask(url, peer(address="198.51.100.1"), location=[INSIDE], index=["index.gmi"]).status == 20


@pytest.mark.parametrize("url", ["/cgi-bin/sub/script", "/link/sub/script", "/sub/script"])
def test_a_network_is_refused_scripts_by_every_name(ask, tree, url):
    location = [{**INSIDE, "path": "/cgi-bin/sub"}]
    keys = {"cgi": ["cgi-bin", "link", "sub"], "location": location}
    assert ask(url, **keys).status == 50
    assert ask(url, peer(address="198.51.100.1"), **keys).status == 20


def test_a_listing_names_what_is_for_a_network_to_that_alone(configure, tree):
    """Also where it was worked out for the other a moment ago."""
    built = Router(configure(location=[INSIDE], index=["none"]), MIME_TABLE, None)
    for _ in range(2):
        bodies = [
            settle(lambda address=address: built.respond(request("/public/", peer(address=address)))).body
            for address in ("192.0.2.1", "198.51.100.1")
        ]
        assert [b"file" in body for body in bodies] == [False, True]
        assert all(b"page.gmi" in body for body in bodies)


def test_a_listing_shows_no_location_that_a_network_may_not_enter(configure, tree):
    """Neither a directory nor a file, by whatever name the directory that it is in was reached; but what is at a place
    of its own has the rule of that."""
    locations = [INSIDE, {**INSIDE, "path": "/public/page.gmi"}]
    locations.append({"path": "/public/free", "access": "any"})
    (tree / "public/free").mkdir()
    locations.append({**INSIDE, "path": "/elsewhere", "root": str(tree / "public/free")})
    built = Router(configure(location=locations, index=["none"], symlinks="any"), MIME_TABLE, None)
    (tree / "around").symlink_to(".")
    for url in ("/", "/around/", "/"):
        for address, is_seen in (("192.0.2.1", False), ("198.51.100.1", True)):
            body = settle(lambda: built.respond(request(url, peer(address=address)))).body  # noqa: B023
            assert (b"=> private/" in body) is is_seen
            assert b"=> public/" in body
    for address, is_seen in (("192.0.2.1", False), ("198.51.100.1", True)):
        body = settle(lambda: built.respond(request("/public/", peer(address=address)))).body  # noqa: B023
        assert (b"page.gmi" in body) is is_seen
        assert b"=> free/" in body


def test_a_listing_is_worked_out_for_each_address_only_where_networks_matter(configure):
    askers = [peer(address=address) for address in ("192.0.2.1", "192.0.2.2")]
    for keys, number in (({}, 1), ({"location": [INSIDE]}, 2)):
        config = configure(**keys)
        built = protection.Protection({"h": [(location, None) for location in config.hosts[0].locations]})
        assert len({built.list_for(config.hosts[0].locations[0], asker) for asker in askers}) == number


def test_a_location_may_be_a_file(ask, tree):
    location = [{"path": "/private/page.gmi", "client-certificate": "any"}]
    os.link(tree / "private/page.gmi", tree / "public/hard")
    for url in ("/public/file", "/public/link/page.gmi", "/public/hard"):
        assert ask(url, location=location).status == 60
    assert ask("/public/link/deep/page.gmi", location=location).status == 20


def test_a_location_whose_path_is_a_link_protects_what_it_leads_to(ask, tree):
    assert ask("/private/page.gmi", location=[{"path": "/public/link", "client-certificate": "any"}]).status == 60


def test_what_all_of_a_host_demands_a_public_part_does_not_give_away(ask, tree):
    public = {"path": "/public", "client-certificate": "none"}
    assert ask("/public/page.gmi", client_certificate="any", location=[public]).status == 20
    assert ask("/public/link/page.gmi", client_certificate="any", location=[public]).status == 60


def test_a_root_within_the_root(ask, tree):
    """What the first one protects is protected below the second, unless that is the place itself."""
    files = {"path": "/files/", "root": str(tree)}
    deep = {"path": "/deep/", "root": str(tree / "private/deep")}
    assert ask("/files/private/page.gmi", location=[PRIVATE, files]).status == 60
    assert ask("/files/public/page.gmi", location=[PRIVATE, files]).status == 20
    assert ask("/deep/page.gmi", location=[PRIVATE, deep]).status == 20


def test_a_link_out_of_a_root_to_what_is_protected(ask, tree):
    (tree.parent / "other/link").symlink_to(tree / "private")
    files = {"path": "/files/", "root": str(tree.parent / "other"), "symlinks": "any"}
    assert ask("/files/link/page.gmi", location=[PRIVATE, files]).status == 60
    assert ask("/files/link/page.gmi", location=[files]).status == 20


def test_the_rules_of_one_host_are_not_those_of_another(ask, tree):
    other = {"name": "g", "root": str(tree)}
    assert ask("gemini://g/public/link/page.gmi", hosts=[other], location=[PRIVATE]).status == 20


def test_listings_and_dot_files_are_protected_alike(ask, tree):
    (tree / "private/.plan").write_text("SECRET")
    (tree / "private/deep/page.gmi").unlink()
    private = {"path": "/private", "listing": False, "dot-files": False}
    for url in ("/public/link/", "/public/link/.plan", "/public/deep/"):
        assert ask(url, location=[private], dot_files=True).status == 51, url
        assert ask(url, dot_files=True).status == 20, url
    assert ask("/public/link/page.gmi", location=[private], dot_files=True).status == 20


def test_a_listing_has_no_dot_file_that_the_place_hides(ask, tree):
    (tree / "private/.plan").write_text("SECRET")
    for url in ("/private/", "/public/link/"):
        listing = ask(url, location=[{"path": "/private", "dot-files": False}], dot_files=True).body.decode()
        assert "page.gmi" in listing
        assert ".plan" not in listing
        assert ".plan" in ask(url, dot_files=True).body.decode()


@pytest.fixture
def homes(tree):
    """Directories of others, who make links in them, and more names of these directories."""
    (tree / "homes/bob/d").mkdir(parents=True)
    for name, target in {
        "homes/bob/inside": "../../page.gmi",
        "homes/bob/d/own": "../../../page.gmi",
        "homes/bob/outside": "../../../secret.gmi",
        "homes/bob/absolute": str(tree.parent / "secret.gmi"),
        "homes/bob/chain": "../../out",
        "out": "../secret.gmi",
        "tilde": "homes",
        "bob": "homes/bob",
        "file": "homes/bob/inside",
    }.items():
        (tree / name).symlink_to(target)
    return tree


OWN = ("/homes/bob/", "/tilde/bob/", "/bob/", "/files/homes/bob/", "/files/bob/")


@pytest.mark.parametrize("policy", ["beneath", "any"])
def test_links_are_followed_as_the_place_allows_that_they_are_in(ask, homes, policy):
    files = {"path": "/files/", "root": str(homes), "symlinks": policy}
    location = [{"path": "/homes", "symlinks": "none"}, files]
    for start in OWN:
        for name in ("inside", "d/own", "outside", "absolute", "chain"):
            assert ask(start + name, symlinks=policy, location=location).status == 51, start + name
        assert "inside" not in ask(start, symlinks=policy, location=location).body.decode()
    for url in ("/file", "/files/file"):
        assert ask(url, symlinks=policy, location=location).status == 51
        assert ask(url, symlinks=policy, location=[files]).status == 20
    assert ask("/public/self/page.gmi", symlinks=policy, location=location).status == 20


def test_links_that_must_stay_beneath_stay_there_by_every_name(ask, homes):
    files = {"path": "/files/", "root": str(homes), "symlinks": "any"}
    location = [{"path": "/homes", "symlinks": "beneath"}, files]
    for start in OWN:
        for name in ("outside", "absolute"):
            assert ask(start + name, symlinks="any", location=location).status == 51, start + name
            assert ask(start + name, symlinks="any", location=[files]).status == 20
        for name in ("inside", "d/own"):
            assert ask(start + name, symlinks="any", location=location).status == 20
    assert ask("/tilde/bob/chain", symlinks="any", location=location).status == 20  # by a link that is not theirs


def test_a_root_of_its_own_is_what_links_must_stay_beneath(ask, homes):
    """Also by a name below a root that is above it."""
    location = [{"path": "/~bob/", "root": str(homes / "homes/bob"), "symlinks": "beneath"}]
    (homes / "homes/bob/d/up").symlink_to("..")
    for start in ("/~bob/", "/homes/bob/", "/tilde/bob/"):
        assert ask(start + "inside", symlinks="any", location=location).status == 51, start
        assert ask(start + "d/up/d/", symlinks="any", location=location).status == 20, start


def test_a_listing_leaves_out_what_the_client_may_not_see(ask, tree):
    names = ask("/public/", location=[PRIVATE]).body.decode()
    assert "page.gmi" in names
    assert "self/" in names
    assert not [name for name in ("link", "deep", "file") if name in names]


# Scripts

SHOWN = ["/link/script", "/link/", "/link", "/link/sub/script", "/script", "/sub/script", "/sub/", "/indexed/"]


@pytest.mark.parametrize("policy", ["beneath", "any"])
@pytest.mark.parametrize("url", SHOWN)
def test_no_name_shows_a_script(ask, tree, url, policy):
    answer = ask(url, cgi="cgi-bin", symlinks=policy)
    assert (answer.status, b"SECRET" in answer.body) == (51, False)
    assert ask(url, symlinks=policy).status in (20, 31)  # where there are none


def test_a_listing_has_no_name_for_scripts(ask, tree):
    listing = ask("/", index=["none"], cgi="cgi-bin").body.decode()
    assert "public/" in listing
    assert not [name for name in ("cgi-bin", "link", "sub") if name in listing]


def test_scripts_of_another_host_or_location_are_not_shown_either(ask, tree):
    owner = {"name": "g", "root": str(tree), "cgi": "cgi-bin"}
    own = {"path": "/own/", "root": str(tree / "cgi-bin")}
    deeper = {"path": "/deeper/", "root": str(tree / "cgi-bin/sub")}
    around = {"path": "/around/", "root": str(tree.parent)}
    for url in (
        "/cgi-bin/script",
        "/cgi-bin/",
        "/link/script",
        "/own/script",
        "/own/",
        "/deeper/script",
        "/around/capsule/cgi-bin/script",
    ):
        assert ask(url, hosts=[owner], location=[own, deeper, around]).status == 51, url
        assert ask(url, location=[own, deeper, around]).status == 20, url
    assert ask("/page.gmi", hosts=[owner], location=[own]).status == 20


def test_a_script_by_way_of_a_link_is_run_by_the_rules_of_where_it_is(ask, tree):
    (tree / "cgi-bin/also").symlink_to("../private")
    (tree / "cgi-bin/again").symlink_to("script")
    assert ask("/cgi-bin/also/page.gmi", cgi="cgi-bin", location=[PRIVATE]).status == 60
    assert ask("/cgi-bin/also/page.gmi", cgi="cgi-bin").body == b"SECRET\n"
    assert ask("/cgi-bin/again", cgi="cgi-bin", location=[PRIVATE]).body == b"SECRET\n"


def test_for_all_entries_of_a_listing_the_directories_are_looked_up_once(configure, tree, monkeypatch):
    for number in range(20):
        (tree / f"public/{number}").symlink_to("../private/page.gmi")
    built = Router(configure(location=[PRIVATE], index=["none"]), MIME_TABLE, None)
    looked_at, identify = [], protection.identify_path
    monkeypatch.setattr(protection, "_LOOK_INTERVAL", 3600.0)
    monkeypatch.setattr(protection, "_CLOCK_STEP", -3600 * 10**9)  # all this was made just now
    monkeypatch.setattr(protection, "identify_path", lambda *path: looked_at.append(path) or identify(*path))
    listing = settle(lambda: built.respond(request("/public/"))).body.decode()
    assert "page.gmi" in listing
    assert " 7" not in listing
    assert looked_at.count((str(tree), "private")) == 1


# What changes


@pytest.fixture
def router(configure, tree):
    """One for many requests, of a host with scripts and a private location."""
    built = Router(configure(cgi="cgi-bin", location=[PRIVATE], index=["none"]), MIME_TABLE, None)
    return lambda url: settle(lambda: built.respond(request(url))).status


def test_a_directory_that_takes_the_place_of_another(router, tree):
    """By way of a link it is known at once."""
    assert (router("/link/script"), router("/public/link/page.gmi")) == (51, 60)
    for name in ("cgi-bin", "private"):
        (tree / name).rename(tree / f"old-{name}")
        (tree / name).mkdir()
    (tree / "cgi-bin/script").touch()
    (tree / "private/page.gmi").touch()
    assert (router("/link/script"), router("/public/link/page.gmi")) == (51, 60)


def test_a_root_that_takes_the_place_of_another(configure, tree, monkeypatch):
    """What is reached without a link, by a root within: looked up again for the new root, whenever that was."""
    monkeypatch.setattr(protection, "_LOOK_INTERVAL", 3600.0)
    (tree.parent / "current").symlink_to("capsule")
    root = str(tree.parent / "current")
    location = [{"path": "/all/", "root": root, "cgi": "dir"}]
    built = Router(configure(root=root, cgi="cgi-bin", location=location), MIME_TABLE, None)
    ask = lambda url: settle(lambda: built.respond(request(url))).status  # noqa: E731
    assert ask("/all/page.gmi") == 20
    (tree.parent / "next/cgi-bin").mkdir(parents=True)
    (tree.parent / "next/cgi-bin/script").touch()
    (tree.parent / "current").unlink()
    (tree.parent / "current").symlink_to("next")
    assert ask("/all/cgi-bin/script") == 51


NEW = {"a directory": "tools", "a file": "tools/x.py", "a part that is private": "private"}


@pytest.mark.parametrize("name", NEW.values(), ids=NEW)
def test_what_takes_the_place_of_another_is_known_at_once(configure, tree, monkeypatch, name):
    """As a deployment swaps them, and an editor does with each file: by renaming."""
    monkeypatch.setattr(protection, "_LOOK_INTERVAL", 3600.0)
    for path in ("tools/x.py", "new/x.py"):
        (tree / path).parent.mkdir(exist_ok=True)
        (tree / path).write_text("#!/bin/sh\necho 20 text/plain; echo SECRET")
    around = {"path": "/around/", "root": str(tree.parent)}
    script = {"path": "/s", "script": str(tree / "tools/x.py")}
    cgi = "tools" if name == "tools" else "none"
    built = Router(configure(cgi=cgi, location=[PRIVATE, around, script]), MIME_TABLE, None)
    ask = lambda url: settle(lambda: built.respond(request(url))).status  # noqa: E731
    refusal = 60 if name == "private" else 51
    url = "/around/capsule/private/x.py" if name == "private" else "/around/capsule/tools/x.py"
    assert ask(url) in (refusal, 51)
    assert ask("/around/capsule/new/x.py") == 20
    if (tree / name).is_dir():
        (tree / name).rename(tree / "old")
    (tree / ("new/x.py" if name == "tools/x.py" else "new")).rename(tree / name)
    assert ask(url) == refusal


def test_what_has_not_changed_is_not_looked_up_for_each_request(configure, tree, monkeypatch):
    monkeypatch.setattr(protection, "_LOOK_INTERVAL", 3600.0)
    monkeypatch.setattr(protection, "_CLOCK_STEP", -3600 * 10**9)
    built = Router(configure(cgi="cgi-bin", location=[PRIVATE]), MIME_TABLE, None)
    ask = lambda: settle(lambda: built.respond(request("/page.gmi"))).status  # noqa: E731
    assert ask() == 20
    monkeypatch.setattr(protection, "identify_path", lambda *_: pytest.fail("it was looked up"))
    assert ask() == 20


def test_after_a_while_what_has_changed_is_known_without_a_link_as_well(configure, tree, monkeypatch):
    location = [{"path": "/all/", "root": str(tree), "cgi": "dir"}]
    monkeypatch.setattr(protection, "_LOOK_INTERVAL", 0.0)
    built = Router(configure(cgi="cgi-bin", location=location), MIME_TABLE, None)
    ask = lambda url: settle(lambda: built.respond(request(url))).status  # noqa: E731
    assert ask("/all/page.gmi") == 20
    (tree / "cgi-bin").rename(tree / "old")
    (tree / "cgi-bin").mkdir()
    (tree / "cgi-bin/script").touch()
    assert ask("/all/cgi-bin/script") == 51


def test_a_link_that_is_swapped_shows_nothing(router, tree):
    """Neither in a listing, whose directory is opened once more by a thread."""
    seen = set()

    def ask():
        seen.update((url, router(url)) for url in ("/swap/script", "/swap/page.gmi", "/swap/deep/"))

    with swapping(tree / "swap", "private", "cgi-bin", "public"):
        for _ in range(500):
            ask()
        wait_for(lambda: ask() or {("/swap/page.gmi", 20), ("/swap/page.gmi", 60)} <= seen, "each of them")
    assert {status for url, status in seen if url == "/swap/script"} == {51}
    assert {status for url, status in seen if url == "/swap/deep/"} <= {51, 60}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_what_is_mounted_in_a_second_place(ask, tree, need_program):
    need_program("mount")
    (tree / "again").mkdir()
    done = subprocess.run(["mount", "--bind", tree / "private", tree / "again"], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"can't be mounted: {done.stderr}")
    try:
        assert ask("/again/page.gmi", location=[PRIVATE]).status == 60
    finally:
        subprocess.run(["umount", tree / "again"], check=True)


@pytest.fixture
def folding(monkeypatch):
    """A file system that finds a name in lower case, whatever the case is that it is asked for."""
    open_beneath, stat, open_file = resolved.open_beneath, os.stat, os.open

    def open_folded(root, names, symlinks, **keys):
        return open_beneath(root, [name.lower() for name in names], symlinks, **keys)

    def stat_folded(path, *, dir_fd=None, follow_symlinks=True):
        return stat(path if dir_fd is None else path.lower(), dir_fd=dir_fd, follow_symlinks=follow_symlinks)

    def open_step_folded(path, flags, mode=0o777, *, dir_fd=None):
        return open_file(path if dir_fd is None else path.lower(), flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(resolved, "open_beneath", open_folded)
    monkeypatch.setattr(os, "stat", stat_folded)
    monkeypatch.setattr(os, "open", open_step_folded)


@pytest.mark.usefixtures("folding")
def test_where_a_file_system_folds_case_so_do_rules(ask, tree):
    for url in ("/PRIVATE/page.gmi", "/Private/PAGE.gmi", "/private/Deep/page.gmi", "/pRIVATE/"):
        assert ask(url, location=[PRIVATE]).status == 60, url
    for url in ("/CGI-BIN/script", "/cgi-Bin/", "/Cgi-bin/sub/script"):
        assert ask(url, cgi="cgi-bin").status == 51, url
    assert ask("/PUBLIC/page.gmi", cgi="cgi-bin", location=[PRIVATE]).status == 20


# Trouble


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOMEM])
def test_where_nobody_can_tell_nothing_is_shown(ask, tree, monkeypatch, number):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(protection, "identify_path", fail)
    assert ask("/public/link/page.gmi", location=[PRIVATE]).status == 40
    assert ask("/link/script", cgi="cgi-bin").status == 40


def test_a_place_that_does_not_exist_is_none(ask, tree):
    location = [{"path": "/nowhere/at/all", "client-certificate": "any"}, {"path": "/page.gmi/x", "listing": False}]
    assert ask("/public/link/page.gmi", cgi="none", location=location).status == 20


def test_no_descriptor_is_left_open(ask, tree):
    before = open_descriptors()
    for url in (*NAMES, *SHOWN):
        ask(url, cgi="cgi-bin", location=[PRIVATE])
    assert open_descriptors() == before


def test_without_rules_that_differ_and_without_scripts_nothing_is_looked_up(ask, tree, monkeypatch):
    monkeypatch.setattr(protection, "open_resolved", lambda *_: pytest.fail("it was looked up"))
    assert ask("/public/link/page.gmi", client_certificate="none", location=[{"path": "/a", "lang": "en"}]).status == 20


# Locations that are exact, and such with wildcards

STARRED = [{"path": "/*/deep", "match": "glob", "client-certificate": "any"}]
BY_NAMES = {
    "/private/deep/page.gmi": 60,
    "/public/deep/page.gmi": 60,  # a link to it
    "/public/link/deep/page.gmi": 60,
    "/chain/deep/": 60,
    "/private%2Fdeep/page.gmi": 60,
    "//private//deep//page.gmi": 60,
    "/private/./x/../deep/page.gmi": 60,
    "/public/../private/deep/page.gmi": 60,
    "/private/page.gmi": 20,
    "/public/page.gmi": 20,
}


@pytest.mark.parametrize(("url", "status"), BY_NAMES.items())
def test_what_has_wildcards_holds_for_every_name(ask, tree, url, status):
    assert ask(url, symlinks="beneath", location=STARRED).status == status


def test_what_has_wildcards_holds_in_a_root_that_lies_in_it(ask, tree):
    mounted = {"path": "/mounted/", "root": str(tree / "private/deep"), "client-certificate": "none"}
    assert ask("/mounted/page.gmi", location=STARRED).status == 51
    starred = [STARRED[0] | {"symlinks": "beneath"}]
    linked = {"path": "/linked/", "root": str(tree / "public"), "symlinks": "any"}
    assert ask("/linked/deep/page.gmi", location=[*starred, linked]).status == 60
    assert ask("/linked/link/deep/page.gmi", location=[*starred, linked]).status == 60
    assert ask("/mounted/page.gmi", location=[*STARRED, mounted]).status == 20  # in so many words


def test_what_is_open_by_wildcards_gives_nothing_else_away(ask, tree):
    (tree / "public/out.gmi").symlink_to("../private/page.gmi")
    opened = [
        {"path": "/", "client-certificate": "any"},
        {"path": "/p*c", "match": "glob", "client-certificate": "none"},
    ]
    assert ask("/public/page.gmi", location=opened).status == 20
    assert ask("/private/page.gmi", location=opened).status == 60
    assert ask("/public/out.gmi", location=opened).status == 60
    assert ask("/public/link/page.gmi", location=opened).status == 60


def test_where_a_file_system_folds_case_so_do_wildcards(ask, tree, folding):
    assert ask("/PRIVATE/DEEP/page.gmi", location=STARRED).status == 60
    exact = [{"path": "/private/page.gmi", "match": "exact", "client-certificate": "any"}]
    assert ask("/PRIVATE/PAGE.GMI", location=exact).status == 60


EXACT = {
    "a file": ("/private/page.gmi", {"/private/page.gmi": 60, "/public/file": 60, "/dir/": 60, "/private/deep/": 20}),
    "a directory": (
        "/public",
        {"/public/": 60, "/public": 60, "/public/self/": 60, "/private/out/": 60, "/public/page.gmi": 20},
    ),
    "its page": (
        "/indexed",
        {"/indexed/": 60, "/indexed/index.gemini": 60, "/toindex": 60, "/toindexed/index.gemini": 60},
    ),
}


@pytest.mark.parametrize(("path", "statuses"), EXACT.values(), ids=EXACT)
def test_what_is_exact_holds_for_that_alone_and_by_every_name(ask, tree, path, statuses):
    (tree / "indexed/index.gmi").unlink()
    (tree / "toindex").symlink_to("indexed/index.gemini")
    (tree / "toindexed").symlink_to("indexed")
    location = [{"path": path, "match": "exact", "client-certificate": "any"}]
    assert {url: ask(url, location=location).status for url in statuses} == statuses


def test_a_front_page_for_everybody(ask, tree):
    location = [{"path": "/", "match": "exact", "client-certificate": "none"}]
    for url, status in {"/": 20, "": 20, "/index.gmi": 60, "/page.gmi": 60, "/public/": 60}.items():
        assert ask(f"gemini://h{url}", client_certificate="any", location=location).status == status


def test_what_an_exact_one_opens_gives_nothing_else_away(ask, tree):
    """A directory of members that everybody may see the list of, and a link to one of its pages."""
    (tree / "indexed/index.gmi").unlink()
    (tree / "public/index.gmi").symlink_to("../private/page.gmi")
    location = [
        {"path": "/private", "client-certificate": "any"},
        {"path": "/private", "match": "exact", "client-certificate": "none", "listing": True},
        {"path": "/public", "match": "exact"},
    ]
    assert ask("/private/", location=location).status == 20
    assert b"deep" in ask("/private/", location=location).body
    for url in ("/private/page.gmi", "/public/file", "/public/", "/dir/", "/private/deep/"):
        assert ask(url, location=location).status == 60, url


def test_scripts_run_by_what_an_exact_one_says_by_every_name(ask, tree):
    location = [{"path": "/cgi-bin/script", "match": "exact", "client-certificate": "any"}]
    for url in ("/cgi-bin/script", "/cgi-bin/script/more", "/cgi-bin%2Fscript"):
        assert ask(url, cgi="cgi-bin", location=location).status == 60, url
    for url in ("/link/script", "/link/script/more", "/script"):
        assert ask(url, cgi=["cgi-bin", "link", "script"], location=location).status in (51, 60), url
    assert ask("/cgi-bin/sub/script", cgi="cgi-bin", location=location).status == 20


def test_a_listing_shows_nothing_that_wildcards_hide(configure, tree):
    (tree / "index.gmi").unlink()
    location = [{"path": "/p*e", "match": "glob", "access": {"allow": ["198.51.100.0/24"], "status": 51}}]
    router = Router(configure(location=location), MIME_TABLE, None)
    for address, is_shown in (("198.51.100.1", True), ("192.0.2.1", False)):
        asked = request("/", peer(address=address))
        listing = settle(partial(router.respond, asked)).body
        assert (b"private" in listing, b"public" in listing) == (is_shown, True)


@pytest.mark.parametrize("directory", ["/", "/around/", "/mirror/", "/deep/"])
def test_a_listing_shows_nothing_that_wildcards_hide_by_whatever_name_it_is_reached(configure, tree, directory):
    """Nor where the page is listed in-line, below a directory."""
    (tree / "index.gmi").unlink()
    (tree / "around").symlink_to(".")
    closed = {"deny": ["192.0.2.0/24"], "status": 51}
    location = [
        {"path": "/p*e", "match": "glob", "access": closed},
        {"path": "/public/p*.gmi", "match": "glob", "access": closed},
        {"path": "/mirror", "root": str(tree)},
        {"path": "/deep", "root": str(tree), "listing": {"recursive": 2}},
    ]
    built = Router(configure(location=location, symlinks="any"), MIME_TABLE, None)
    below, name = (
        (directory, b"=> public/page.gmi") if directory == "/deep/" else (f"{directory}public/", b"=> page.gmi")
    )
    (tree / "public/index.gmi").unlink(missing_ok=True)
    for address, is_shown in (("192.0.2.1", False), ("198.51.100.1", True)):
        here, there = (
            settle(partial(built.respond, request(url, peer(address=address)))).body for url in (directory, below)
        )
        assert (b"=> private/" in here, b"=> public/" in here) == (is_shown, True)
        assert (name in there) is is_shown


def test_what_has_a_place_of_its_own_is_listed_by_the_rule_of_that(configure, tree):
    """Also where wildcards would match it."""
    (tree / "index.gmi").unlink()
    closed = {"deny": ["192.0.2.0/24"], "status": 51}
    location = [
        {"path": "/p*", "match": "glob", "access": closed},
        {"path": "/public", "access": "any"},
        {"path": "/mirror", "root": str(tree), "access": "any"},
    ]
    built = Router(configure(location=location), MIME_TABLE, None)
    for url in ("/", "/mirror/"):
        body = settle(partial(built.respond, request(url, peer(address="192.0.2.1")))).body
        assert (b"=> private/" in body, b"=> public/" in body) == (False, True), url


def test_the_page_of_an_exact_one_is_protected_wherever_it_lies(ask, tree):
    (tree / "public/pages").mkdir()
    (tree / "public/pages/front.gmi").write_text("front")
    members = {"path": "/public", "match": "exact", "client-certificate": "any", "index": ["pages/front.gmi"]}
    location = [members, {"path": "/mirror", "root": str(tree)}]
    for url in ("/public/", "/public/pages/front.gmi", "/mirror/public/pages/front.gmi"):
        assert ask(url, location=location).status == 60, url
