from pathlib import Path

import pytest

from gemd.config import ConfigError, load_config, parse_config
from gemd.config.types import CAFile

from .reading import HOST, parse, problems_of

MISTAKES = {
    "unknown table": ("[limit]\n" + HOST, "limit", "did you mean 'limits'?"),
    "unknown key": ("[timeouts]\nrequests = 1\n" + HOST, "timeouts.requests", "did you mean 'request'?"),
    "underscore": ("[tls]\nminimum_version = '1.3'\n" + HOST, "tls.minimum_version", "did you mean 'minimum-version'?"),
    "nothing near": ("[tls]\nzzz = 1\n" + HOST, "tls.zzz", "known here: ca-file, ca-path, certificates"),
    "unknown host key": (HOST + "rooot = '/'\n", "host[1].rooot", "did you mean 'root'?"),
    "unknown location key": (
        HOST + "[[host.location]]\npath = '/a/'\nlistings = true\n",
        "host[1].location[1].listings",
        "did you mean 'listing'?",
    ),
    "derived key": (HOST + "mount = ['a']\n", "host[1].mount", "there is no such key"),
    "text for a number": (
        "[timeouts]\nrequest = '10'\n" + HOST,
        "timeouts.request",
        'seconds above 0 and at most 31536000, not "10"',
    ),
    "zero seconds": ("[timeouts]\nstop = 0\n" + HOST, "timeouts.stop", "seconds above 0 and at most 31536000, not 0"),
    "no number": ("[timeouts]\nstop = nan\n" + HOST, "timeouts.stop", "seconds above 0 and at most 31536000, not nan"),
    "endless": ("[timeouts]\nstop = inf\n" + HOST, "timeouts.stop", "seconds above 0 and at most 31536000, not inf"),
    "negative": (
        "[limits]\nconnections = -1\n" + HOST,
        "limits.connections",
        "a whole number from 1 to 1000000, not -1",
    ),
    "fraction": (
        "[limits]\nconnections = 1.5\n" + HOST,
        "limits.connections",
        "a whole number from 1 to 1000000, not 1.5",
    ),
    "number for a switch": (HOST + "listing = 1\n", "host[1].listing", "recursive, feed, not 1"),
    "text for a list": (HOST + "index = 'i.gmi'\n", "host[1].index", 'expected a list of texts, not "i.gmi"'),
    "text for listeners": (
        "listen = 'localhost'\n" + HOST,
        "listen",
        'expected a list of addresses such as "[::]:1965", or tables with one, not "localhost"',
    ),
    "table for a text": (HOST + "lang = {}\n", "host[1].lang", "expected a text that is not empty, not a table"),
    "text for a table": ("tls = 'on'\n" + HOST, "tls", 'expected a table, not "on"'),
    "empty text": (HOST + "lang = ''\n", "host[1].lang", 'expected a text that is not empty, not ""'),
    "not one of": ("[log]\nformat = 'x'\n" + HOST, "log.format", '"jetforce" or "common" or "combined" or "conden'),
    "no address": ("listen = []\n" + HOST, "listen", "expected at least one address"),
    "bad address": ("listen = ['localhost', '::1']\n" + HOST, "listen[2]", '"[address]:port"'),
    "port alone": ("listen = ['1965']\n" + HOST, "listen[1]", 'a port needs an address: expected "[::]:1965" for all'),
    "address twice": ("listen = ['a:1', 'a:1']\n" + HOST, "listen[2]", "a:1 is listed twice"),
    "no workers": ("workers = 0\n" + HOST, "workers", 'expected "auto" or a whole number from 1 to 512, not 0'),
    "workers in words": ("workers = 'two'\n" + HOST, "workers", 'expected "auto" or a whole number from 1 to 512'),
    "workers by half": ("workers = 1.5\n" + HOST, "workers", "not 1.5"),
    "no host": ("", "host", "expected at least one [[host]] table"),
    "host without a name": ("[[host]]\nroot = '/srv'\n", "host[1]", 'needs the key "name"'),
    "host with an empty name": ("[[host]]\nname = ''\nroot = '/srv'\n", "host[1].name", "not empty"),
    "name of one mark": ("[[host]]\nname = '?'\nroot = '/srv'\n", "host[1].name", "can't be a host"),
    "empty alias": (HOST + "aliases = ['']\n", "host[1].aliases[1]", "is an empty text"),
    "empty text for a truth": (HOST + "listing = ['']\n", "host[1].listing", "expected true or false"),
    "impossible name": ("[[host]]\nname = 'a b'\n", "host[1].name", '"a b" can\'t be a host'),
    "name with a port": ("[[host]]\nname = 'h:1965'\n", "host[1].name", "can't be a host"),
    "wildcard inside": ("[[host]]\nname = 'a.*.org'\n", "host[1].name", "can't be a host"),
    "name twice": (HOST + HOST.replace("h", "H.", 1).replace("H.ost", "host"), "host[2]", "h belongs to host[1]"),
    "alias twice": (HOST + "[[host]]\nname = 'g'\naliases = ['h']\n", "host[2]", "h belongs to host[1] already"),
    "certificate alone": (HOST + "certificate = 'c.pem'\n", "host[1]", 'needs both "certificate" and "key"'),
    "key alone": (HOST + "key = 'k.pem'\n", "host[1]", 'needs both "certificate" and "key"'),
    "location without a path": (HOST + "[[host.location]]\n", "host[1].location[1]", 'needs the key "path"'),
    "relative path": (HOST + "[[host.location]]\npath = 'a/'\n", "host[1].location[1].path", "begins with a slash"),
    "climbing path": (HOST + "[[host.location]]\npath = '/../'\n", "host[1].location[1].path", "expected a path"),
    "path twice": (
        HOST + "[[host.location]]\npath = '/a/'\n[[host.location]]\npath = '/a'\n",
        "host[1].location[2].path",
        "/a is listed twice",
    ),
    "root path twice": (
        HOST + "[[host.location]]\npath = '/'\n[[host.location]]\npath = '/'\n",
        "host[1].location[2].path",
        "/ is listed twice",
    ),
    "extension without a dot": (HOST + "mime = { gmi = 'text/gemini' }\n", "host[1].mime", '".gmi" = "text/gemini"'),
    "no media type": (HOST + "mime = { '.gmi' = 'gemini' }\n", "host[1].mime", 'not ".gmi" = "gemini"'),
    "extension in upper case": (HOST + "mime = { '.GMI' = 'text/gemini' }\n", "host[1].mime..GMI", 'as in ".gmi"'),
    "two extensions": (HOST + "mime = { '.tar.gz' = 'a/b' }\n", "host[1].mime..tar.gz", 'as in ".gz"'),
    "no charset to force": (HOST + "force-charset = true\n", "host[1].force-charset", "needs the key charset"),
    "line in a media type": (HOST + 'mime = { ".gmi" = "a/b;\\r\\nx" }\n', "host[1].mime", "expected entries"),
    "line in a language": (HOST + 'lang = "en\\r\\n20"\n', "host[1].lang", "expected a language tag"),
    "blank in a language": (HOST + "lang = 'en, fr'\n", "host[1].lang", "expected a language tag"),
    "a charset and more": (HOST + 'charset = "utf-8; x"\n', "host[1].charset", "expected the name of one"),
    "line in a charset": (HOST + 'charset = "utf-8\\n"\n', "host[1].charset", "expected the name of one"),
    "index outside": (HOST + "index = ['../a']\n", "host[1].index", 'expected a path below the root, not "../a"'),
    "scripts outside": (HOST + "cgi = '/usr/lib/cgi'\n", "host[1].cgi", "expected a path below the root"),
    "scripts in a folder with a dot": (HOST + "cgi = './cgi-bin'\n", "host[1].cgi", "expected a path below the root"),
    "one of several places of scripts outside": (
        HOST + "cgi = ['a', '../b/*.py']\n",
        "host[1].cgi",
        'expected a path below the root, or "." for all of it, not "../b/*.py"',
    ),
    "a place of scripts without a name": (HOST + "cgi = ['a', '']\n", "host[1].cgi[2]", "is an empty text"),
    "less than no time": (
        "[cgi]\nafter = -1\n" + HOST,
        "cgi.after",
        "a number of seconds up to 31536000, 0 for none, not -1",
    ),
    "a script outside of the chroot": (
        "user = 'gemd'\nmaster-user = 'root'\nchroot = '/srv'\n" + HOST + "script = '/usr/bin/x'\n",
        "host[1].script",
        "/usr/bin/x is not below the chroot /srv",
    ),
    "a converter outside of the chroot": (
        "user = 'gemd'\nmaster-user = 'root'\nchroot = '/srv'\n" + HOST + "convert = { '.md' = ['/usr/bin/x'] }\n",
        "host[1].convert",
        "/usr/bin/x is not below the chroot /srv",
    ),
    "a converter's user without a root": (
        "[cgi]\nuser = 'nobody'\n" + HOST + "convert = { '.md' = ['x'] }\n",
        "cgi.user",
        'needs master-user = "root"',
    ),
    "NUL in an index": (HOST + 'index = ["a\\u0000"]\n', "host[1].index", "expected"),
    "redirect without a target": (HOST + "redirect = { status = 30 }\n", "host[1].redirect", "needs the key to"),
    "redirect by a wrong status": (
        HOST + "redirect = { to = '/', status = 32 }\n",
        "host[1].redirect.status",
        "expected 30 or 31, not 32",
    ),
    "redirect to a line": (
        HOST + 'redirect = { to = "/\\r\\n" }\n',
        "host[1].redirect.to",
        "a URL has no control character",
    ),
    "redirect to a blank": (HOST + "redirect = { to = '/a b' }\n", "host[1].redirect.to", "a URL has no blank"),
    "symlinks": (HOST + "symlinks = 'yes'\n", "host[1].symlinks", '"beneath" or "none" or "any", not "yes"'),
    "no fingerprint": (
        HOST + "client-certificate = ['SHA256:12']\n",
        "host[1].client-certificate",
        '64 hexadecimal digits, not "SHA256:12"',
    ),
    "misspelt access": (HOST + "client-certificate = 'anyone'\n", "host[1].client-certificate", "expected"),
    "authorities by a wrong key": (
        HOST + "client-certificate = { cas = 'x' }\n",
        "host[1].client-certificate.cas",
        "did you mean 'ca'?",
    ),
    "ipv6-prefix": ("[limits]\nipv6-prefix = 24\n" + HOST, "limits.ipv6-prefix", "from 32 to 128, not 24"),
    "variable": ("[cgi.environment]\n'A B' = '1'\n" + HOST, "cgi.environment.A B", "letters, digits and _"),
    "NUL in a variable": ('[cgi.environment]\nA = "\\u0000"\n' + HOST, "cgi.environment.A", "expected"),
    "lists that nothing keeps to": ("[cgi]\nconfine = false\nwrite = []\n" + HOST, "cgi.write", "needs confine = true"),
    "no list": ("[cgi]\nread = '/srv'\n" + HOST, "cgi.read", "expected a list of texts"),
    "NUL in a path": (HOST.replace("/srv", "/\\u0000"), "host[1].root", "expected"),
    "number in a table of texts": (
        "[cgi]\nenvironment = { A = 'a', B = 3 }\n" + HOST,
        "cgi.environment.B",
        "a text, not 3",
    ),
    "list for a table of texts": (HOST + "mime = ['.a']\n", "host[1].mime", 'expected a table of texts, not [".a"]'),
    "NUL in an address": ('listen = ["unix:/\\u0000"]\n' + HOST, "listen", "expected a text without NUL"),
}


