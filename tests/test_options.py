from pathlib import Path

import pytest

from gemd import __version__
from gemd.config import ConfigError
from gemd.options import UsageError, parse_arguments, read_tables


@pytest.fixture
def read(tmp_path, monkeypatch):
    """The tables for a command line, in a directory of its own; `file` is written and given with -c."""
    monkeypatch.chdir(tmp_path)

    def read(*arguments, file=None):
        if file is not None:
            (tmp_path / "gemd.conf").write_text(file)
            arguments = ("-c", "gemd.conf", *arguments)
        return read_tables(parse_arguments(arguments), Path.cwd())[0]

    return read


HOST = '[[host]]\nname = "h"\nroot = "/srv"\n'


def test_without_anything_the_current_directory_is_served(read, tmp_path):
    assert read() == {"host": [{"name": "localhost", "root": str(tmp_path), "cgi": "cgi-bin"}]}


def test_every_host_flag(read, tmp_path):
    flags = "--hostname=h --dir=d --cgi-dir=bin --index-file=i.gmi --default-lang=en --tls-certfile=c --tls-keyfile=/k"
    assert read(*flags.split())["host"] == [
        {
            "name": "h",
            "root": str(tmp_path / "d"),
            "cgi": "bin",
            "index": ["i.gmi"],
            "lang": "en",
            "certificate": str(tmp_path / "c"),
            "key": "/k",
        }
    ]


def test_several_names_are_one_name_and_its_aliases(read):
    (host,) = read("--hostname=one.example", "--hostname=two.example", "--hostname=three.example")["host"]
    assert (host["name"], host["aliases"]) == ("one.example", ["two.example", "three.example"])


def test_one_name_leaves_the_aliases_of_the_file(read):
    (host,) = read("--hostname=g", file=HOST + 'aliases = ["a.example"]\n')["host"]
    assert (host["name"], host["aliases"]) == ("g", ["a.example"])


def test_other_flags(read, tmp_path):
    tables = read("--workers=3", "--rate-limit=5/s", "--tls-cafile=ca", "--tls-capath=/ca")
    assert tables["workers"] == 3
    assert tables["limits"] == {"rate": "5/s"}
    assert tables["tls"] == {"ca-file": str(tmp_path / "ca"), "ca-path": "/ca"}


def test_a_certificate_alone_has_its_key_within(read, tmp_path):
    assert read("--tls-certfile=c")["host"][0]["key"] == str(tmp_path / "c")


def test_flags_override_the_file_and_leave_the_rest(read):
    tables = read(
        "--default-lang=en", "--rate-limit=5/s", file="workers = 4\n[limits]\nconnections = 9\nrate = '1/s'\n" + HOST
    )
    assert tables["workers"] == 4
    assert tables["limits"] == {"connections": 9, "rate": "5/s"}
    assert tables["host"] == [{"name": "h", "root": "/srv", "lang": "en"}]


LISTEN = {
    "port": (["--port=300"], None, ["localhost:300"]),
    "port 0": (["--port=0"], None, ["localhost:0"]),
    "host": (["--host=192.0.2.1"], None, ["192.0.2.1:1965"]),
    "IPv6": (["--host=::1", "--port=300"], None, ["[::1]:300"]),
    "every address": (["--host="], None, ["[::]:1965"]),
    "port over the file": (["--port=300"], ["a:1", "b:2", "unix:/s"], ["a:300", "b:300", "unix:/s"]),
    "port makes two the same": (["--port=300"], ["a:1", "a:2"], ["a:300"]),
    "host over the file": (["--host=c"], ["a:1", "b:1"], ["c:1"]),
    "both over the file": (["--host=c", "--port=3"], ["a:1", "b:2"], ["c:3"]),
    "both over a unix socket": (["--host=c", "--port=3"], ["unix:/s"], ["c:3"]),
    "PROXY headers": (["--proxy-protocol"], None, [{"address": "localhost:1965", "proxy-protocol": True}]),
    "no TLS": (["--no-tls", "--port=7"], None, [{"address": "localhost:7", "tls": False}]),
    "both flags over the file": (
        ["--no-tls", "--proxy-protocol"],
        ["127.0.0.1:1", "unix:/s"],
        [
            {"address": "127.0.0.1:1", "tls": False, "proxy-protocol": True},
            {"address": "unix:/s", "tls": False, "proxy-protocol": True},
        ],
    ),
}


@pytest.mark.parametrize(("flags", "listed", "expected"), LISTEN.values(), ids=LISTEN)
def test_listen(read, flags, listed, expected):
    file = None if listed is None else f"listen = {listed}\n{HOST}"
    assert read(*flags, file=file)["listen"] == expected


