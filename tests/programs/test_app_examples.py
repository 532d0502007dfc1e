"""Applications as Jetforce's documentation shows them: a directory with scripts of its own, routes before it."""

import pytest

from tests.serve.certificates import make_certificate

from .serving import EVERYWHERE, name_combination, serve_programs

TRIES = 6


@pytest.fixture(scope="module", params=EVERYWHERE, ids=name_combination)
def programs(request, tmp_path_factory):
    with serve_programs(tmp_path_factory.mktemp("programs"), request.param, "files") as programs:
        (programs.data / "index.gmi").write_text("# Files\n")
        (programs.data / "members").mkdir()
        (programs.data / "members/list.gmi").write_text("# Members\n")
        (programs.data / "cgi-bin").mkdir()
        for name in ("elsewhere.sh", "cgi-bin/here.sh"):
            (programs.data / name).write_text('#!/bin/sh\nprintf "20 text/plain\\r\\n"\necho "for $GEMINI_URL"\n')
            (programs.data / name).chmod(0o755)
        yield programs


def test_files(programs):
    assert programs.ask("files").text == "# Files\n"
    assert programs.ask("files", "/index.gmi").header == "20 text/gemini"
    assert programs.ask("files", "/none").status == 51


def test_scripts(programs):
    port = programs.daemon.port
    for path in ("/script", "/cgi-bin/here.sh"):
        texts = programs.ask_all("files", *[path] * TRIES)
        assert set(texts) == {f"for gemini://files.example:{port}{path}\n"}


def test_redirects(programs):
    assert programs.ask("files", "/old/a/b").header == "31 /new/a/b"


def test_members(programs, tmp_path):
    make_certificate(tmp_path / "ada.pem")
    assert programs.ask("files", "/members/list.gmi").header == "60 Members only"
    assert programs.ask("files", "/members/list.gmi", cert=tmp_path / "ada.pem").text == "# Members\n"
