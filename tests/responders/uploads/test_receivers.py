"""Uploads by way of the router, as far as what they are for."""

import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from gemd.protocol.errors import GeminiError
from gemd.protocol.response import Response
from gemd.protocol.upload import Intake
from gemd.responders.router import Router
from tests.responders.asking import request
from tests.support.pump import Pump

from .sending import upload

MIME_TABLE = {".gmi": "text/gemini", ".txt": "text/plain", ".pem": "text/plain"}
ANYBODY = {"public": True, "delete": True}


@pytest.fixture
def put(configure):
    """The answer of a host with these keys to an upload."""

    def put(url, body=b"", private=(), **keys):
        router = Router(configure(**keys), MIME_TABLE, None, private=private)
        with Pump() as pump:
            try:
                taken = router.respond(request(url))
                if isinstance(taken, Intake):
                    response, _ = upload(pump, taken, body)
                else:
                    response = taken if isinstance(taken, Response) else pump.settle(taken)
            except GeminiError as refusal:
                response = Response(refusal.status, refusal.meta)
        return int(response.status), response.meta

    return put


def test_a_file(put, capsule):
    assert put("titan://h/new.gmi;size=5", b"hello", titan=ANYBODY) == (30, "gemini://h/new.gmi")
    assert (capsule / "new.gmi").read_bytes() == b"hello"
    assert put("titan://h/new.gmi;size=0", titan=ANYBODY) == (20, "text/gemini")
    assert not (capsule / "new.gmi").exists()


def test_a_text_that_is_to_be_edited(put):
    assert put("titan://h/page.gmi;edit", titan=ANYBODY) == (20, "text/gemini")
    assert put("titan://h/.hidden.gmi;edit", titan=ANYBODY)[0] == 59


def test_what_protects_the_file_protects_its_text(put, capsule):
    """A link in the place of the location leads to where others may not go."""
    (capsule / "dir").rename(capsule / "kept")
    (capsule / "dir").symlink_to("kept")
    assert put("titan://h/dir/page.gmi;edit", titan=ANYBODY)[0] == 50


def test_a_location_below_decides_for_itself(put, capsule):
    location = [{"path": "/dir", "titan": False}]
    assert put("titan://h/dir/a.gmi;size=5", b"hello", titan=ANYBODY, location=location)[0] == 53
    assert put("titan://h/a.gmi;size=5", b"hello", titan=ANYBODY, location=location)[0] == 30


def test_other_hosts_have_what_is_theirs(put, capsule):
    other = {"name": "other", "root": str(capsule / "dir")}
    assert put("titan://h/dir/a.gmi;size=5", b"hello", titan=ANYBODY, hosts=[other])[0] == 50
    other = {"name": "other", "root": str(capsule), "cgi": "dir"}
    assert put("titan://h/dir/a.gmi;size=5", b"hello", titan=ANYBODY, hosts=[other])[0] == 50
    assert put("titan://h/a.gmi;size=5", b"hello", titan=ANYBODY, hosts=[other])[0] == 30


def test_files_of_the_server_are_left_alone(put, capsule):
    (capsule / "key.pem").write_text("SECRET")
    private = [str(capsule / "key.pem")]
    assert put("titan://h/key.pem;size=5;mime=text/plain", b"hello", private=private, titan=ANYBODY)[0] == 50
    assert put("titan://h/key.pem;size=0", private=private, titan=ANYBODY)[0] == 50
    assert (capsule / "key.pem").read_text() == "SECRET"


def test_the_configuration_is_one_of_them(configure, capsule):
    (capsule / "gemd.txt").write_text("the configuration")
    config = configure(titan=ANYBODY)
    router = Router(replace(config, source=str(capsule / "gemd.txt")), MIME_TABLE, None)
    with pytest.raises(GeminiError, match="belongs to the server"):
        router.respond(request("titan://h/gemd.txt;size=5;mime=text/plain"))
    assert Path(capsule / "gemd.txt").read_text() == "the configuration"


LOOK = """
import sys
import gemd.worker.main, gemd.startup.command, gemd.startup.serve
from gemd.responders.router import Router
from tests.config.reading import parse

Router(parse(sys.argv[1]), {}, None)
from_there = "gemd.responders.uploads.", "gemd.worker.upload", "gemd.system.upload"
also = "gemd.worker.incoming", "gemd.system.spool", "gemd.system.part_sweep", "gemd.responders.app.upload_file"
also += "gemd.config.upload_checks", "gemd.protocol.titan"
print(*(name for name in sys.modules if name.startswith(from_there) or name in also))
"""


def test_nobody_pays_for_uploads_who_takes_none():
    """What is in every process says what they are, and reads who may."""

    def look(table):
        text = f'[[host]]\nname = "h"\nroot = "/srv"\n{table}\n'
        return subprocess.run(
            [sys.executable, "-c", LOOK, text], capture_output=True, text=True, check=True
        ).stdout.split()

    assert look("") == []
    assert "gemd.system.spool" in look("titan = { public = true }")
