"""One configuration of several files."""

import contextlib
import os

import pytest

from gemd.config import ConfigError, Problem, load_config
from gemd.config.sources import read_file, read_sources

HOST = '[[host]]\nname = "{name}"\nroot = "capsule"\n'


@pytest.fixture
def write(tmp_path):
    """Write files by their names, of which one is the configuration; its path."""

    def write_them(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/")
            path = path.with_name(path.name + ".conf")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        return tmp_path / "gemd.conf"

    return write_them


def lines_of(path):
    with pytest.raises(ConfigError) as caught:
        load_config(path, cpus=1)
    return [line.replace(f"{path.parent}/", "") for line in caught.value.lines()]


def load(path):
    return load_config(path, cpus=1)


MAIN = 'include = ["d/*.conf"]\n'


def test_files_are_read_by_their_names_and_what_they_say_is_one(write, tmp_path):
    path = write(
        gemd=MAIN + 'listen = ["localhost"]\n[tls]\ncertificates = "certs"\n' + HOST.format(name="a"),
        d__20=HOST.format(name="c") + '[[listen]]\naddress = "localhost:1966"\n',
        d__10='workers = 3\n[tls]\nca-file = "ca.pem"\n[cgi.environment]\nA = "1"\n' + HOST.format(name="b"),
        d__30='control = "c.sock"\n[log]\naccess = "a.log"\n[cgi]\nread = ["r"]\n[cgi.environment]\nB = "2"\n',
    )
    config = load(path)
    assert [host.name for host in config.hosts] == ["a", "b", "c"]
    roots = [host.locations[0].root for host in config.hosts]
    assert roots == [str(tmp_path / "capsule"), str(tmp_path / "d/capsule"), str(tmp_path / "d/capsule")]
    assert list(map(str, (entry.address for entry in config.listen))) == ["localhost:1965", "localhost:1966"]
    assert (config.workers, config.cgi.environment) == (3, {"A": "1", "B": "2"})
    assert (config.tls.certificates, config.tls.ca_file) == (str(tmp_path / "certs"), str(tmp_path / "d/ca.pem"))
    assert (config.service.control, config.log.access) == (str(tmp_path / "d/c.sock"), str(tmp_path / "d/a.log"))
    assert config.cgi.read == (str(tmp_path / "d/r"),)
    assert config.included == tuple(str(tmp_path / f"d/{name}.conf") for name in (10, 20, 30))


def test_what_editors_and_packages_leave_is_no_file_of_it(write, tmp_path):
    path = write(gemd=MAIN + HOST.format(name="a"), d__a=HOST.format(name="b"))
    for name in ("a.conf~", "a.conf.dpkg-old", ".hidden.conf", ".a.conf.swp"):
        (tmp_path / "d" / name).write_text("=")
    assert [host.name for host in load(path).hosts] == ["a", "b"]


@pytest.mark.parametrize("include", ["[]", '["none/*.conf"]', '["*.none", "[!g]*.conf"]', '["*.conf"]'])
def test_what_matches_nothing_is_fine_and_nothing_is_read_twice(write, include):
    assert len(load(write(gemd=f"include = {include}\n" + HOST.format(name="a"))).hosts) == 1


def test_a_file_that_is_named_twice_is_read_once(write, tmp_path):
    path = write(gemd='include = ["d/a.conf", "d/*.conf"]\n' + HOST.format(name="a"), d__a=HOST.format(name="b"))
    (tmp_path / "d/b.conf").symlink_to("a.conf")
    assert len(load(path).hosts) == 2


def test_an_absolute_path_is_one(write, tmp_path):
    path = write(gemd=f'include = ["{tmp_path}/d/b.conf"]\n' + HOST.format(name="a"), d__b=HOST.format(name="b"))
    assert len(load(path).hosts) == 2


WRONG = {
    "a key twice": ("workers = 2\n", "\nworkers = 3\n", "d/a.conf:2: workers: is set in gemd.conf:2 already: leave"),
    "a key of a table twice": (
        "[tls]\nca-file = 'a'\n",
        "[tls]\nca-path = 'a'\nca-file = 'b'\n",
        "d/a.conf:3: tls.ca-file: is set in gemd.conf:3 already: leave it in one file",
    ),
    "a list twice": (
        "[access]\ndeny = ['::1']\n",
        "access.deny = ['::2']\n",
        "d/a.conf:1: access.deny: is set in gemd.conf:3 already: leave it in one file",
    ),
    "a table and a value": ("tls = 3\n", "[tls]\n", "d/a.conf:1: tls: is set in gemd.conf:2 already: leave it"),
    "a host in single brackets": (
        HOST.format(name="b"),
        "[host]\nname = 'c'\n",
        "d/a.conf:1: host: is a list in gemd.conf:2, and has to be one here, each entry under [[host]]",
    ),
    "a location without its host": (
        HOST.format(name="b"),
        "[[host.location]]\npath = '/c'\n",
        "d/a.conf:1: host: is a list in gemd.conf:2, and has to be one here, each entry under [[host]]",
    ),
    "a host twice": (
        HOST.format(name="b"),
        "# b\n" + HOST.format(name="c") + "aliases = ['b']\n",
        "d/a.conf:2: c: b belongs to the host in gemd.conf:2 already",
    ),
    "an unknown key": ("", "worker = 2\n", "d/a.conf:1: worker: there is no such key; did you mean 'workers'?"),
    "a wrong value": (
        "",
        HOST.format(name="b") + HOST.format(name="c") + "log = 3\n",
        "d/a.conf:7: c: log: expected true or false or a text that is not empty, not 3",
    ),
    "in a location": (
        "",
        HOST.format(name="b") + "[[host.location]]\npath = '/x'\n\ncgi-nice = 99\n",
        "d/a.conf:7: b/x: cgi-nice: expected a whole number from 0 to 19, not 99",
    ),
    "an address twice": (
        "listen = ['localhost']\n",
        "[[listen]]\naddress = 'localhost'\n",
        "d/a.conf:1: listen[1]: localhost:1965 is listed twice",
    ),
    "no TOML": ("", "x\n", "d/a.conf:1: expected a = after the key, and then its value, not the end of the line"),
    "in the file itself": ("workers = 0\n", "", "gemd.conf:2: workers: expected"),
    "an include of its own": ("", "\ninclude = []\n", "d/a.conf:2: include: is for gemd.conf alone, which names all"),
}


@pytest.mark.parametrize(("main", "other", "line"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_with_its_file_and_line(write, main, other, line):
    said = lines_of(write(gemd=MAIN + main + HOST.format(name="a"), d__a=other))
    assert said[-1].startswith(line)
    assert len(said) == 1 + (main == "tls = 3\n")  # which is wrong by itself


def test_every_mistake_in_files_is_told(write, tmp_path):
    path = write(
        gemd='include = ["d/*.conf", "missing.conf", "*/x.conf"]\nworkers = 1\n', d__a="workers = 2\n", d__b="="
    )
    (tmp_path / "d/c.conf").mkdir()
    os.mkfifo(tmp_path / "d/d.conf")
    (tmp_path / "d/e.conf").symlink_to("nowhere")
    (tmp_path / "d/f.conf").write_bytes(b"# \xff")
    assert lines_of(path) == [
        "gemd.conf:1: include[1]: d/c.conf can't be read: it is no regular file",
        "gemd.conf:1: include[1]: d/d.conf can't be read: it is no regular file",
        "gemd.conf:1: include[1]: d/e.conf can't be read: No such file or directory",
        "gemd.conf:1: include[2]: missing.conf can't be read: No such file or directory",
        "gemd.conf:1: include[3]: */x.conf can't be read: wildcards are for the name alone, not for a directory",
        "d/a.conf:1: workers: is set in gemd.conf:2 already: leave it in one file",
        "d/b.conf:1: expected a key, or a heading in brackets, not =",
        "d/f.conf:1: is not UTF-8 text: save it as UTF-8",
    ]


def test_a_directory_that_can_not_be_read_is_no_empty_one(write, tmp_path):
    path = write(gemd='include = ["file.conf/*.conf"]\n' + HOST.format(name="a"), file="")
    assert lines_of(path) == ["gemd.conf:1: include[1]: file.conf/*.conf can't be read: Not a directory"]


@pytest.mark.parametrize("value", ['"d/*.conf"', '[""]', "[3]", '["a\\u0000b"]'])
def test_a_value_of_another_kind_is_told_with_the_other_mistakes(write, value):
    said = lines_of(write(gemd=f"include = {value}\nworkers = 0\n" + HOST.format(name="a")))
    assert len(said) == 2
    assert said[0].startswith("gemd.conf:1: include")
    assert said[1].startswith("gemd.conf:2: workers")


def test_what_is_tried_is_said(write, tmp_path):
    tried = []

    @contextlib.contextmanager
    def trying(text):
        tried.append(text.replace(f"{tmp_path}/", ""))
        yield

    path = write(gemd=MAIN, d__a="")
    read_sources(path, trying)
    assert tried == [
        "the configuration gemd.conf could not be read",
        "the directory d could not be read",
        "the configuration d/a.conf could not be read",
    ]


def test_one_file_alone_is_read_as_it_is(write):
    path = write(gemd=MAIN + "workers = 3\r\n", d__a="x")
    assert read_file(path) == {"include": ["d/*.conf"], "workers": 3}


def test_problems_are_told_by_their_lines():
    problems = [Problem("b", "is wrong", line=7), Problem("a", "is too"), Problem("c", "is here", "other.conf", 2)]
    lines = ["gemd.conf: a: is too", "gemd.conf:7: b: is wrong", "other.conf:2: c: is here"]
    assert ConfigError(problems, "gemd.conf").lines() == lines
    assert str(ConfigError(problems, "gemd.conf")) == "\n".join(lines)


@pytest.mark.parametrize("value", ["[" * 5000, "9" * 5000])
def test_what_the_standard_library_can_not_read(write, value):
    text = f"a = {value}\n"
    what = "has a number of too many digits, or brackets that are nested too deeply"
    assert lines_of(write(gemd=text)) == [f"gemd.conf: {what}"]
    assert lines_of(write(gemd=MAIN, d__a=text)) == [f"d/a.conf: {what}"]
