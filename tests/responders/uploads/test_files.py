"""Uploads that become files."""

import errno
import os
import threading
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from gemd.config.host_settings import PART_PREFIX
from gemd.protocol.errors import GeminiError, NotFound
from gemd.protocol.response import Response, encode_header
from gemd.protocol.titan import parse_upload
from gemd.protocol.upload import Intake
from gemd.responders.protection import Protection
from gemd.responders.static import StaticFiles
from gemd.responders.uploads import files as module
from gemd.responders.uploads.files import FileUploads
from gemd.system import upload_part
from gemd.system.upload_part import UploadPart
from tests.responders.asking import request
from tests.support.pump import Pump

from .sending import give, upload

MIME_TABLE = {".gmi": "text/gemini", ".txt": "text/plain", ".md": "text/markdown", ".html": "text/html"}
MIME_TABLE |= {".png": "image/png"}
LONG = b"long " * 20_000


@pytest.fixture
def capsule(capsule):
    (capsule / "picture.png").write_bytes(b"\x89PNG")
    return capsule


@pytest.fixture
def put(configure, capsule):
    """Upload to a path of a host with these keys: status, meta and body."""

    def put(path, body=b"hello", *, titan=None, mime=None, size=None, url=None, **keys):
        location = configure(titan={"allow": "any", **(titan or {})}, **keys).hosts[0].locations[-1]
        size = len(body or b"") if size is None else size
        parameters = f";size={size}" + (f";mime={mime}" if mime is not None else "")
        asked = url or f"titan://h{path}{';edit' if body is None else parameters}"
        return answer_to(receiver([location]), asked, location, body)

    return put


def receiver(locations, private=()):
    static = StaticFiles(MIME_TABLE, 50, Protection({}))
    return FileUploads(locations, MIME_TABLE, static, private)


def announce(url):
    found = request(url)
    return msgspec.structs.replace(found, upload=parse_upload(found.url.parameters))


def answer_to(files, url, location, body):
    with Pump() as pump:
        try:
            taken = files(announce(url), location)
            if isinstance(taken, Intake):
                assert taken.size == len(body)
                response, sent = upload(pump, taken, body)
            else:
                response = taken if isinstance(taken, Response) else pump.settle(taken)
                sent = response.body
                if not isinstance(sent, bytes):
                    sent.begin(pump)
                    sent = pump.read(sent)
        except GeminiError as error:
            response, sent = Response(error.status, error.meta), b""
    assert encode_header(response.status, response.meta)
    return int(response.status), response.meta, sent


def parts_in(folder):
    return [path for path in Path(folder).rglob("*") if path.name.startswith(PART_PREFIX)]


@pytest.fixture(autouse=True)
def _nothing_is_left(capsule):
    before = len(os.listdir("/proc/self/fd"))
    yield
    assert parts_in(capsule) == []
    assert len(os.listdir("/proc/self/fd")) == before


# Files


@pytest.mark.parametrize("body", [b"x", b"hello", LONG])
@pytest.mark.parametrize("path", ["/new.gmi", "/page.gmi", "/dir/new.gmi", "/dir//page.gmi"])
def test_a_file_is_stored(path, body, put, capsule):
    assert put(path, body) == (30, f"gemini://h{path}", b"")
    assert (capsule / path[1:]).read_bytes() == body


def test_nothing_is_there_before_all_of_it_is(configure, capsule):
    location = configure(titan={"allow": "any"}).hosts[0].locations[0]
    with Pump() as pump:
        taken = receiver([location])(announce("titan://h/page.gmi;size=100000"), location)
        taken.begin(pump)
        for at in range(0, 99_000, 1000):
            pump.wait_for(SimpleNamespace(descriptors=(), deadline=float("inf")), lambda: taken.is_ready or None)
            taken.take(LONG[at : at + 1000])
            assert (capsule / "page.gmi").read_text() == "page"
        taken.close()
    assert (capsule / "page.gmi").read_text() == "page"


@pytest.mark.parametrize(
    ("url", "meta"),
    [
        ("titan://h:1966/new.gmi;size=5", "gemini://h:1966/new.gmi"),
        ("titan://[2001:db8::1]/new.gmi;size=5", "gemini://[2001:db8::1]/new.gmi"),
        ("TITAN://EXAMPLE.org:1965/./a/../new.gmi;size=5", "gemini://example.org:1965/new.gmi"),
        ("titan://h/%6Eew%20a.gmi;size=5;token=secret", "gemini://h/%6Eew%20a.gmi"),
        ("titan://h/new%3Bsize=7.gmi;size=5", "gemini://h/new%3Bsize=7.gmi"),
    ],
)
def test_the_answer_leads_to_the_page(url, meta, put):
    assert put("", url=url) == (30, meta, b"")


