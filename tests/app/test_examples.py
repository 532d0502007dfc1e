"""The examples do what they say. Those of several workers are told with the daemon, in tests/serve."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from gemd.testing import Client, make_certificate

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def load():
    """The module of an example."""

    def load(name):
        spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def test_counter(load):
    client = Client(load("counter").app)
    assert [client.get("/").text for _ in range(2)] == ["# Visitor number 1\n", "# Visitor number 2\n"]


def test_echo(load):
    client = Client(load("echo").app)
    assert (client.get("/").status, client.get("/").meta) == (10, "Say something")
    assert client.get("/", query="a+b & c").text == "You said: a+b & c\n"


def test_guestbook(load, tmp_path):
    client = Client(load("guestbook").build(str(tmp_path / "guestbook.sqlite")))
    alice = make_certificate("Alice")
    assert client.get("/guestbook/sign").status == 60
    assert client.get("/guestbook/sign", client_certificate=alice).status == 10
    assert client.get("/guestbook/sign", query="x" * 501, client_certificate=alice).status == 10
    answer = client.get("/guestbook/sign", query="Hello\n=> x", client_certificate=alice, follow_redirects=True)
    assert "> Hello => x\n" in answer.text
    assert ", Alice\n" in answer.text


def test_pagination(load):
    client = Client(load("pagination").app)
    first = client.get("/", follow_redirects=True)
    assert first.url == "gemini://localhost/page/1"
    assert "=> /page/2 On" in first.text
    assert "Back" not in first.text
    assert "* 95 times 95 is 9025\n=> /page/9 Back\n" in client.get("/page/10").text
    assert client.get("/page/11").status == 51
    assert client.get("/page/0").status == 50


def test_rate_limit(load):
    client = Client(load("rate_limit").app)
    assert [client.get("/dice").status for _ in range(4)] == [20, 20, 20, 44]
    assert client.get("/dice", remote_addr="192.0.2.1").status == 20
    alice = make_certificate("Alice")
    assert [client.get("/vote", client_certificate=alice).status for _ in range(6)] == [20] * 5 + [44]
    assert client.get("/vote").status == 20


def test_redirect(load):
    client = Client(load("redirect").app)
    assert (client.get("/old/a%20b").status, client.get("/old/a%20b").meta) == (31, "/new/a%20b")
    assert client.get("/old/a%20b", follow_redirects=True).text == "This is /a b\n"
    assert client.get("/today").status == 30
    assert client.get("/gone").status == 52


def test_vhost(load):
    client = Client(load("vhost").app)
    hosts = ("apples.example", "pears.example", "plums.example")
    texts = [client.get("/any/path", host=host).text for host in hosts]
    assert texts == ["# Apples\n", "# Pears\n", "# No fruit at plums.example\n"]


def test_no_example_needs_more_than_python_and_gemd():
    names = set(sys.stdlib_module_names) | {"gemd"}
    for path in EXAMPLES.glob("*.py"):
        imports = [line.split()[1] for line in path.read_text().splitlines() if line.startswith(("import ", "from "))]
        assert {name.partition(".")[0] for name in imports} <= names, path


def test_notebook(load, tmp_path):
    client = Client(load("notebook").build(str(tmp_path / "notebook.sqlite3")))
    ada, bob = make_certificate("Ada"), make_certificate("Bob")
    assert client.get("/notebook").meta == "/notebook/"
    assert "None yet." in client.get("/notebook/").text
    assert client.get("/notebook/write").status == 60
    assert client.get("/notebook/write", client_certificate=ada, follow_redirects=True).status == 10
    named = client.get("/notebook/name", query="Ada  L", client_certificate=ada, follow_redirects=True)
    assert (named.status, named.meta) == (10, "Ada L, what shall your page say?")
    assert client.get("/notebook/name", query="Ada L", client_certificate=bob).status == 10
    assert client.get("/notebook/name", query="a/b", client_certificate=bob).status == 10
    written = client.get("/notebook/write", query="Hello", client_certificate=ada, follow_redirects=True)
    assert written.url == "gemini://localhost/notebook/page/Ada%20L"
    assert written.text == "# Ada L\n\nHello\n\n=> ../ All pages\n"
    assert "=> page/Ada%20L Ada L, " in client.get("/notebook/").text
    assert client.get("/notebook/page/Bob").status == 51


WORKERS = """
import os, sys
sys.path.insert(0, sys.argv[1])
from {name} import build

for number in range(40):
    gate, opened = os.pipe()
    workers = []
    for _ in range(6):
        pid = os.fork()
        if pid == 0:
            os.close(opened)
            os.read(gate, 1)  # until all are here
            build(sys.argv[2] + str(number))
            os._exit(0)
        workers.append(pid)
    os.close(opened)
    os.close(gate)
    assert [os.waitpid(pid, 0)[1] for pid in workers] == [0] * 6
"""


@pytest.mark.parametrize("name", ["notebook", "guestbook"])
def test_all_workers_may_make_its_database_at_once(tmp_path, name):
    arguments = [str(EXAMPLES), str(tmp_path / "database")]
    done = subprocess.run([sys.executable, "-c", WORKERS.replace("{name}", name), *arguments], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_a_notebook_that_is_opened_again_has_its_pages(load, tmp_path):
    build = load("notebook").build
    ada = make_certificate("Ada")
    Client(build(str(tmp_path / "pages"))).get("/notebook/name", query="Ada", client_certificate=ada)
    assert client_text(build(str(tmp_path / "pages"))).count("=> page/Ada") == 1


def client_text(app):
    return Client(app).get("/notebook/").text
