"""`gemctl init` by flags. What a terminal adds is in tests/serve/test_first_capsule.py."""

import os
import subprocess
import tomllib

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from gemd.gemctl import init
from gemd.gemctl.__main__ import main
from gemd.gemctl.former_servers import FORMER_SERVERS, IMPORTED
from gemd.system.certificates import certificate_paths, find_or_make, load
from gemd.system.privileges import Identity, PrivilegeError


@pytest.fixture(autouse=True)
def _as_somebody(tmp_path, monkeypatch):
    """In a directory of the story's own, with an own home, as an ordinary user, whose files root's tests are, and whose
    shell finds the commands."""
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    if os.geteuid() == 0:
        monkeypatch.setenv("GEMD_USER", "root")  # of the gemd that checks what was written, which is root's in truth
    user = os.geteuid() or 65534
    monkeypatch.setattr(os, "geteuid", lambda: user)


@pytest.fixture
def gemctl(capfd):
    def gemctl(*arguments):
        code = main(["init", *map(str, arguments)])
        return code, *capfd.readouterr()

    return gemctl


NEW = ("new", "--name", "example.org")


def tables_of(path):
    return tomllib.loads((path / "gemd.conf").read_text())


def host_of(path):
    return tables_of(path)["host"][0]


def test_flags_are_enough(gemctl, tmp_path):
    code, out, err = gemctl(*NEW, "--from", "none")
    assert (code, err) == (0, "gemd: the configuration new/gemd.conf is in order\n")
    assert out.splitlines() == [
        "wrote new/capsule/index.gmi",
        "wrote new/gemd.conf",
        "start it:   gemd -c new/gemd.conf",
        "look at it: gemctl fetch --connect localhost:1965 gemini://example.org/",
        "check it:   gemctl -c new/gemd.conf check",
    ]


@pytest.mark.parametrize("server", FORMER_SERVERS)
def test_who_can_take_settings_along_is_told_how(gemctl, server):
    title, is_imported = FORMER_SERVERS[server].title, server in IMPORTED
    line = f"settings:   gemctl config import {server} FILE prints what those of {title} become"
    assert (gemctl(*NEW, "--from", server)[1].splitlines()[-1] == line) == is_imported


def test_what_is_missing_is_said(gemctl, tmp_path):
    code, _, err = gemctl("--from", "none")
    assert code == 2
    assert "say --name NAME, DIR; gemctl init -h" in err
    assert list(tmp_path.iterdir()) == []


WRONG = {
    "a name": (("new", "--name", "a b", "--from", "none"), "a b can't be a host: a host name is made of"),
    "every name": (("new", "--name", "*", "--from", "none"), "the first one needs a name"),
    "a file": (("file", "--name", "a", "--from", "none"), "file is no directory"),
    "below a file": (("file/new", "--name", "a", "--from", "none"), "file is no directory"),
    "one that has one": (
        ("old", "--name", "a", "--from", "none"),
        "gemd.conf is there already, and is not over",
    ),
    "a user": (("~nobody-here/x", "--name", "a", "--from", "none"), "there is no such user"),
    "no root": ((*NEW, "--from", "none", "--root", "missing"), "missing is no directory"),
    "a certificate alone": ((*NEW, "--from", "none", "--cert", "x"), "--cert and --key belong together"),
}


@pytest.mark.parametrize(("arguments", "reason"), WRONG.values(), ids=WRONG)
def test_what_can_not_be_used(gemctl, tmp_path, arguments, reason):
    (tmp_path / "file").touch()
    (tmp_path / "old").mkdir()
    (tmp_path / "old/gemd.conf").write_text("mine")
    code, out, err = gemctl(*arguments)
    assert (code, out) == (2, "")
    assert reason in err
    assert not (tmp_path / "new").exists()
    assert (tmp_path / "old/gemd.conf").read_text() == "mine"


def test_a_directory_that_is_another_s_is_told_before_the_next_question(gemctl, tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path)
    code, _, err = gemctl("new/capsule", "--name", "a", "--from", "none")
    assert code == 2
    assert f"nothing can be written in {tmp_path}: choose another directory" in err