def test_the_longest_url_has_an_answer(put):
    url = "titan://h/" + "a" * 255 + "".join("/" + "b" * 200 for _ in range(3)) + "/" + "c" * 144 + ".gmi;size=5"
    assert len(url) == 1024
    status, meta, _ = put("", url=url, titan={"mkdir": True})
    assert (status, meta) == (30, "gemini" + url[len("titan") : -len(";size=5")])


def test_a_root_that_is_mounted(put, capsule):
    assert put("/new.gmi", root=str(capsule / "dir"))[0] == 30
    assert (capsule / "dir/new.gmi").read_bytes() == b"hello"


def test_missing_directories(put, capsule):
    assert put("/a/b/new.gmi") == (51, "There is no such directory", b"")
    assert put("/a/b/new.gmi", titan={"mkdir": True})[0] == 30
    assert (capsule / "a/b/new.gmi").read_bytes() == b"hello"


REFUSED = [
    ("/", 59, "name of a file"),
    ("/dir/", 59, "name of a file"),
    ("/.hidden.gmi", 59, "dot"),
    ("/.well-known/a.txt", 59, "dot"),
    ("/a%2Fb.gmi", 59, "slash"),
    ("/missing/a.gmi", 51, "no such directory"),
    ("/page.gmi/a.gmi", 51, "no such directory"),
]


@pytest.mark.parametrize(("path", "status", "text"), REFUSED)
def test_refused_before_the_body(path, status, text, configure):
    location = configure(titan={"allow": "any"}).hosts[0].locations[0]
    with pytest.raises(GeminiError, match=text) as caught:
        receiver([location])(announce(f"titan://h{path};size=5;mime=text/gemini"), location)
    assert caught.value.status == status


@pytest.mark.parametrize("name", ["link.gmi", "dangling.gmi"])
def test_links_stay(name, put, capsule):
    (capsule / name).symlink_to("../secret.gmi" if name == "link.gmi" else "nothing.gmi")
    assert put(f"/{name}")[0] == 50
    assert (capsule / name).is_symlink()
    assert (capsule / "../secret.gmi").read_text() == "SECRET"


def test_a_link_to_a_directory_is_not_followed(put, capsule):
    (capsule / "link").symlink_to("../other")
    for titan in ({}, {"mkdir": True}):
        assert put("/link/new.gmi", titan=titan)[0] == 50
        assert put("/link/new/new.gmi", titan=titan)[0] == 50
    assert [path.name for path in (capsule / "../other").iterdir()] == ["secret.gmi"]


def test_a_directory_stays(put, capsule):
    (capsule / "dir.gmi").mkdir()
    assert put("/dir.gmi")[:2] == (50, "There is a directory of this name")


# Types


ALLOWED = {"types": ["text/*", "image/png"]}


@pytest.mark.parametrize(
    ("path", "mime"),
    [
        ("/a.gmi", None),
        ("/a.gmi", "text/gemini"),
        ("/a.gmi", "TEXT/gemini"),
        ("/a.gmi", "text/gemini%3Bcharset=utf-8"),
        ("/a.gmi", "text/plain"),
        ("/a.txt", "text/plain"),
        ("/a.txt", None),
        ("/a.md", "text/markdown"),
        ("/a.md", "text/plain"),
        ("/a.html", "text/plain"),
        ("/a.png", "image/png"),
    ],
)
def test_types_that_fit(path, mime, put):
    assert put(path, mime=mime, titan=ALLOWED)[0] == 30


@pytest.mark.parametrize(
    ("path", "mime", "text"),
    [
        ("/a.gmi", "image/png", "is text/gemini"),
        ("/a.gmi", "text/html", "is text/gemini"),
        ("/a.png", None, "is image/png"),
        ("/a.png", "text/plain", "is image/png"),
        ("/a.png", "image/jpeg", "is image/png"),
        ("/a", "text/gemini", "would be application/octet-stream, and what is taken here is text/*, image/png"),
        ("/a.zip", "text/gemini", "would be application/octet-stream"),
    ],
)
def test_types_that_do_not_fit(path, mime, text, put):
    status, meta, _ = put(path, mime=mime, titan=ALLOWED)
    assert status == 59
    assert text in meta


