"""Uploads that are refused before their body is read, and what the logs say of all of them."""

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.support.waiting import wait_for

from .certificates import DAY, NOW, fingerprint, make_certificate
from .sharing import shared_daemon

CONFIG = """
[log]
queries = "full"
level = "debug"
[[host]]
name = "localhost"
root = "{root}"
titan = { allow = ["SHA256:%s"], max-size = 1000000 }
  [[host.location]]
  path = "/public/"
  titan = { public = true, tokens = ["hunter2", "sesame"], max-size = 10, types = ["text/plain"] }
  errors = { 59 = "See the rules" }
  [[host.location]]
  path = "/club/"
  client-certificate = "any"
  titan = { public = true }
  [[host.location]]
  path = "/ca/"
  titan = { allow = { ca = "{tmp}/ca.pem" }, delete = true }
  errors = { 61 = "For members" }
  [[host.location]]
  path = "/never/"
  titan = false
  [[host.location]]
  path = "/slow/"
  titan = { public = true, tokens = ["hunter2"] }
  rate = "3/1h"
[[host]]
name = "other.example"
root = "{root}"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the one daemon of this module has, and its clients' certificates by name."""
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="module")
def daemon(folder):
    ada, _ = make_certificate(folder / "ada.pem")
    make_certificate(folder / "bob.pem", "Bob")
    make_certificate(folder / "late.pem", end=NOW - DAY / 2)
    authority = make_certificate(folder / "authority.pem", "Authority")
    (folder / "ca.pem").write_bytes(authority[0].public_bytes(Encoding.PEM))
    make_certificate(folder / "member.pem", "Member", issuer=authority)
    for name in ("public", "club", "ca", "never", "slow"):
        (folder / "capsule" / name).mkdir(parents=True)
        (folder / "capsule" / name / "page.gmi").write_text("before\n")
    with shared_daemon(folder, CONFIG % fingerprint(ada)) as daemon:
        yield daemon


@pytest.fixture
def send(daemon, folder):
    """The answer to an upload by whoever has this certificate."""

    def send(path, parameters, body=b"", person=None, **options):
        url = f"titan://localhost:{daemon.port}{path}{parameters}"
        return daemon.send(f"{url}\r\n".encode() + body, cert=person and folder / f"{person}.pem", **options)

    return send


REFUSED = [
    (None, "/page.gmi", ";size=5", 60, "A client certificate is required"),
    ("bob", "/page.gmi", ";size=5", 61, "The client certificate is not authorised"),
    ("late", "/page.gmi", ";size=5", 62, "The client certificate is not valid, or not valid now"),
    ("bob", "/ca/page.gmi", ";size=5", 61, "For members"),
    ("bob", "/page.gmi", ";edit", 61, "The client certificate is not authorised"),
    ("ada", "/page.gmi", "", 59, "An upload says how much it is, behind the path: ;size=N in bytes"),
    ("ada", "/page.gmi", ";size=5;size=5", 59, "The parameter size is there twice"),
    ("ada", "/page.gmi", ";size=+5", 59, "The parameter size has 1 to 15 digits, and nothing else"),
    ("ada", "/page.gmi", ";size=1000001", 59, "At most 1000000 bytes may be uploaded here"),
    ("ada", "/page.gmi", ";size=5;mime=image/png", 59, "A file of this name is text/gemini"),
    ("ada", "/page.png", ";size=5;mime=image/png", 59, "A file of this name would be image/png"),
    ("ada", "/page.gmi", ";size=0", 59, "Nothing may be deleted here, which an upload of no bytes is for"),
    (
        "ada",
        "/page.gmi",
        ";size=5;x=1",
        59,
        "An upload has the parameters size, mime, token and edit, in lower case, and",
    ),
    ("ada", "/never/page.gmi", ";size=5", 53, "No uploads are taken here"),
    ("ada", "/%6Eever/page.gmi", ";size=5", 53, "No uploads are taken here"),
    ("ada", "/x/../never//page.gmi", ";size=5", 53, "No uploads are taken here"),
    ("ada", "/%2Fnever%2fpage.gmi", ";size=5", 53, "No uploads are taken here"),
    (None, "/club/page.gmi", ";size=5", 60, "A client certificate is required"),
    (None, "/public/page.txt", ";size=5;mime=text/plain", 50, "A valid token is needed"),
    (None, "/public/page.txt", ";size=5;mime=text/plain;token=hunter3", 50, "A valid token is needed"),
    (None, "/public/page.txt", ";size=11;token=hunter2", 59, "See the rules"),
]