@pytest.mark.parametrize(("text", "path", "message"), MISTAKES.values(), ids=MISTAKES)
def test_names_the_mistake_and_its_key(text, path, message):
    problems = problems_of(text)
    assert message in problems[path]


def test_reports_every_mistake_at_once():
    text = "listen = []\nworkers = 0\nusr = 'x'\n[tls]\na = 1\n[log]\nlevel = 'x'\n[[host]]\nroot = 1\nlang = 2\n"
    assert set(problems_of(text)) == {
        "listen",
        "workers",
        "usr",
        "tls.a",
        "log.level",
        "host[1]",
        "host[1].root",
        "host[1].lang",
    }


def test_a_single_host_table_is_told_from_a_list_of_them():
    with pytest.raises(ConfigError, match="\\[\\[host\\]\\]") as caught:
        parse("[host]\nname = 'h'\n")
    assert "list of texts" not in str(caught.value)


def test_every_line_names_the_file():
    with pytest.raises(ConfigError) as caught:
        parse_config({"listen": [], "workers": 0}, base=Path(), source="/etc/gemd.conf", cpus=1)
    assert len(caught.value.lines()) == 3
    assert all(line.startswith("/etc/gemd.conf: ") for line in caught.value.lines())


FILES = {
    "missing": (None, " can't be read: No such file or directory"),
    "not TOML": (b"listen = \n", "1: expected a value, not the end of the line: put a text in quotes"),
    "two forms": (
        b'listen = ["[::]"]\n[[host]]\nname = "h"\nroot = "/"\n[[listen]]\naddress = "unix:/s"\n',
        "5: listen: has its value in line 1 already, and can't go on under a heading: put all of it in one form",
    ),
    "not UTF-8": (b"# a\n# \xff\n", "2: is not UTF-8 text: save it as UTF-8"),
}