def test_the_type_by_the_name_has_to_be_allowed_whatever_is_announced(put, capsule):
    status, meta, _ = put("/a.html", mime="text/plain")
    assert status == 59
    assert "would be text/html, and what is taken here is text/gemini, text/plain" in meta
    assert not (capsule / "a.html").exists()


def test_the_extensions_of_a_location_count(configure, capsule):
    location = configure(titan={"allow": "any"}, mime={".wiki": "text/gemini", "*": "text/plain"}).hosts[0].locations[0]
    for path in ("/a.wiki", "/a"):
        assert answer_to(receiver([location]), f"titan://h{path};size=5", location, b"hello")[0] == 30
    assert answer_to(receiver([location]), "titan://h/a.png;size=5", location, b"hello")[0] == 59


# Room


def statvfs(**changed):
    usual = {"f_flag": 0, "f_blocks": 100, "f_bavail": 50, "f_frsize": 1000}
    return lambda _descriptor: SimpleNamespace(**(usual | changed))


@pytest.mark.parametrize(
    ("found", "text", "reason"),
    [
        ({"f_bavail": 0}, "no room", "No space left"),
        ({"f_frsize": 1}, "no room", "No space left"),
        ({"f_flag": os.ST_RDONLY}, "can't be stored here", "Read-only"),
    ],
)
def test_a_disk_without_room_is_told_of_before_the_body(found, text, reason, configure, monkeypatch, caplog):
    monkeypatch.setattr(os, "statvfs", statvfs(**found))
    location = configure(titan={"allow": "any"}).hosts[0].locations[0]
    with pytest.raises(GeminiError, match=text) as caught:
        receiver([location])(announce("titan://h/new.gmi;size=1000"), location)
    assert caught.value.status == 40
    assert reason in caplog.text
    assert "/new.gmi" in caplog.text


@pytest.mark.parametrize("found", [{"f_bavail": 1}, {"f_blocks": 0, "f_bavail": 0}])
def test_one_with_room_or_without_a_number(found, put, monkeypatch):
    monkeypatch.setattr(os, "statvfs", statvfs(**found))
    assert put("/new.gmi", b"x" * 1000)[0] == 30


def test_a_directory_that_cant_be_written_to(put, monkeypatch, caplog):
    monkeypatch.setattr(os, "access", lambda path, *_, **__: path != ".")
    assert put("/new.gmi")[:2] == (40, "Uploads can't be stored here at the moment")
    assert "Permission denied" in caplog.text


def fail_with(code):
    def fail(*_arguments, **_keywords):
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize("body", [b"hello", LONG])
@pytest.mark.parametrize("step", ["posix_fallocate", "write", "fsync", "link"])
def test_a_disk_that_gets_full_leaves_what_there_was(step, body, put, capsule, monkeypatch, caplog):
    monkeypatch.setattr(os, step, fail_with(errno.ENOSPC))
    assert put("/page.gmi", body)[:2] == (40, "There is no room for the upload")
    assert (capsule / "page.gmi").read_text() == "page"
    assert put("/a/b/page.gmi", body, titan={"mkdir": True})[0] == 40
    assert not (capsule / "a").exists()
    assert "No space left" in caplog.text


# What happens meanwhile


def test_what_comes_between_is_looked_at_again(configure, capsule):
    location = configure(titan={"allow": "any"}).hosts[0].locations[0]
    for make, left in ((lambda path: path.mkdir(), 50), (lambda path: path.symlink_to("../secret.gmi"), 50)):
        with Pump() as pump:
            taken = receiver([location])(announce("titan://h/new.gmi;size=5"), location)
            answer = give(pump, taken, b"hello")
            make(capsule / "new.gmi")
            with pytest.raises(GeminiError) as caught:
                pump.settle(answer)
            taken.close()
        assert caught.value.status == left
        (capsule / "new.gmi").rmdir() if (capsule / "new.gmi").is_dir() else (capsule / "new.gmi").unlink()
    assert (capsule / "../secret.gmi").read_text() == "SECRET"


