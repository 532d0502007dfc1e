"""Scripts as people have them who come from other servers: each runs as it is, whichever worker it comes to."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.serve.certificates import fingerprint, make_certificate
from tests.serve.sharing import shared_daemon
from tests.support.waiting import wait_for

SCRIPTS = Path(__file__).parent / "scripts"
CONFIG = """
workers = {workers}
[cgi]
environment = { DATA = "{tmp}/data-of-scripts" }
[limits]
cgi = 40
cgi-per-address = 20
[[host]]
name = "localhost"
root = "{root}"
index = ["index.gmi", "index.cgi"]
[[host.location]]
path = "/jetforce"
cgi = ["jetforce/*.py", "jetforce/*.sh"]
cgi-after = 30
[[host.location]]
path = "/gmid"
cgi = "gmid"
cgi-dialect = "gmid"
[[host.location]]
path = "/molly-brown"
cgi = "."
cgi-dialect = "molly-brown"
[[host.location]]
path = "/gemserv"
cgi = "gemserv"
cgi-dialect = "gemserv"
[[host.location]]
path = "/register"
script = "{tmp}/outside/register.py"
cgi-dialect = "gmcapsule"
"""
TIMES = 12


@pytest.fixture(scope="module", params=[2, 4], ids="{} workers".format)
def daemon(request, tmp_path_factory):
    """Serves all of them."""
    folder = tmp_path_factory.mktemp("programs")
    shutil.copytree(SCRIPTS, folder / "capsule")
    (folder / "capsule/gmcapsule").rename(folder / "outside")
    (folder / "data-of-scripts").mkdir()
    with shared_daemon(folder, CONFIG.replace("{workers}", str(request.param))) as daemon:
        daemon.expect("after its answer, which is whole")
        yield daemon


@pytest.fixture
def ada(tmp_path):
    """Somebody with a certificate; its fingerprint comes along."""
    certificate, _ = make_certificate(tmp_path / "ada.pem")
    return tmp_path / "ada.pem", fingerprint(certificate)


@pytest.fixture
def ask(daemon):
    """Ask many times, several at once: all answers are complete and the same, which is given."""

    def ask(path, cert=None):
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: daemon.ask(path, cert=cert), range(TIMES)))
        assert all(answer.complete for answer in answers)
        assert len({answer.raw for answer in answers}) == 1
        return answers[0].raw.decode().replace("\r\n", "\n")

    return ask


# Jetforce


def test_sh_whose_last_command_finds_nothing(ask, daemon):
    assert ask("/jetforce/search.sh") == "10 What for?\n"
    assert ask("/jetforce/search.sh?AP") == "20 text/plain\nFound in /jetforce/search.sh:\napple\nApricot\n"
    assert ask("/jetforce/search.sh?plum") == "20 text/plain\nFound in /jetforce/search.sh:\n"
    assert "script /jetforce/search.sh exited with code 1 after its answer, which is whole" in daemon.errors


def test_sh_whose_last_line_is_a_test(ask):
    assert ask("/jetforce/greet.sh") == "20 text/gemini\n# Good day\n"
    assert ask("/jetforce/greet.sh?Ada") == "20 text/gemini\n# Good day\nAnd to you, Ada\n"


def test_sh_that_works_on_in_the_background(daemon):
    path = daemon.folder / "data-of-scripts/later.txt"
    answers = [daemon.ask(f"/jetforce/later.sh?{number}") for number in range(TIMES)]
    assert {answer.raw for answer in answers} == {b"20 text/plain\r\nIt will be done.\n"}
    expected = sorted(map(str, range(TIMES)))
    wait_for(lambda: path.exists() and sorted(path.read_text().split()) == expected, "all to be done")


def test_python_with_a_guest_book(ask, daemon, ada):
    cert, _ = ada
    assert ask("/jetforce/guestbook.py") == "60 Who are you?\n"
    assert ask("/jetforce/guestbook.py/sign", cert=cert) == "10 Your line\n"
    lines = [f"line {number}" for number in range(TIMES)]
    with ThreadPoolExecutor(4) as pool:
        paths = ["/jetforce/guestbook.py/sign?" + line.replace(" ", "%20") for line in lines]
        signed = list(pool.map(lambda path: daemon.ask(path, cert=cert), paths))
    assert {answer.header for answer in signed} == {"30 /jetforce/guestbook.py"}
    page = ask("/jetforce/guestbook.py", cert=cert).splitlines()
    assert page[:3] == ["20 text/gemini", "# Guest book", "=> /jetforce/guestbook.py/sign Sign it"]
    assert sorted(page[3:]) == sorted(f"* Ada: {line}" for line in lines)


def test_python_that_forgets_its_environment_and_runs_others(ask):
    answer = ask("/jetforce/sorted.py?b,a,c").split("\n")
    assert answer[:4] == ["20 text/plain", "c", "b", "a"]
    assert int(answer[4]) <= 1  # Python itself may add LC_CTYPE


def test_python_with_processes(ask):
    assert ask("/jetforce/sums.py") == f"20 text/plain\n{sum(n * n for n in range(100))}\nfrom a child\n"


# gmid


def test_perl_that_parses_its_parameters_as_cgi_pm_does(ask, need_program):
    need_program("perl")
    assert ask("/gmid/params.pl") == "10 name=...&name=...\n"
    assert ask("/gmid/params.pl?b=2&a=x+y%21&b=%26") == "20 text/gemini\n* a: x y!\n* b: 2, &\n"


def test_perl_that_counts_over_all_workers(daemon, need_program):
    need_program("perl")
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: daemon.ask("/gmid/counter.pl").text, range(20)))
    assert sorted(map(int, answers)) == list(range(1, 21))


def test_lua_that_knows_its_visitor(ask, ada, need_program):
    need_program("lua")
    cert, digest = ada
    assert ask("/gmid/whoami.lua") == "60 A certificate, please\n"
    assert (
        ask("/gmid/whoami.lua", cert=cert)
        == f"20 text/gemini\n# You are Ada\n=> /gmid/whoami.lua/{digest[:8]} Your page\n"
    )


# Molly Brown


def test_awk_that_is_the_index_of_its_directory(ask, need_program):
    need_program("awk")
    table = "20 text/gemini\n# sizes.tsv\n```\nnorth       17\nsouth       30\n```\n"
    assert ask("/molly-brown/") == table
    assert ask("/molly-brown/index.cgi/sizes.tsv") == table
    assert ask("/molly-brown/index.cgi/a/b") == "51 There is no such table\n"
    assert ask("/molly-brown/sizes.tsv") == "20 text/tab-separated-values\nnorth\t12\nsouth\t30\nnorth\t5\n"


def test_sh_that_compares_auth_type(ask, ada):
    cert, digest = ada
    assert ask("/molly-brown/member.sh") == "60 Members only\n"
    assert ask("/molly-brown/member.sh", cert=cert) == f"20 text/plain\nmember {digest[:8]}\n"


# gemserv


def test_php_with_a_form(ask, need_program):
    need_program("php")
    assert ask("/gemserv/form.php") == "10 city=...&units=...\n"
    assert ask("/gemserv/form.php?units=x") == "40 Where?\n"
    expected = "20 text/gemini; lang=en\n# São Paulo\nUnits: metric\nBy /gemserv/form.php\n"
    assert ask("/gemserv/form.php?city=S%C3%A3o+Paulo") == expected


# GmCapsule


def test_python_with_accounts_at_a_path_of_its_own(ask, daemon, ada):
    cert, digest = ada
    assert ask("/register") == "60 Choose a certificate\n"
    assert ask("/register", cert=cert) == "30 /register/name\n"
    assert ask("/register/name", cert=cert) == "10 Your name\n"
    assert ask("/register/none", cert=cert) == "51 There is no such page\n"
    assert ask("/register/name?Ada%20L.", cert=cert) == "30 /register/\n"
    assert ask("/register/", cert=cert) == f"20 text/gemini\n# Ada L.\nCertificate {digest[:8]}\n"
