"""StaticDirectoryApplication: files as Jetforce serves them, as safely as gemd does."""

import os
import stat

import pytest

from gemd.app import Application, StaticDirectoryApplication
from gemd.system.script_threads import SCRIPT_THREADS
from gemd.testing import Client
from tests.support.descriptors import open_descriptors

from .conftest import load_jetforce


@pytest.fixture
def capsule(tmp_path):
    root = tmp_path / "capsule"
    files = {
        "index.gmi": "# home\n",
        "page.gmi": "page",
        "notes.txt": "notes",
        "archive.tar.gz": "octets",
        "nothing": "octets",
        "dir/a b.gmi": "deep",
        "dir/index.gmi": "# dir",
        "list/one.txt": "1",
        "list/two.txt": "2",
        ".hidden/x.gmi": "SECRET",
        ".well-known/y.gmi": "known",
        "../secret.gmi": "SECRET",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def client(capsule):
    return Client(StaticDirectoryApplication(capsule))


PAGES = ["/", "", "/page.gmi", "/page.gmi/", "/notes.txt", "/archive.tar.gz", "/nothing", "/dir/", "/dir/a%20b.gmi"]


@pytest.mark.parametrize("path", PAGES)
def test_what_is_there_is_served_as_by_jetforce(client, capsule, path):
    theirs = Client(load_jetforce().StaticDirectoryApplication(str(capsule))).get(f"gemini://localhost{path}")
    ours = client.get(f"gemini://localhost{path}")
    assert ours.status == 20
    assert (ours.status, ours.meta, ours.body) == (theirs.status, theirs.meta, theirs.body)


@pytest.mark.parametrize("path", ["/none", "/none/", "/page.gmi/more", "/" + "x" * 300, "/dir/%FF"])
def test_what_is_not_there(client, path):
    answer = client.get(path)
    assert (answer.status, answer.meta) == (51, "Not Found")


def test_a_directory_has_a_slash(client):
    answer = client.get("/dir")
    assert (answer.status, answer.meta) == (31, "/dir/")
    assert client.get("/dir?a%20b&c").meta == "/dir/?a%20b&c"
    assert client.get("/dir", follow_redirects=True).text == "# dir"


def test_a_listing(client):
    answer = client.get("/list/")
    assert (answer.status, answer.meta) == (20, "text/gemini")
    assert "=> one.txt one.txt" in answer.text
    assert "=> ../ .." in answer.text
    assert ".hidden" not in client.get("/").text


SECRETS = ["/../secret.gmi", "/%2e%2e/secret.gmi", "/..%2Fsecret.gmi", "/dir/..%2F..%2Fsecret.gmi", "/.hidden/x.gmi"]


@pytest.mark.parametrize("path", [*SECRETS, "/link.gmi", "/links/secret.gmi", "/pipe"])
def test_nothing_else_is_served(client, capsule, path):
    (capsule / "link.gmi").symlink_to("../secret.gmi")
    (capsule / "links").symlink_to("..")
    os.mkfifo(capsule / "pipe")
    answer = client.get(path)
    assert answer.status in (51, 59)
    assert b"SECRET" not in answer.body


def test_links_within_are_followed_and_well_known_names_are_served(client, capsule):
    (capsule / "link.gmi").symlink_to("page.gmi")
    assert client.get("/link.gmi").text == "page"
    assert client.get("/.well-known/y.gmi").text == "known"


def test_a_large_file_comes_in_chunks_and_is_closed(capsule):
    (capsule / "large").write_bytes(os.urandom(300_000))
    client = Client(StaticDirectoryApplication(capsule))
    before = open_descriptors()
    assert client.get("/large").body == (capsule / "large").read_bytes()
    assert not client.get("/large", most_bytes=1).is_complete
    assert open_descriptors() == before


def test_the_root_has_to_exist(framework, tmp_path):
    with pytest.raises(FileNotFoundError):
        framework.StaticDirectoryApplication(str(tmp_path / "none"))


def test_foreign_requests(client):
    answer = client.get("gemini://localhost:7/")
    assert (answer.status, answer.meta) == (53, "This server does not allow proxy requests")


def test_what_may_be_overridden(capsule):
    class Mine(StaticDirectoryApplication):
        CHUNK_SIZE = 3

        def guess_mimetype(self, filename):
            return "text/x-mine" if filename == "nothing" else super().guess_mimetype(filename)

        def add_extra_parameters(self, meta):
            return super().add_extra_parameters(meta) + "; a=b"

        def load_file(self, filesystem_path):
            return (chunk.upper() for chunk in super().load_file(filesystem_path))

        def list_directory(self, url_path, filesystem_path):
            yield f"{url_path} {filesystem_path.name}".encode()

        def default_callback(self, request, **_):
            raise AssertionError

    app = Mine(capsule, default_lang="en,fr")
    app.mimetypes.add_type("text/x-new", ".new")
    (capsule / "a.new").write_text("n")
    client = Client(app)
    assert client.get("/nothing").meta == "text/x-mine; a=b"
    assert client.get("/a.new").meta == "text/x-new; a=b"
    answer = client.get("/page.gmi")
    assert (answer.meta, answer.text) == ("text/gemini; lang=en,fr; a=b", "PAGE")
    assert client.get("/list/").text == "list list"


def test_another_index(capsule):
    (capsule / "list" / "home.gmi").write_text("here")
    assert Client(StaticDirectoryApplication(capsule, index_file="home.gmi")).get("/list/").text == "here"


def test_routes_beside_files(capsule):
    app = StaticDirectoryApplication(capsule)
    app.route("/page.gmi")(lambda request: app.serve_static_file(request))
    assert isinstance(app, Application)
    assert Client(app).get("/page.gmi").text == "page"


def write_script(capsule, text, name="cgi-bin/script", mode=0o755):
    path = capsule / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(mode)


def test_a_script(client, capsule):
    write_script(
        capsule, 'printf "20 text/plain\\r\\n"; echo "$SCRIPT_NAME|$PATH_INFO|$QUERY_STRING|$REMOTE_ADDR"; env'
    )
    answer = client.get("/cgi-bin/script/more/?a%20b", remote_addr="192.0.2.5")
    assert (answer.status, answer.meta) == (20, "text/plain")
    assert answer.text.splitlines()[0] == "/cgi-bin/script|/more/|a%20b|192.0.2.5"
    assert "GATEWAY_INTERFACE=CGI/1.1" in answer.text
    assert "client_certificate" not in answer.text


@pytest.mark.parametrize(
    ("text", "status"),
    [("echo 51 Nothing", 51), ("echo garbage", 42), ("exit 1", 42), ("", 42)],
)
def test_other_answers_of_scripts(client, capsule, text, status):
    write_script(capsule, text)
    client.get("/cgi-bin/script")  # the threads that start and end scripts have begun
    assert SCRIPT_THREADS.wait(15)
    before = open_descriptors()
    assert client.get("/cgi-bin/script").status == status
    assert SCRIPT_THREADS.wait(15)
    assert open_descriptors() == before


def test_a_script_is_never_shown(client, capsule):
    write_script(capsule, "echo SECRET", mode=0o644)
    assert client.get("/cgi-bin/script").status == 51
    assert client.get("/cgi-bin/").status == 51
    assert stat.S_IMODE((capsule / "cgi-bin/script").stat().st_mode) == 0o644


def test_ones_own_script_runner(capsule):
    from gemd.app import Response

    class Mine(StaticDirectoryApplication):
        def run_cgi_script(self, filesystem_path, environ):
            return Response(20, "text/plain", f"{filesystem_path.name} {environ['SCRIPT_NAME']} {environ['PATH_INFO']}")

    write_script(capsule, "")
    assert Client(Mine(capsule)).get("/cgi-bin/script/x").text == "script /cgi-bin/script /x"


@pytest.mark.parametrize(("cgi_directory", "status"), [("cgi-bin", 51), ("", 20), ("none", 20)])
def test_no_link_shows_a_script(capsule, cgi_directory, status):
    write_script(capsule, "SECRET", mode=0o644)
    (capsule / "link").symlink_to("cgi-bin")
    (capsule / "script").symlink_to("cgi-bin/script")
    (capsule / "cgi-bin/page").symlink_to("../page.gmi")
    client = Client(StaticDirectoryApplication(capsule, cgi_directory=cgi_directory))
    before = open_descriptors()
    for path in ("/link/script", "/script"):
        assert client.get(path).status == status
    assert client.get("/link/page").text == "page"
    assert open_descriptors() == before