@pytest.mark.parametrize("body", [b"hello", LONG])
def test_a_directory_that_goes_meanwhile_is_missing(body, configure, capsule):
    location = configure(titan={"allow": "any"}).hosts[0].locations[0]
    (capsule / "short").mkdir()
    with Pump() as pump:
        taken = receiver([location])(announce(f"titan://h/short/new.gmi;size={len(body)}"), location)
        answer = give(pump, taken, body)
        (capsule / "short").rmdir()
        with pytest.raises(NotFound):
            pump.settle(answer)
        taken.close()


def test_a_directory_that_moves_out_of_the_root_gets_nothing(configure, capsule):
    location = configure(titan={"allow": "any"}).hosts[0].locations[0]
    with Pump() as pump:
        taken = receiver([location])(announce("titan://h/dir/new.gmi;size=100000"), location)
        answer = give(pump, taken, LONG)
        (capsule / "dir").rename(capsule / "../moved")
        (capsule / "dir").mkdir()
        assert pump.settle(answer).status == 30
        taken.close()
    assert (capsule / "dir/new.gmi").read_bytes() == LONG
    assert not (capsule / "../moved/new.gmi").exists()


def test_of_two_at_once_the_last_one_stays_whole(configure, capsule):
    location = configure(titan={"allow": "any"}).hosts[0].locations[0]
    files = receiver([location])
    with Pump() as pump:
        taken = [files(announce(f"titan://h/page.gmi;size={len(LONG)}"), location) for _ in range(2)]
        answers = [give(pump, one, body) for one, body in zip(taken, (LONG, LONG.upper()), strict=True)]
        assert pump.settle(answers[1]).status == 30
        assert (capsule / "page.gmi").read_bytes() == LONG.upper()
        assert pump.settle(answers[0]).status == 30
        assert (capsule / "page.gmi").read_bytes() == LONG
        for one in taken:
            one.close()


