"""The configuration as the command line asks for it, and where what is wrong stands."""

import pytest

from gemd.config import ConfigError, Problem
from gemd.config.mistake import Mistake, about
from gemd.options import parse_arguments
from gemd.startup.checks import check_machine
from gemd.startup.reading import ConfigReader, placing, say_where


def test_only_the_default_of_flags_alone_may_be_missing(root):
    ConfigReader(parse_arguments([]), root)()
    check_machine(ConfigReader(parse_arguments(["--index-file", "x"]), root)())
    for name in ("cgi-bin", "bin"):
        with pytest.raises(ConfigError, match=f"{root}/{name} can't be opened"):
            ConfigReader(parse_arguments(["--cgi-dir", name]), root)()
        (root / name).mkdir()
        check_machine(ConfigReader(parse_arguments(["--cgi-dir", name]), root)())


def test_a_flag_beside_a_file_names_it_as_well(root, tmp_path):
    (tmp_path / "gemd.conf").write_text('[[host]]\nname = "localhost"\nroot = "capsule"\n')
    with pytest.raises(ConfigError, match="capsule/cgi-bin can't be opened"):
        ConfigReader(parse_arguments(["-c", "gemd.conf", "--cgi-dir", "cgi-bin"]), tmp_path)()


def test_the_file_is_found_from_where_gemd_was_started(tmp_path, root):
    (tmp_path / "gemd.conf").write_text('[[host]]\nname = "localhost"\nroot = "capsule"\n')
    config = ConfigReader(parse_arguments(["-c", "gemd.conf"]), tmp_path)()
    assert config.hosts[0].locations[0].root == str(root)
    assert config.source == "gemd.conf"


def test_without_a_file_the_directory_is_served(root):
    config = ConfigReader(parse_arguments([]), root)()
    assert config.hosts[0].locations[0].root == str(root)
    assert config.source is None


@pytest.fixture
def read(tmp_path, root):
    """What reads a file, which has been read."""
    (tmp_path / "gemd.conf").write_text('\n[[host]]\nname = "a.org"\nroot = "capsule"\n')
    reader = ConfigReader(parse_arguments(["-c", "gemd.conf"]), tmp_path)
    reader()
    return reader


def test_what_this_machine_lacks_is_told_with_its_line(read, root, tmp_path):
    root.rename(tmp_path / "other")
    with pytest.raises(ConfigError) as caught:
        read()
    line = f"{tmp_path}/gemd.conf:4: a.org: root: {root} can't be opened: No such file or directory"
    assert caught.value.lines() == [line]


def test_what_comes_later_is_told_with_its_line_too(read, tmp_path):
    with pytest.raises(Mistake, match=r"gemd\.conf:3: a\.org: name: x"), placing(read), about("host[1].name"):
        raise Mistake("x")
    with pytest.raises(ConfigError, match=r"gemd\.conf:4: a\.org: root: x"), placing(read):
        raise ConfigError([Problem("host[1].root", "x")])


def test_what_is_about_no_key_or_read_otherwise_is_told_as_it_is(read, configure):
    with pytest.raises(Mistake) as caught, placing(read):
        raise Mistake("x")
    assert str(caught.value) == "x"
    with pytest.raises(Mistake) as caught, placing(configure), about("host[1].name"):
        raise Mistake("x")
    assert str(caught.value) == "host[1].name: x"


def test_where_keys_stand_is_forgotten_in_the_end(read):
    assert read.origins is not None
    read.forget()
    assert read.origins is None


def test_what_is_worth_a_word_is_told_with_its_line(root, tmp_path):
    (tmp_path / "gemd.conf").write_text('[[host]]\nname = "localhost"\nroot = "capsule"\n')
    read = ConfigReader(parse_arguments(["-c", "gemd.conf"]), tmp_path)
    read()
    problem = Problem("host[1].root", "is old")
    assert say_where(read, problem) == f"{tmp_path}/gemd.conf:3: localhost: root: is old"
    assert say_where(read, Problem("", "is old")) == "is old"
    read.forget()
    assert say_where(read, problem) == "host[1].root: is old"
