"""Zones in the files .molly of directories."""

import os

import pytest

from gemd.gemctl.failure import Failure
from gemd.gemctl.foreign import molly_zones

A, B, C = "a" * 64, "b" * 64, "c" * 64
START = 'CertPath = "/c.pem"\nKeyPath = "/k.pem"\nAccessLog = ""\n'


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "gemini"
    (root / "own/inner").mkdir(parents=True)
    return root


@pytest.fixture
def molly(become, root):
    return lambda more="": become("molly-brown", f'{START}DocBase = "{root}"\nReadMollyFiles = true\n{more}')


def allowed(*fingerprints):
    return {"client-certificate": [f"SHA256:{each}" for each in fingerprints]}


def remarks(imported):
    return [remark for remark in imported.outline.remarks if remark.place.file.endswith(".molly")]


def test_all_of_the_directory_is_protected(molly, root):
    file = root / "own/.molly"
    file.write_text(f'DefaultLang = "en"\n[certificateZones]\n"^/own/secret" = ["{A}", "{B}"]\n"x" = ["{B}", "{C}"]\n')
    imported = molly()
    assert imported.location("/own/") == allowed(B)
    (remark,) = remarks(imported)
    assert (str(remark.place), remark.line) == (f"{file}:2", "[certificateZones]")
    assert "all of /own/" in remark.reason


def test_who_may_not_see_what_is_around_sees_nothing_in_it(molly, root):
    (root / "own/.molly").write_text(f"[CertificateZones]\n'^/own/' = ['{A}', '{B}']\n")
    (root / "own/inner/.molly").write_text(f"[CertificateZones]\n'secret' = ['{B}', '{C}']\n")
    imported = molly()
    assert imported.location("/own/inner/") == allowed(B)
    assert imported.location("/own/") == allowed(A, B)


def test_the_root_has_one(molly, root):
    (root / ".molly").write_text(f"[CertificateZones]\nx = ['{A}']\n")
    assert molly().host["client-certificate"] == [f"SHA256:{A}"]


def test_a_zone_of_the_configuration_in_the_same_place(molly, root):
    (root / "own/.molly").write_text(f"[CertificateZones]\nx = ['{A}', '{B}']\n")
    assert molly(f"[CertificateZones]\n'^/own/' = ['{B}', '{C}']").location("/own/") == allowed(B)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"x = ", "is no TOML"),
        (b"x = 1\nx = 2\n", "is no TOML"),
        (b"\xff", "not UTF-8"),
        (b"[CertificateZones]\nx = 1\n", "each zone of this file"),
        (b"CertificateZones = 1\n", "each zone of this file"),
    ],
)
def test_nobody_may_where_it_cannot_be_told(content, told, molly, root):
    (root / "own/.molly").write_bytes(content)
    imported = molly()
    assert imported.location("/own/") == allowed()
    assert told in remarks(imported)[0].reason


def test_a_pipe_is_not_waited_for(molly, root):
    os.mkfifo(root / "own/.molly")
    assert molly().location("/own/") == allowed()


def test_what_says_nothing_of_certificates(molly, root):
    (root / "own/.molly").write_text('DefaultLang = "en"\n')
    assert "location" not in molly().host


def test_they_are_not_read(become, root):
    (root / "own/.molly").write_text("[CertificateZones]\nx = []\n")
    assert "location" not in become("molly-brown", f'{START}DocBase = "{root}"\n').host


def test_a_link_to_a_directory_elsewhere(molly, root, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/.molly").write_text("[CertificateZones]\nx = []\n")
    (tmp_path / "elsewhere/up").symlink_to(root)
    (root / "link").symlink_to(tmp_path / "elsewhere")
    assert [each["path"] for each in molly().host["location"]] == ["/link/"]


def test_a_name_that_cannot_be_written_down(molly, root):
    (root / "own/a\nb/c").mkdir(parents=True)
    (root / "own/a\nb/c/.molly").write_text("[CertificateZones]\nx = []\n")
    assert molly().location("/own/") == allowed()


def test_too_many_directories(molly, root, monkeypatch):
    monkeypatch.setattr(molly_zones, "_MOST_DIRECTORIES", 2)
    with pytest.raises(Failure, match="import this where the root is not"):
        molly()


def test_the_root_is_not_here(become):
    imported = become("molly-brown", f'{START}DocBase = "/nowhere"\nReadMollyFiles = true\n')
    assert "is open until" in imported.reason(5)