def test_readers_have_the_one_or_the_other(put, capsule):
    bodies = {b"a" * 50_000, b"b" * 50_000}
    put("/page.gmi", b"a" * 50_000)
    seen, is_over = [], threading.Event()

    def read():
        while not is_over.is_set():
            seen.append((capsule / "page.gmi").read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(20):
            for body in bodies:
                assert put("/page.gmi", body)[0] == 30
    finally:
        is_over.set()
        reader.join()
    assert set(seen) <= bodies


def test_where_there_is_no_thread_it_is_too_much(configure):
    location = configure(titan={"allow": "any"}).hosts[0].locations[0]
    with Pump(threads=False) as pump:
        taken = receiver([location])(announce("titan://h/new.gmi;size=5"), location)
        with pytest.raises(GeminiError) as caught:
            pump.settle(give(pump, taken, b"hello"))
        taken.close()
    assert caught.value.status == 41


# What is reserved


def test_another_location_is_left_alone(configure, capsule):
    config = configure(titan={"allow": "any"}, location=[{"path": "/dir", "titan": False}])
    locations = config.hosts[0].locations
    root = next(location for location in locations if location.path == "/")
    assert answer_to(receiver(locations), "titan://h/dir/a.gmi;size=5", root, b"hello")[0] == 50
    assert answer_to(receiver(locations), "titan://h/a.gmi;size=5", root, b"hello")[0] == 30


def test_private_files_are_left_alone(configure, capsule):
    location = configure(titan={"allow": "any", "delete": True}).hosts[0].locations[0]
    files = receiver([location], [str(capsule / "notes.txt")])
    for size, body in ((5, b"hello"), (0, b"")):
        assert answer_to(files, f"titan://h/notes.txt;size={size}", location, body)[0] == 50
    assert answer_to(files, "titan://h/notes.txt;edit", location, None)[0] == 50
    assert (capsule / "notes.txt").read_text() == "notes"


def test_the_end_of_a_directory_is_judged_anew(configure, capsule):
    """It becomes another location's while the body comes."""
    config = configure(titan={"allow": "any", "mkdir": True}, location=[{"path": "/new", "titan": False}])
    locations = config.hosts[0].locations
    root = next(location for location in locations if location.path == "/")
    with Pump() as pump:
        taken = receiver(locations)(announce("titan://h/dir/new.gmi;size=5"), root)
        answer = give(pump, taken, b"hello")
        (capsule / "new").symlink_to("dir")
        with pytest.raises(GeminiError, match="Another location"):
            pump.settle(answer)
        taken.close()


# Deletions


def test_an_upload_of_nothing_deletes(put, capsule):
    status, meta, body = put("/dir/page.gmi", b"")
    assert (status, meta) == (20, "text/gemini")
    assert body.decode().splitlines()[-1] == "=> gemini://h/dir/ Where it was"
    assert not (capsule / "dir/page.gmi").exists()


@pytest.mark.parametrize("mime", [None, "application/octet-stream"])
def test_of_a_deletion_the_type_does_not_matter(mime, put, capsule):
    assert put("/picture.png", b"", mime=mime, titan=ALLOWED)[0] == 20
    assert not (capsule / "picture.png").exists()


@pytest.mark.parametrize(
    ("path", "status"), [("/new.gmi", 51), ("/missing/a.gmi", 51), ("/.hidden.gmi", 59), ("/", 59), ("/link.gmi", 50)]
)
def test_what_cant_be_deleted(path, status, put, capsule):
    (capsule / "link.gmi").symlink_to("page.gmi")
    assert put(path, b"", titan={"mkdir": True})[0] == status
    assert (capsule / "link.gmi").is_symlink()
    assert not (capsule / "missing").exists()


def test_what_is_gone_by_then(put, monkeypatch):
    monkeypatch.setattr(os, "unlink", fail_with(errno.ENOENT))
    assert put("/page.gmi", b"")[0] == 51


def test_a_disk_that_fails_at_a_deletion(put, capsule, monkeypatch):
    monkeypatch.setattr(os, "unlink", fail_with(errno.EROFS))
    assert put("/page.gmi", b"")[:2] == (40, "Uploads can't be stored here at the moment")


def test_a_deletion_is_on_the_disk(put, monkeypatch):
    synced = []
    monkeypatch.setattr(module, "sync_directory", synced.append)
    put("/page.gmi", b"")
    assert len(synced) == 1


# Texts that are to be edited


@pytest.mark.parametrize("size", [4, 200_000])
def test_the_text_as_it_is(size, put, capsule):
    (capsule / "page.gmi").write_bytes(b"p" * size)
    assert put("/page.gmi", None, lang="en") == (20, "text/gemini", b"p" * size)


def test_a_charset_is_told(put):
    assert put("/notes.txt", None, charset="iso-8859-1")[1] == "text/plain; charset=iso-8859-1"


def test_what_is_not_there_begins_empty(put, capsule):
    assert put("/new.gmi", None) == (20, "text/gemini", b"")
    assert put("/missing/new.gmi", None)[0] == 51
    assert put("/missing/new.gmi", None, titan={"mkdir": True}) == (20, "text/gemini", b"")
    assert put("/new.png", None, titan=ALLOWED)[0] == 51
    assert not (capsule / "missing").exists()


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 59), ("/dir/", 59), ("/dir", 59), ("/.hidden.gmi", 59), ("/link.gmi", 50), ("/a.html", 59)],
)
def test_what_cant_be_edited(path, status, put, capsule):
    (capsule / "link.gmi").symlink_to("page.gmi")
    assert put(path, None)[0] == status


def test_what_protects_a_file_protects_its_text(configure):
    location = configure(titan={"allow": "any"}).hosts[0].locations[0]

    def serve(_request, _location):
        raise NotFound

    files = FileUploads([location], MIME_TABLE, serve)
    with pytest.raises(NotFound):
        files(announce("titan://h/page.gmi;edit"), location)


# Names that are hidden


def test_a_listing_has_the_new_file_at_once_and_never_a_part(put, ask_static, capsule):
    (capsule / "dir" / (PART_PREFIX + "0")).write_text("half")
    assert PART_PREFIX not in ask_static("/dir/", dot_files=True).body.decode()
    assert ask_static(f"/dir/{PART_PREFIX}0", dot_files=True).status == 51
    (capsule / "dir" / (PART_PREFIX + "0")).unlink()
    assert put("/dir/new.gmi")[0] == 30
    assert b"new.gmi" in ask_static("/dir/").body


def test_a_part_is_made_beside_its_file(put, capsule, monkeypatch):
    made = []

    class Watched(UploadPart):
        def __init__(self, directory, size):
            super().__init__(directory, size)
            made.extend(path.parent.name for path in parts_in(capsule))

    monkeypatch.setattr(module, "UploadPart", Watched)
    monkeypatch.setattr(upload_part, "_way_to", lambda descriptor: f"/nowhere/{descriptor}")
    assert put("/dir/new/a.gmi", titan={"mkdir": True})[0] == 30
    assert made == ["dir"]
    assert (capsule / "dir/new/a.gmi").read_bytes() == b"hello"
