"""What may have been put there by anybody."""

import os

import pytest

from gemd.gemctl.planted import may_be_planted
from tests.conftest import need_root

STRANGER = 65534


@pytest.fixture
def file(tmp_path):
    """One two directories below the place of a test."""
    path = tmp_path / "a/b/key.pem"
    path.parent.mkdir(parents=True)
    path.touch()
    return path


def test_one_s_own_is_not(file, tmp_path):
    assert not may_be_planted(file)
    for place in (file.parent, tmp_path):
        place.chmod(0o1777)
        assert not may_be_planted(file)


def test_a_link_is_where_everybody_can_write(file, tmp_path):
    link = file.with_name("link")
    link.symlink_to(file)
    assert not may_be_planted(link)
    link.parent.chmod(0o1777)
    assert may_be_planted(link)


def test_so_is_what_is_below_one(file, tmp_path):
    (tmp_path / "link").symlink_to(file.parent)
    assert not may_be_planted(tmp_path / "link/key.pem")
    tmp_path.chmod(0o1777)
    assert may_be_planted(tmp_path / "link/key.pem")


@need_root
def test_what_a_stranger_has(file, tmp_path):
    os.chown(file, STRANGER, STRANGER)
    os.chown(file.parent, STRANGER, STRANGER)
    assert not may_be_planted(file)  # in a place of its own, as the other server has it
    file.parents[1].chmod(0o1777)
    assert may_be_planted(file)
    os.chown(file.parent, 0, 0)
    assert not may_be_planted(file)
    file.parent.chmod(0o1777)
    assert may_be_planted(file)


def test_what_is_no_file(file):
    os.mkfifo(file.with_name("pipe"))
    places = [file.with_name("pipe"), file.with_name("none"), file.parent]
    assert list(map(may_be_planted, places)) == [True, True, True]
