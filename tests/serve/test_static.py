"""Files over the wire."""

import hashlib
import os
import socket
from pathlib import Path

import pytest

from .succession import HOST, SERVICE, descriptors, wait_for_descriptors


def test_a_page(serve):
    answer = serve().ask("/")
    assert (answer.header, answer.text, answer.complete) == ("20 text/gemini", "# A capsule\n", True)


def test_the_empty_path_is_the_root(serve):
    assert serve().ask("").text == "# A capsule\n"


def test_a_large_file_arrives_whole_and_costs_no_memory(serve, capsule):
    content = os.urandom(1 << 20)
    with (capsule / "large.bin").open("wb") as file:
        for _ in range(64):
            file.write(content)
    daemon = serve()
    answer = daemon.ask("/large.bin")
    assert answer.complete
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(content * 64).digest()
    for pid in daemon.workers:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
        assert peak < 100_000, "KiB"


def test_a_file_that_shrinks_while_it_is_sent_ends_without_close_notify(serve, capsule):
    path = capsule / "shrinks.bin"
    path.write_bytes(bytes(32 << 20))
    daemon = serve()
    daemon.expect("broke off: the file shrank")
    with daemon.tls() as tls:
        tls.sendall(daemon.url("/shrinks.bin").encode() + b"\r\n")
        tls.recv(1000)
        os.truncate(path, 1 << 20)
        try:
            while tls.recv(65536):
                pass
            complete = True
        except OSError:
            complete = False
    assert not complete


def test_a_directory_redirects_to_itself_with_a_slash(serve, capsule):
    (capsule / "a b").mkdir()
    answer = serve().ask("/a%20b")
    assert (answer.status, answer.meta, answer.complete) == (31, "/a%20b/", True)


@pytest.mark.parametrize("path", ["//evil.example/x", "/\\evil.example/x", "//evil.example", "/%2Fevil.example"])
def test_no_redirect_leads_to_another_host(serve, capsule, path):
    (capsule / "evil.example" / "x").mkdir(parents=True)
    answer = serve().ask(path)
    assert answer.status != 30
    assert answer.status != 31 or (answer.meta[0] == "/" and answer.meta[1] not in "/\\")


def test_a_listing(serve, capsule):
    folder = capsule / "files"
    folder.mkdir()
    for name in ("page 10.txt", "page 9.txt", "grüße.gmi", ".hidden"):
        (folder / name).write_text("x")
    (folder / "sub").mkdir()
    lines = serve().ask("/files/").text.splitlines()
    links = [line.split()[1] for line in lines if line.startswith("=>")]
    assert links == ["../", "sub/", "gr%C3%BC%C3%9Fe.gmi", "page%209.txt", "page%2010.txt"]


def test_fifos_devices_and_sockets_are_not_found_at_once(serve, capsule):
    os.mkfifo(capsule / "fifo")
    os.symlink("/dev/zero", capsule / "zero")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(capsule / "socket"))
    daemon = serve()
    for path in ("/fifo", "/zero", "/socket"):
        answer = daemon.ask(path)
        assert (answer.status, answer.complete) == (51, True)
        assert answer.seconds < 2


@pytest.mark.parametrize("count", [5_000, pytest.param(50_000, marks=pytest.mark.slow)])
def test_a_listing_of_many_entries(serve, capsule, count):
    folder = capsule / "many"
    folder.mkdir()
    for i in range(count):
        os.mknod(folder / f"entry {i}")
    answer = serve().ask("/many/")
    assert answer.complete
    assert answer.text.count("\n=> entry%20") == count
    assert answer.seconds < 10


def test_descriptors_do_not_leak(configure, capsule, tmp_path):
    (capsule / "large.bin").write_bytes(bytes(1 << 20))
    (capsule / "sub").mkdir()
    daemon, control = configure(SERVICE + HOST), tmp_path / "control.sock"
    before = descriptors(control)
    paths = ("/", "/large.bin", "/sub/", "/sub", "/none", "/%ff", "//", "/../")
    for _ in range(23):
        for path in paths:
            daemon.ask(path)
    wait_for_descriptors(control, lambda now: now == before, "descriptors to be closed", 5)


def test_files_are_named_in_utf8_whatever_the_locale_says(start, capsule):
    (capsule / "Grüße 日本.gmi").write_text("# Grüße\n")
    (capsule / "ordner").mkdir()
    (capsule / "ordner/Äpfel.txt").write_text("x")
    ascii_locale = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    daemon = start("--dir", capsule, "--port", "0", env=ascii_locale).wait_until_ready()
    assert daemon.ask("/Gr%C3%BC%C3%9Fe%20%E6%97%A5%E6%9C%AC.gmi").text == "# Grüße\n"
    assert daemon.ask("/Grüße%20日本.gmi").text == "# Grüße\n"
    assert daemon.ask("/nichts-日本").status == 51
    assert "=> %C3%84pfel.txt Äpfel.txt" in daemon.ask("/ordner/").text