@pytest.mark.parametrize("body", [b"", b"after", b"x" * 300_000], ids=["waiting", "with it", "with much"])
def test_each_refusal_is_heard_and_nothing_changes(daemon, send, folder, body):
    before = {path: path.read_bytes() for path in sorted((folder / "capsule").rglob("*")) if path.is_file()}
    for person, path, parameters, status, said in REFUSED:
        answer = send(path, parameters, body, person)
        assert (answer.status, answer.complete) == (status, True), (path, parameters)
        assert answer.meta.startswith(said)
    assert {path: path.read_bytes() for path in sorted((folder / "capsule").rglob("*")) if path.is_file()} == before


def test_the_name_in_the_handshake_and_the_port_have_to_fit(daemon, send):
    assert send("/page.gmi", ";size=5", name="other.example").header.startswith("53 The URL names another host")
    line = f"titan://localhost:{daemon.port + 1}/page.gmi;size=5\r\n".encode()
    assert daemon.send(line).header == f"53 This port is not served here, only {daemon.port} is"
    line = f"titan://other.example:{daemon.port}/page.gmi;size=5\r\n".encode()
    assert daemon.send(line, name="other.example").header == "53 No uploads are taken here"
    assert daemon.send(b"titan://foreign.example/page.gmi;size=5\r\n").header == "53 This scheme is not served here"


def test_guesses_at_a_token_are_counted(send):
    statuses = [send("/slow/page.gmi", f";size=1;token={guess}").status for guess in ("a", "b", "c", "hunter2")]
    assert statuses == [50, 50, 50, 44]


def test_what_is_right_is_taken(send, folder):
    """By whom an authority vouches for, too, which takes a judgement before the body may come."""
    assert send("/public/new.txt", ";token=hun%74er2;mime=text/plain;size=4", b"page").status == 30
    assert send("/public/new.txt", ";size=4;mime=text/plain;token=sesame", b"more").status == 30
    assert (folder / "capsule/public/new.txt").read_bytes() == b"more"
    assert send("/ca/new.gmi", ";size=6", b"# Page", "member").status == 30
    assert (folder / "capsule/ca/new.gmi").read_bytes() == b"# Page"
    assert send("/ca/new.gmi", ";edit", person="member").body == b"# Page"
    assert send("/ca/new.gmi", ";size=0", person="member").status == 20
    assert not (folder / "capsule/ca/new.gmi").exists()


SPELLINGS = [
    ";size=5;token=hunter2",
    ";token=hunter2;size=5",
    ";size=5;TOKEN=hunter2",
    ";size=5;%74oken=hunter2",
    ";size=5;token%3Dhunter2",
    ";size=5;token=a;token=hunter2",
    ";size=5;token=a;b=hunter2",
    ";size=5;hunter2",
    "%3Btoken=hunter2;size=5",
    ";size=5;token=hunter2 ",
    ";size=5;token=hunter2#a",
    ";size=5;token=\x01hunter2",
    ";size=5;token=hunter2" + "x" * 1024,
    ";token=hunter2;edit",
    ";token=hunter2",
]


def test_no_log_has_a_token_however_it_was_spelled(daemon, send):
    for person, path in ((None, "/public/spelled.gmi"), ("ada", "/spelled.gmi"), (None, "/never/spelled.gmi")):
        for parameters in SPELLINGS:
            send(path, parameters, b"hello", person)
    lines = wait_for(lambda: (found := find_lines(daemon)) and len(found) == 3 * len(SPELLINGS) and found, "all lines")
    assert any(";size=5;token=..." in line for line in lines)
    assert "hunter2" not in "\n".join(daemon.access) + daemon.errors


def find_lines(daemon):
    return [line for line in daemon.access if "spelled" in line]