def test_commands_are_named_as_a_shell_finds_them(gemctl, tmp_path, monkeypatch):
    assert "start it:   gemd -c" in gemctl("found", "--name", "a", "--from", "none")[1]
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr("subprocess.run", lambda *_, **__: subprocess.CompletedProcess([], 0))
    for name in ("gemd", "gemctl"):
        (tmp_path / name).touch()
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    out = gemctl("new", "--name", "a", "--from", "none")[1]
    assert f"start it:   {tmp_path}/gemd -c" in out
    assert f"look at it: {tmp_path}/gemctl fetch" in out


def test_a_directory_that_looks_like_a_flag(gemctl):
    code, out, _ = gemctl("--name", "a", "--from", "none", "--", "-new")
    assert code == 0
    assert "gemd -c ./-new/gemd.conf" in out


def test_the_page_of_a_wildcard_has_a_name_to_ask_for(gemctl):
    _, out, _ = gemctl("new", "--name", "*.example.org", "--from", "none")
    assert "gemini://any.example.org/" in out


def test_pages_that_are_there_are_served(gemctl, tmp_path):
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages/a.gmi").touch()
    code, _, err = gemctl(*NEW, "--from", "none", "--root", "pages")
    assert code == 0
    assert "pages has no index.gmi" in err
    assert host_of(tmp_path / "new")["root"] == str(tmp_path / "pages")


@pytest.mark.parametrize("directory", [".", "pages", "pages/deep"])
def test_keys_are_never_among_the_pages(gemctl, tmp_path, directory):
    root = tmp_path if directory == "." else tmp_path / "pages"
    root.mkdir(exist_ok=True)
    code, _, err = gemctl(directory, "--name", "a", "--from", "none", "--root", root)
    assert code == 1
    assert "its configuration and key would be served" in err
    assert not list(tmp_path.rglob("gemd.conf"))


def make_der(folder):
    """A certificate and key as Agate has them."""
    made = find_or_make(folder, ("example.org",))
    key = made.key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "cert.der").write_bytes(made.chain[0].public_bytes(serialization.Encoding.DER))
    (folder / "key.der").write_bytes(key)
    (folder / "key.der").chmod(0o600)
    return made


@pytest.mark.parametrize("place", [".certificates", ".certificates/example.org"])
def test_who_comes_from_agate_keeps_pages_and_certificate(gemctl, tmp_path, place):
    made = make_der(tmp_path / "somewhere")
    (tmp_path / place).mkdir(parents=True)
    for name in ("cert.der", "key.der"):
        (tmp_path / "somewhere" / name).rename(tmp_path / place / name)
    (tmp_path / "content").mkdir()
    (tmp_path / "content/index.gmi").touch()
    code, out, err = gemctl(*NEW, "--from", "agate")
    assert (code, err) == (0, "gemd: the configuration new/gemd.conf is in order\n")
    assert f"the pages of Agate are in {tmp_path}/content" in out
    assert f"the certificate of Agate is {tmp_path}/{place}/cert.der, and stays in use" in out
    assert host_of(tmp_path / "new")["root"] == str(tmp_path / "content")
    kept = load(*certificate_paths(tmp_path / "new/certificates", "example.org"))
    assert (kept.chain, kept.key.private_numbers()) == (made.chain, made.key.private_numbers())


def test_an_ed25519_key_of_agate_is_kept_with_a_warning(gemctl, tmp_path):
    (tmp_path / "old").mkdir()
    key = ed25519.Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "old/example.org.key").write_bytes(pem)
    made = make_der(tmp_path / "old")
    (tmp_path / ".certificates").mkdir()
    for name in ("cert.der", "key.der"):
        (tmp_path / "old" / name).rename(tmp_path / ".certificates" / name)
    code, out, err = gemctl(*NEW, "--from", "agate")
    assert code == 0
    assert "the certificate of Agate is " in out
    assert f"gemctl: warning: {tmp_path}/.certificates/key.der is an Ed25519 key: some clients can't do that" in err
    kept = load(*certificate_paths(tmp_path / "new/certificates", "example.org"))
    assert (kept.chain, kept.key.public_key()) == (made.chain, key.public_key())


