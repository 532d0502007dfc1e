"""Programs of others that answer by FastCGI and SCGI: fcgiwrap, php-fpm, flup and the package scgi."""

import hashlib
import random
import re
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.programs.peers import GATEWAYS, start_fcgiwrap, start_flup, start_php, start_scgi
from tests.serve.certificates import fingerprint, make_certificate
from tests.serve.conftest import read_answer
from tests.serve.sharing import shared_daemon
from tests.support.waiting import wait_for

CONFIG = """
workers = 2
[[host]]
name = "localhost"
root = "{root}"
[[host.location]]
path = "/cgi"
titan = { public = true, types = ["*/*"] }
root = "{root}/cgi"
fastcgi = { to = "unix:{tmp}/wrap.sock", dialect = "http", strip = 2 }
[[host.location]]
path = "/gemini"
root = "{root}/cgi"
fastcgi = { to = "unix:{tmp}/wrap.sock", strip = 2 }
[[host.location]]
path = "/php"
titan = { public = true, types = ["*/*"] }
root = "{root}/php"
fastcgi = { to = "unix:{tmp}/php.sock", dialect = "http", strip = 2 }
[[host.location]]
path = "/site"
fastcgi = { to = "unix:{tmp}/php.sock", dialect = "http", params = { SCRIPT_FILENAME = "{root}/php/index.php" } }
[[host.location]]
path = "/flup"
titan = { public = true, types = ["*/*"] }
fastcgi = { to = "unix:{tmp}/fastcgi.sock", dialect = "http" }
[[host.location]]
path = "/pair"
fastcgi = { to = ["unix:{tmp}/fastcgi1.sock", "unix:{tmp}/fastcgi2.sock"], dialect = "http" }
[[host.location]]
path = "/flupscgi"
titan = { public = true, types = ["*/*"] }
scgi = { to = "unix:{tmp}/scgi.sock", dialect = "http" }
[[host.location]]
path = "/scgi"
titan = { public = true, types = ["*/*"] }
scgi = { to = "{scgi}" }
"""
PROXY_FAILED = "43 The server behind this one did not answer as it should"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where all of them are, and their files."""
    folder = tmp_path_factory.mktemp("gateways")
    shutil.copytree(GATEWAYS / "cgi", folder / "capsule/cgi")
    shutil.copytree(GATEWAYS / "php", folder / "capsule/php")
    return folder


@pytest.fixture(scope="module")
def scgi_listener():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture(scope="module")
def daemon(folder, scgi_listener):
    """In front of all of them, whichever there are."""
    text = CONFIG.replace("{scgi}", f"127.0.0.1:{scgi_listener.getsockname()[1]}")
    with shared_daemon(folder, text) as daemon:
        daemon.expect("the application at ")
        yield daemon


@pytest.fixture
def complaints(daemon):
    before = daemon.errors
    return lambda: daemon.errors.removeprefix(before)


@pytest.fixture
def run():
    """Run a program until the test is over."""
    started = []

    def run(peer):
        started.append(peer)
        return peer.wait_until_ready()

    yield run
    for peer in started:
        peer.stop()


@pytest.fixture
def fcgiwrap(need_program, run, folder):
    return run(start_fcgiwrap(need_program("fcgiwrap"), folder))


@pytest.fixture
def php(need_program, run, folder):
    found = sorted(Path("/usr/sbin").glob("php-fpm*"))
    return run(start_php(str(found[0]) if found else need_program("php-fpm"), folder))


@pytest.fixture(params=["/flup", "/flupscgi"])
def flup(request, run, folder):
    pytest.importorskip("flup.server.fcgi")
    run(start_flup(folder, {"/flup": "fastcgi", "/flupscgi": "scgi"}[request.param]))
    return request.param


def ask_many(daemon, path, times=20):
    """Several at once: all answers are complete and the same, which is given."""
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: daemon.ask(path), range(times)))
    assert all(answer.complete for answer in answers)
    assert len({answer.raw for answer in answers}) == 1
    return answers[0]


def test_fcgiwrap_runs_scripts_of_the_web(daemon, fcgiwrap, complaints):
    answer = ask_many(daemon, "/cgi/web.sh/a%20b?x=y")
    assert (answer.header, answer.text) == ("20 text/plain", "GET|/cgi/web.sh|/a b|x=y\n")
    assert wait_for(lambda: " says: asked for /a b\n" in complaints(), "complaints")
    answer = daemon.ask("/cgi/large.sh")
    assert (answer.header, answer.body, answer.complete) == ("20 application/octet-stream", bytes(3_000_000), True)


def test_fcgiwrap_runs_scripts_of_gemini(daemon, fcgiwrap):
    """It takes all for a header until an empty line comes, and ends these lines with CR LF."""
    answer = ask_many(daemon, "/gemini/gemini.sh/a")
    assert (answer.header, answer.text) == ("20 text/gemini", "# /a\r\n")


def test_fcgiwrap_says_what_fails(daemon, fcgiwrap, complaints):
    assert daemon.ask("/cgi/fails.sh").header == "41 Service Unavailable"
    assert daemon.ask("/cgi/none.sh").status in (50, 51)
    assert daemon.ask("/cgi/mute.sh").header in (PROXY_FAILED, "43 Bad Gateway")
    assert daemon.ask("/gemini/none.sh").header == PROXY_FAILED
    assert "which is a header of HTTP: that is the dialect 'http'" in complaints()
    assert daemon.ask("/cgi/.hidden.sh").status == 51
    assert daemon.ask("/cgi/%2e%2e%2findex.gmi").status == 59
    assert daemon.ask("/cgi/x%2fweb.sh").status == 51


def test_php_answers(daemon, php, tmp_path):
    answer = ask_many(daemon, "/php/page.php/info?a=b")
    assert answer.header == "20 text/gemini;charset=UTF-8"
    lines = answer.text.splitlines()
    assert lines[:3] == ["# PHP by GET", "/php/page.php|/info|a=b|/php/page.php/info?a=b", "nobody"]
    assert lines[3] == f"=> https://localhost:{daemon.port}/ home by on"
    certificate, _ = make_certificate(tmp_path / "ada.pem")
    answer = daemon.ask("/php/page.php", cert=tmp_path / "ada.pem")
    assert f"\nSHA256:{fingerprint(certificate).upper().removeprefix('SHA256:')}\n" in answer.text
    assert daemon.ask("/php/moved.php").header == f"31 {daemon.url('/php/page.php?from=here')}"
    assert daemon.ask("/php/gone.php").raw == b"52 Gone\r\n"
    assert daemon.ask("/php/members.php").status == 50
    assert daemon.ask("/php/members.php", cert=tmp_path / "ada.pem").status == 61
    answer = daemon.ask("/php/large.php")
    assert (len(answer.body), answer.body[-1000:-996], answer.complete) == (5_000_000, b"4999", True)


def test_php_answers_for_a_whole_location(daemon, php):
    answer = ask_many(daemon, "/site/any/page")
    assert answer.text == "/site|/any/page|index.php\n"
    assert daemon.ask("/site").text == "/site||index.php\n"


def test_php_says_what_fails(daemon, php, complaints):
    assert daemon.ask("/php/none.php").raw == b"51 Not Found\r\n"
    assert "says: Primary script unknown" in complaints()
    answer = daemon.ask("/php/broken.php")
    assert (answer.raw, answer.complete) == (b"43 Internal Server Error\r\n", True)
    assert "undefined function no_such_function()" in complaints()
    answer = daemon.ask("/php/killed.php")
    assert answer.raw.startswith(b"20 text/plain;charset=UTF-8\r\nbegun\n")
    assert not answer.complete
    assert daemon.ask("/php/page.php").complete


def test_one_that_comes_back_is_asked_again(daemon, run, need_program, folder, complaints):
    program = need_program("fcgiwrap")
    run(start_fcgiwrap(program, folder)).stop()
    assert daemon.ask("/cgi/web.sh").header == PROXY_FAILED
    assert re.search(r"/wrap\.sock.* can't be reached: No such file or directory", complaints())
    run(start_fcgiwrap(program, folder))
    assert daemon.ask("/cgi/web.sh").complete


def test_flup_answers(daemon, flup):
    answer = ask_many(daemon, f"{flup}/hello?x%20y")
    assert (answer.header, answer.text) == ("20 text/gemini; lang=en", "# Hello by https\nx%20y")
    assert daemon.ask(f"{flup}/away").header == f"30 {daemon.url(f'{flup}/hello?again')}"
    assert daemon.ask(f"{flup}/none").raw == b"51 Not Found\r\n"
    answer = daemon.ask(f"{flup}/pieces")
    assert (answer.text, answer.complete) == ("".join(f"{number}\n" for number in range(20_000)), True)
    assert daemon.ask(f"{flup}/raises").raw == b"43 Internal Server Error\r\n"


def test_the_package_scgi_answers(daemon, run, folder, scgi_listener):
    pytest.importorskip("scgi.scgi_server")
    run(start_scgi(folder, scgi_listener))
    answer = ask_many(daemon, "/scgi/a%20b?x%20y")
    assert (answer.header, answer.text) == ("20 text/plain", "GEMINI|/scgi|/a b|x%20y|1\n")
    assert daemon.ask("/scgi/ask").header == "10 Your name"
    assert daemon.ask("/scgi/raises").header == PROXY_FAILED
    assert daemon.ask("/scgi/x").complete


def test_one_of_two_that_is_killed_takes_no_more_along_than_was_asked_of_it(daemon, run, folder):
    pytest.importorskip("flup.server.fcgi")
    first, second = [run(start_flup(folder, "fastcgi", number)) for number in "12"]
    threads, times, statuses = 4, 50, []

    def ask(number):
        if number == times:
            second.stop()
        statuses.append(daemon.ask("/pair/hello?x%20y").status)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(ask, range(4 * times)))
    assert set(statuses) <= {20, 43}
    assert statuses.count(43) <= threads
    run(start_flup(folder, "fastcgi", "2"))
    first.stop()
    assert [daemon.ask("/pair/hello").status for _ in range(8)] == [20] * 8


# Uploads

BODY = random.Random(9).randbytes(3_000_000)


def upload(daemon, path, body=BODY):
    """What is said to an upload."""
    with daemon.tls() as tls:
        line = f"titan://localhost:{daemon.port}{path};size={len(body)};mime=image/png\r\n"
        tls.sendall(line.encode() + body)
        answer = read_answer(tls)
    assert answer.complete
    return answer.text.strip()


SAID = f"POST {len(BODY)} image/png {hashlib.sha256(BODY).hexdigest()}"


def test_fcgiwrap_has_scripts_read_what_is_uploaded(daemon, fcgiwrap):
    assert upload(daemon, "/cgi/upload.sh") == SAID


def test_php_reads_what_is_uploaded(daemon, php):
    assert upload(daemon, "/php/upload.php") == SAID


def test_flup_reads_what_is_uploaded(daemon, flup):
    assert upload(daemon, f"{flup}/upload") == SAID


def test_the_package_scgi_reads_what_is_uploaded(daemon, run, folder, scgi_listener):
    pytest.importorskip("scgi.scgi_server")
    run(start_scgi(folder, scgi_listener))
    assert upload(daemon, "/scgi/upload") == SAID.replace("POST", "TITAN")