def test_what_the_file_says_of_a_listener_stays(read):
    file = "[[listen]]\naddress = 'a:1'\nproxy-protocol = true\nfrom = ['192.0.2.1']\n" + HOST
    others = {"proxy-protocol": True, "from": ["192.0.2.1"]}
    assert read("--port=7", file=file)["listen"] == [{"address": "a:7", **others}]
    assert read("--host=b", file=file)["listen"] == [{"address": "b:1", **others}]
    assert read("--proxy-protocol", file=file)["listen"] == [{"address": "a:1", **others}]
    file = "listen = [{address = 'a:1', force = true}]\n" + HOST
    assert read("--no-tls", file=file)["listen"] == [{"address": "a:1", "force": True, "tls": False}]


def test_without_flags_listen_stays_as_the_file_has_it(read):
    assert read(file=f"listen = ['a:1']\n{HOST}")["listen"] == ["a:1"]


WRONG = {
    "port too high": (["--port=65536"], None, "--port: expected a number from 0 to 65535"),
    "negative port": (["--port=-1"], None, "--port: expected a number from 0 to 65535"),
    "several ports": (["--host=c"], "listen = ['a:1', 'a:2']\n" + HOST, "several ports; add --port"),
    "unix sockets only": (["--port=1"], "listen = ['unix:/s']\n" + HOST, "unix sockets only; add --host"),
    "two made one": (
        ["--port=1"],
        "listen = ['a:1', {address = 'a:2', mode = '0600'}]\n" + HOST,
        "--port can't apply: the file says other things of two that are a:1 then",
    ),
    "no TLS for all": (["--no-tls", "--host="], None, "--no-tls can't apply to [::]:1965: others could read"),
    "no TLS for others": (["--no-tls", "--host=192.0.2.1"], None, "--no-tls can't apply to 192.0.2.1:1965"),
    "PROXY headers from all": (["--proxy-protocol", "--host="], None, "--proxy-protocol can't apply to [::]:1965"),
    "several kinds": (
        ["--host=c"],
        "listen = ['a:1', {address = 'b:1', proxy-protocol = true}]\n" + HOST,
        "the file's listeners are of several kinds",
    ),
    "two hosts": (
        ["--dir=d", "--default-lang=en"],
        HOST + HOST,
        "--dir, --default-lang can't apply: gemd.conf has 2 hosts",
    ),
    "no list of hosts": (["--hostname=g"], "host = 1\n", "gemd.conf has no valid host"),
}


@pytest.mark.parametrize(("flags", "file", "message"), WRONG.values(), ids=WRONG)
def test_a_flag_that_can_not_apply_says_why(read, flags, file, message):
    with pytest.raises(UsageError) as caught:
        read(*flags, file=file)
    assert message in str(caught.value)


def test_a_flag_over_a_wrong_table_is_left_to_the_check(read):
    assert read("--rate-limit=5/s", file="limits = 1\n" + HOST)["limits"] == 1


@pytest.mark.parametrize("flag", ["--host=c", "--port=1", "--no-tls", "--proxy-protocol"])
@pytest.mark.parametrize("listed", ["[]", "5", "'a:1'", "[5]", "[true]", "['a:b']", "[{}]", "[{adress = 'a:1'}]", "{}"])
def test_a_flag_for_a_wrong_listen_is_left_to_the_check(read, flag, listed):
    file = f"listen = {listed}\n{HOST}"
    assert read(flag, file=file)["listen"] == read(file=file)["listen"]


def test_a_missing_file_is_a_mistake_of_the_configuration(read):
    with pytest.raises(ConfigError, match="missing\\.conf: can't be read: No such file"):
        read("-c", "missing.conf")


@pytest.mark.parametrize("arguments", [["--unknown"], ["--port=x"], ["--workers=many"], ["capsule"]])
def test_an_unknown_flag_ends_with_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        parse_arguments(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("usage: gemd")


def test_says_its_version(capsys):
    with pytest.raises(SystemExit) as caught:
        parse_arguments(["-V"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith(f"gemd {__version__}\n")


def test_an_application_alone_needs_no_root(read, tmp_path):
    host = {"name": "localhost", "app": "m:app", "app-path": str(tmp_path), "app-process": True}
    assert read("--app=m:app") == {"host": [host]}
    assert read("--app=m:app", "--reload") == {"host": [host], "auto-reload": True}


@pytest.mark.parametrize(
    ("keys", "process"), [("", True), ("app-process = false\n", False), ("preload = true\n", None)]
)
def test_an_application_by_a_flag_has_one_process_unless_the_file_says_otherwise(read, keys, process):
    assert read("--app=m:app", file=HOST + keys)["host"][0].get("app-process") is process


def test_an_application_beside_a_capsule(read, tmp_path):
    host = read("--app=m:app", "--dir=d")["host"][0]
    assert (host["app"], host["root"]) == ("m:app", str(tmp_path / "d"))


def test_the_file_may_say_where_the_application_is(read, tmp_path):
    host = read("--app=m:app", file=HOST + 'app-path = "/srv/app"\n')["host"][0]
    assert (host["app"], host["app-path"], host["root"]) == ("m:app", "/srv/app", "/srv")


def test_an_application_needs_one_host(read):
    with pytest.raises(UsageError, match="--app can't apply"):
        read("--app=m:app", file=HOST + HOST.replace('"h"', '"i"'))