def test_a_certificate_in_pem_stays_where_it_is(gemctl, tmp_path):
    find_or_make(tmp_path / "home/.certs", ("example.org",))
    (tmp_path / "home/.certs/example.org.crt").rename(tmp_path / "home/.certs/cert.pem")
    (tmp_path / "home/.certs/example.org.key").rename(tmp_path / "home/.certs/key.pem")
    code, out, _ = gemctl(*NEW, "--from", "gmcapsule")
    assert code == 0
    assert "the certificate of GmCapsule" in out
    assert host_of(tmp_path / "new")["certificate"] == str(tmp_path / "home/.certs/cert.pem")


def test_a_certificate_by_flags(gemctl, tmp_path):
    find_or_make(tmp_path / "old", ("example.org",))
    code, _, _ = gemctl(*NEW, "--from", "none", "--cert", "old/example.org.crt", "--key", "old/example.org.key")
    assert code == 0
    assert host_of(tmp_path / "new")["key"] == str(tmp_path / "old/example.org.key")


def test_one_that_can_not_be_used_is_an_error_by_flag(gemctl, tmp_path):
    (tmp_path / "x").write_text("-----BEGIN x")
    code, _, err = gemctl(*NEW, "--from", "none", "--cert", "x", "--key", "x")
    assert (code, "no certificate in PEM or DER form" in err) == (1, True)
    assert not (tmp_path / "new").exists()


def test_and_else_a_warning(gemctl, tmp_path):
    (tmp_path / "cert.pem").write_text("x")
    (tmp_path / "key.pem").write_text("x")
    code, _, err = gemctl(*NEW, "--from", "molly-brown")
    assert code == 0
    assert "cert.pem has no certificate in PEM or DER form; --cert and --key name another certificate" in err
    assert "no certificate of Molly Brown was found" in err


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("other"), os.mkfifo], ids=["a link", "a pipe"])
def test_what_others_may_have_put_there_is_left_alone(gemctl, tmp_path, make):
    make(tmp_path / "key.pem")
    code, _, err = gemctl(*NEW, "--from", "molly-brown")
    assert code == 0
    assert "key.pem or its certificate may have been put there by another user, or is no file, and is left alone" in err


def test_links_of_one_s_own_are_followed(gemctl, tmp_path):
    find_or_make(tmp_path / "live", ("example.org",))
    for name, kept in (("cert.pem", "example.org.crt"), ("key.pem", "example.org.key")):
        (tmp_path / name).symlink_to(tmp_path / "live" / kept)
    code, out, _ = gemctl(*NEW, "--from", "molly-brown")
    assert (code, "the certificate of Molly Brown is" in out) == (0, True)


def test_root_needs_somebody_to_become(gemctl, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    def find(name, _):
        raise PrivilegeError("no")

    monkeypatch.setattr(init, "find_identity", find)
    code, _, err = gemctl(*NEW, "--from", "none")
    assert (code, "useradd --system gemd" in err) == (1, True)
    assert not (tmp_path / "new").exists()


def test_root_becomes_gemd(gemctl, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    me = Identity("gemd", os.getuid(), os.getgid(), ())
    monkeypatch.setattr(init, "find_identity", lambda *_: me)
    done = subprocess.CompletedProcess((), 0)
    monkeypatch.setattr(init.subprocess, "run", lambda *_, **__: done)
    assert gemctl(*NEW, "--from", "none")[0] == 0
    assert tables_of(tmp_path / "new")["user"] == "gemd"


def test_what_the_check_finds_is_told(gemctl, tmp_path, monkeypatch):
    monkeypatch.setenv("GEMD_WORKERS", "0")
    code, out, err = gemctl(*NEW, "--from", "none")
    assert code == 3
    assert "GEMD_WORKERS: workers: expected" in err
    assert err.endswith("gemctl: so this is to be mended in what was written\n")
    assert "start it" not in out
