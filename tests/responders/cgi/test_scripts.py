import errno
import os
from types import SimpleNamespace

import msgspec
import pytest

from gemd.protocol.errors import Overloaded
from gemd.protocol.peer import network_of
from gemd.responders.cgi.scripts import CGI
from gemd.responders.protection import Protection
from gemd.responders.router import Router
from gemd.system.beneath import has_openat2
from gemd.system.script_threads import SCRIPT_THREADS
from tests.responders.asking import peer, request, settle
from tests.support.descriptors import open_descriptors
from tests.support.swapping import swapping
from tests.support.waiting import wait_for

needs_openat2 = pytest.mark.skipif(not has_openat2(), reason="this kernel has no openat2, and follows no links")

# What is answered before anything runs


@pytest.fixture
def scripts(capsule):
    """A directory of scripts: one that could run, one that could not."""
    directory = capsule / "cgi-bin"
    (directory / "sub").mkdir(parents=True)
    for name, mode in {"run": 0o755, "sub/run": 0o755, "data": 0o644, ".hidden": 0o755}.items():
        (directory / name).write_text("#!/bin/sh\necho SECRET")
        (directory / name).chmod(mode)
    os.mkfifo(directory / "fifo")
    (directory / "out").symlink_to("/bin/true")
    return directory


REFUSED = {
    "missing": ("/cgi-bin/nothing", 51),
    "the directory": ("/cgi-bin", 51),
    "the directory with a slash": ("/cgi-bin/", 51),
    "a directory in it": ("/cgi-bin/sub/", 51),
    "not executable": ("/cgi-bin/data", 42),
    "below what is not executable": ("/cgi-bin/data/a", 42),
    "hidden": ("/cgi-bin/.hidden", 51),
    "hidden path": ("/cgi-bin/run/.git", 51),
    "FIFO": ("/cgi-bin/fifo", 51),
    "link out": ("/cgi-bin/out", 51),
    "climbs": ("/cgi-bin/../../bin/true", 59),
    "encoded slash": ("/cgi-bin/sub%2frun", 51),
    "encoded climb": ("/cgi-bin/..%2fcgi-bin/run", 59),
    "hidden behind an encoded slash": ("/cgi-bin/run/a%2f.git", 51),
    "line end": ("/cgi-bin/run/%0d%0a", 51),
    "line separator": ("/cgi-bin/run/%e2%80%a8", 51),
    "escape": ("/cgi-bin/run/%1b", 51),
    "other case": ("/CGI-BIN/run", 51),
}


@pytest.mark.timeout(10)
@pytest.mark.parametrize(("url", "status"), REFUSED.values(), ids=REFUSED)
def test_refuses(ask, scripts, url, status):
    answer = ask(url, cgi="cgi-bin")
    assert (answer.status, b"SECRET" in answer.body) == (status, False)


def test_no_script_is_served_as_a_file_however_its_path_is_spelled(ask, scripts):
    for url in (
        "/cgi-bin/data",
        "//cgi-bin/data",
        "/cgi-bin//data",
        "/%63gi-bin/data",
        "/cgi-bin/data/",
    ):
        assert ask(url, cgi="cgi-bin").status == 42, url


def test_a_file_that_is_not_executable_is_told_to_the_operator(ask, scripts, caplog):
    ask("/cgi-bin/data", cgi="cgi-bin")
    assert f"script /cgi-bin/data is not executable: chmod +x {scripts}/data" in caplog.text


def test_access_goes_before_scripts(ask, scripts):
    assert ask("/cgi-bin/nothing", peer(), cgi="cgi-bin", client_certificate="any").status == 60


# How many may run


@pytest.fixture
def cgi(configure, scripts):
    """The responder, with places for five scripts, two for each client."""
    config = configure(cgi="cgi-bin")
    limits = msgspec.structs.replace(config.limits, cgi=5, cgi_per_address=5)
    responder = CGI(msgspec.structs.replace(config, limits=limits), None, Protection({}))
    location = config.hosts[0].locations[0]
    (scripts / "run").write_text("#!/bin/sh\necho 20 text/plain; echo SECRET")
    return lambda address="192.0.2.1": responder(request("/cgi-bin/run", peer(address=address)), location)


def begin(run, address):
    run.begin(SimpleNamespace(client=network_of(address), wake=lambda: None))
    return run


def test_a_client_has_its_share_and_no_more(cgi, scripts):
    (scripts / "run").write_text("#!/bin/sh\nexec sleep 60")
    addresses = ["192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"]
    runs = [begin(cgi(address), address) for address in addresses]
    for address in ("192.0.2.1", "2001:db8::3"):
        with pytest.raises(Overloaded):
            cgi(address)
    waiting = begin(cgi("192.0.2.2"), "192.0.2.2")  # all places are taken, and it has its share
    assert waiting.settle() is None
    for run in (*runs, waiting):
        run.close()
    assert SCRIPT_THREADS.wait(15)
    assert cgi()


def test_a_place_is_free_when_the_script_has_ended(cgi):
    first = begin(cgi(), "192.0.2.1")
    for _ in range(4):
        assert settle(cgi).body == b"SECRET\n"
        assert SCRIPT_THREADS.wait(15)
    first.close()


def test_a_refusal_takes_no_place(cgi, scripts):
    (scripts / "run").chmod(0o644)
    for _ in range(4):
        assert settle(cgi).status == 42
    (scripts / "run").chmod(0o755)
    assert settle(cgi).status == 20


