from pathlib import Path

import pytest

from gemd.config.host_settings import Host, Location
from gemd.config.paths import absolute, absolute_location, join_path
from gemd.config.titan_settings import TitanSettings
from gemd.config.types import CAFile

BASE = Path("/etc/gemd")


@pytest.mark.parametrize(
    ("path", "expected"),
    [("a", "/etc/gemd/a"), ("/a", "/a"), ("../a", "/etc/a"), ("./a//b/", "/etc/gemd/a/b"), ("/a/../b", "/b")],
)
def test_a_path_is_taken_from_the_directory_of_its_file(path, expected):
    assert join_path(BASE, path) == expected


def test_dot_segments_behind_a_link_stay(tmp_path):
    (tmp_path / "elsewhere/deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to("elsewhere/deep")
    assert join_path(tmp_path, "link/../b") == f"{tmp_path}/link/../b"
    assert join_path(tmp_path, "link/./b") == f"{tmp_path}/link/b"


def test_what_is_not_set_stays_so():
    host = absolute(Host(name="h", certificate="h.crt"), BASE, "certificate", "key")
    assert (host.certificate, host.key) == ("/etc/gemd/h.crt", None)


def test_paths_in_tables_of_a_location_are_taken_from_there_too():
    location = Location(
        root="capsule",
        log="a.log",
        client_certificate=CAFile(ca="ca.pem"),
        titan=TitanSettings(allow=CAFile(ca="writers.pem")),
        convert={".MD": ("bin/md2gemini", "-f"), ".html": ("html2gemini",)},
    )
    found = absolute_location(location, BASE)
    assert (found.root, found.log) == ("/etc/gemd/capsule", "/etc/gemd/a.log")
    assert (found.client_certificate.ca, found.titan.allow.ca) == ("/etc/gemd/ca.pem", "/etc/gemd/writers.pem")
    programs = {extension: converter.command for extension, converter in found.convert.items()}
    assert programs == {".md": ("/etc/gemd/bin/md2gemini", "-f"), ".html": ("html2gemini",)}
    assert absolute_location(Location(), BASE) == Location()