@pytest.mark.parametrize(("content", "message"), FILES.values(), ids=FILES)
def test_a_file_that_can_not_be_used(tmp_path, content, message):
    path = tmp_path / "gemd.conf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_config(path, cpus=1)
    assert caught.value.lines() == [f"{path}:{message}"]


def test_the_mark_that_editors_begin_with_is_no_text(tmp_path):
    (tmp_path / "gemd.conf").write_bytes(b"\xef\xbb\xbf" + HOST.encode())
    assert load_config(tmp_path / "gemd.conf", cpus=1).hosts


def test_a_directory_is_no_file(tmp_path):
    with pytest.raises(ConfigError, match="is a directory: name the file in it"):
        load_config(tmp_path, cpus=1)


def test_a_file_is_read_and_its_paths_are_taken_from_its_directory(tmp_path):
    path = tmp_path / "gemd.conf"
    path.write_text('[[host]]\nname = "h"\nroot = "capsule"\n')
    config = load_config(path, cpus=1)
    assert config.hosts[0].locations[0].root == str(tmp_path / "capsule")
    assert config.source == str(path)


def test_relative_paths_are_taken_from_the_base():
    config = parse(
        "[tls]\ncertificates = 'c'\nca-file = 'ca'\n[log]\naccess = 'a.log'\nerror = 'syslog'\n[[host]]\nname = 'h'\n"
        "root = 'r'\ncertificate = 'c.pem'\nkey = '/k.pem'\nclient-certificate = { ca = 'm.pem' }\n"
    )
    assert (config.tls.certificates, config.tls.ca_file, config.tls.ca_path) == ("/etc/c", "/etc/ca", None)
    assert (config.log.access, config.log.error) == ("/etc/a.log", "syslog")
    assert (config.hosts[0].certificate, config.hosts[0].key) == ("/etc/c.pem", "/k.pem")
    assert config.hosts[0].locations[0].root == "/etc/r"
    assert config.hosts[0].locations[0].client_certificate == CAFile(ca="/etc/m.pem")


@pytest.mark.parametrize(
    ("workers", "cpus", "count"), [("'auto'", 1, 2), ("'auto'", 8, 8), ("1", 8, 1), ("512", 1, 512)]
)
def test_workers(workers, cpus, count):
    assert parse(f"workers = {workers}\n" + HOST, cpus).workers == count