def test_one_that_can_not_be_started_frees_its_place(cgi, scripts):
    (scripts / "run").write_text("#!/nowhere")
    for _ in range(4):
        assert settle(cgi).status == 42
        assert SCRIPT_THREADS.wait(15)


def test_it_runs_with_its_path_and_its_environment(ask, scripts):
    (scripts / "run").write_text('#!/bin/sh\necho 20 text/plain; pwd; echo "$SCRIPT_NAME|$PATH_INFO|$QUERY_STRING"\n')
    answer = ask("/cgi-bin/run/more?q", cgi="cgi-bin")
    assert answer.body.decode().splitlines() == [str(scripts), "/cgi-bin/run|/more|q"]


def test_outside_of_the_directory_it_declines(configure):
    config = configure(cgi="cgi-bin")
    assert CGI(config, None, Protection({}))(request("/cgi-bin-too/run"), config.hosts[0].locations[0]) is None


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO], ids=errno.errorcode.get)
def test_what_is_short_for_a_moment_is_a_temporary_failure(ask, scripts, monkeypatch, caplog, number):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    before = open_descriptors()
    with monkeypatch.context() as patch:
        patch.setattr("gemd.responders.protection.open_resolved", fail)
        assert ask("/cgi-bin/run", cgi="cgi-bin").status == 40
    assert f"'/cgi-bin/run' can't be opened: {os.strerror(number)}" in caplog.text
    monkeypatch.setattr("gemd.system.resolved.open_directory", fail)
    assert ask("/cgi-bin/run", cgi="cgi-bin").status == 40
    assert open_descriptors() == before


def test_a_root_that_is_gone_is_a_temporary_failure(ask, scripts, caplog):
    assert ask("/cgi-bin/run", cgi="cgi-bin", root=str(scripts / "nothing")).status == 40
    assert "can't be opened: No such file or directory" in caplog.text


@needs_openat2
def test_a_script_is_one_that_was_found_whatever_becomes_of_the_links_on_the_way(configure, scripts, capsule):
    """Going by its path once more ran one from outside of the root in one of six."""
    outside = capsule.parent / "outside"
    (outside / "run").parent.mkdir()
    for directory, text in ((scripts, "INSIDE"), (outside, "OUTSIDE")):
        (directory / "run").write_text(f"#!/bin/sh\necho 20 text/plain; echo {text}; pwd -P\n")
        (directory / "run").chmod(0o755)
    router, seen = Router(configure(cgi="scripts"), {}, None), set()

    def ask():
        seen.add(settle(lambda: router.respond(request("/scripts/run"))).body)

    inside = f"INSIDE\n{os.path.realpath(scripts)}\n".encode()
    with swapping(capsule / "scripts", "../outside", "cgi-bin"):
        for _ in range(150):
            ask()
        wait_for(lambda: ask() or inside in seen, "one that is inside")
    assert seen <= {b"", inside}


def test_a_script_that_is_replaced_before_it_starts_is_the_new_one(cgi, scripts):
    """Who may write there decides what runs."""
    run = cgi()
    (scripts / "new").write_text("#!/bin/sh\necho 20 text/plain; echo new")
    (scripts / "new").chmod(0o755)
    (scripts / "new").rename(scripts / "run")
    assert settle(lambda: run).body == b"new\n"


def test_one_that_is_never_begun_leaves_no_descriptor_open(cgi, scripts):
    settle(cgi)  # the threads have begun
    assert SCRIPT_THREADS.wait(15)
    before = open_descriptors()
    for _ in range(2):
        cgi().close()
    for mode in (0o644, 0o755):
        (scripts / "run").chmod(mode)
        settle(cgi)
    assert SCRIPT_THREADS.wait(15)
    running = [begin(cgi(), "192.0.2.1") for _ in range(2)]
    with pytest.raises(Overloaded):
        cgi()
    for run in running:
        run.close()
    assert SCRIPT_THREADS.wait(15)
    assert open_descriptors() == before


@needs_openat2
def test_a_script_by_way_of_a_link_runs_where_it_is(ask, scripts, capsule):
    (capsule / "programs").mkdir()
    (capsule / "programs/real").write_text('#!/bin/sh\necho 20 text/plain; echo "$SCRIPT_NAME $0 $(pwd -P)"\n')
    (capsule / "programs/real").chmod(0o755)
    (scripts / "link").symlink_to("../programs/real")
    programs = os.path.realpath(capsule / "programs")
    assert ask("/cgi-bin/link", cgi="cgi-bin").body.decode() == f"/cgi-bin/link ./real {programs}\n"


ADMIN = [{"path": "/cgi-bin/run/admin", "client-certificate": "any"}]


@pytest.mark.parametrize(
    "path", ["admin/users", "admin%2Fusers", "admin%2f", "%2Fadmin", "x/../admin", "%61dmin/a%2Fb"]
)
def test_a_rule_holds_for_what_follows_a_script_in_every_spelling(ask, scripts, path):
    (scripts / "run").write_text('#!/bin/sh\necho 20 text/plain; echo "$PATH_INFO"\n')
    assert ask(f"/cgi-bin/run/{path}", cgi="cgi-bin", location=ADMIN).status == 60
    assert ask("/cgi-bin/run/a%2Fadmin", cgi="cgi-bin", location=ADMIN).body == b"/a/admin\n"
