"""A capsule of gmid's, and one of Molly Brown's, served by what their configurations become: the answers are theirs."""

import pytest

from gemd.gemctl.foreign.imports import IMPORTERS
from gemd.gemctl.foreign.writing import write_outline

GMID = """
index_page = "index.gmi"
server "localhost" {{
    listen on 127.0.0.1 port 1
    cert "/c.pem"
    key "/k.pem"
    root "{root}"
    index $index_page
    location "/listed/*" {{ auto index on }}
    location "/listed/deep/*" {{ lang it }}
    location "/old/*" {{ strip 1; block return 31 "/new%p" }}
    location "/moved/*" {{ block return 30 "/index.gmi" }}
    location "/gone.gmi" {{ block return 52 "It is gone" }}
    location "/files/*" {{ root "{other}"; strip 1 }}
}}
"""
MOLLY = """
Hostname = "localhost"
DocBase = "{root}"
HomeDocBase = "users"
DefaultLang = "fi"
DirectoryTitles = true
[TempRedirects]
"^/old/(.*)$" = "/new/$1"
[PermRedirects]
"^/log$" = "/listed/"
[CertificateZones]
"^/zone/" = ["{fingerprint}"]
"""


@pytest.fixture
def serve_imported(configure, tmp_path):
    """gemd by the imported configuration, which listens elsewhere and makes its own certificate and logs."""

    def serve_it(server, text):
        lines = write_outline(IMPORTERS[server](text, "some.conf")).splitlines()
        host = lines.index("[[host]]")
        mine = [line for line in lines[host:] if not line.startswith(("certificate =", "key =", "check-port"))]
        return configure("\n".join(mine))

    return serve_it


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "imported"
    pages = ["index.gmi", "listed/a.gmi", "listed/deep/b.gmi", "unlisted/c.gmi", "gone.gmi", "zone/d.gmi"]
    for page in (*pages, "users/gus/e.gmi"):
        (root / page).parent.mkdir(parents=True, exist_ok=True)
        (root / page).write_text(f"# {page}\n")
    (root / "listed/.mollyhead").write_text("# A head\n")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/f.gmi").write_text("# other\n")
    for directory in (tmp_path, *root.rglob("*")):
        directory.chmod(0o755)
    return root


def headers_of(gemd, *paths):
    return [gemd.ask(path).header for path in paths]


def test_a_capsule_of_gmids(serve_imported, root, tmp_path):
    gemd = serve_imported("gmid", GMID.format(root=root, other=tmp_path / "other"))
    assert headers_of(gemd, "/", "/unlisted/", "/listed/", "/listed/deep/b.gmi", "/listed/deep/") == [
        "20 text/gemini", "51 Not found", "20 text/gemini", "20 text/gemini; lang=it", "20 text/gemini; lang=it",
    ]  # fmt: skip
    assert headers_of(gemd, "/old/a/b.gmi", "/moved/x", "/gone.gmi") == [
        "31 /new/a/b.gmi", "30 /index.gmi", "52 It is gone",
    ]  # fmt: skip
    assert gemd.ask("/files/f.gmi").text == "# other\n"


def test_a_capsule_of_molly_browns(serve_imported, root):
    gemd = serve_imported("molly-brown", MOLLY.format(root=root, fingerprint="0" * 64))
    assert headers_of(gemd, "/", "/old/a/b.gmi", "/log") == [
        "20 text/gemini; lang=fi", "30 /new/a/b.gmi", "31 /listed/",
    ]  # fmt: skip
    assert [gemd.ask(path).status for path in ("/zone/d.gmi", "/zone/", "/none")] == [60, 60, 51]
    assert gemd.ask("/~gus/e.gmi").header == "30 /users/gus/e.gmi"
    listing = gemd.ask("/listed/").text
    assert listing.startswith("# A head\n")
    assert "=> a.gmi listed/a.gmi" in listing
