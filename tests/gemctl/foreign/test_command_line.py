"""Where a command line is found, and what its flags are."""

import pytest

from gemd.gemctl.failure import Failure
from gemd.gemctl.foreign.command_line import find_command, list_flags

UNIT = """
[Unit]
Description=a server

[Service]
User=gem
Group=caps
WorkingDirectory=/srv/gem
Environment="NAME=example.org" DIR=pages
# jetforce --port 1
ExecStart=-/usr/bin/jetforce --hostname ${NAME} \\
    --dir $DIR \\
    --index-file "a b.gmi"
Restart=always
"""
SCRIPT = """#!/bin/sh
# starts jetforce --port 1
NAME='example.org'
export PORT=1966
: ${DIR:="/srv/gem"}
if ! test -d "it's"; then echo no; fi
cd /srv && exec /opt/bin/jetforce --hostname "$NAME" --port ${PORT} \\
  --dir=${DIR} --index-file ${INDEX:-i.gmi} 2>>log &
"""


def find(text):
    return find_command(text, "some", "jetforce")


def test_a_unit():
    command = find(UNIT)
    assert command.arguments == ["--hostname", "example.org", "--dir", "pages", "--index-file", "a b.gmi"]
    assert (command.user, command.group, command.directory, command.place.line) == ("gem", "caps", "/srv/gem", 11)
    assert (command.locate("pages"), command.locate("/a/../b")) == ("/srv/gem/pages", "/b")


def test_a_script():
    command = find(SCRIPT)
    words = ["--hostname", "example.org", "--port", "1966", "--dir=/srv/gem", "--index-file", "i.gmi"]
    assert (command.arguments, command.directory, command.place.line) == (words, "/srv", 7)


@pytest.mark.parametrize(
    "text",
    [
        "jetforce --port 1966",
        "--port 1966\n",
        "# mine\n--port\n1966\n",
        "sudo -u gem python3 -m jetforce --port 1966 >/dev/null 2>&1",
        "nohup ./jetforce --port 1966 | logger",
        "[Service]\nExecStart=/bin/sh -c 'exec jetforce --port 1966'",
        '#!/sbin/openrc-run\ncommand=/usr/bin/jetforce\ncommand_args="--port 1966"\n',
        "which jetforce || pip3 install jetforce\nexec jetforce --port 1966",
        "pip install jetforce --user && jetforce --port 1966",
        "name=jetforce\nload_rc_config $name\nwhile true; do jetforce --port 1966; done",
        "useradd jetforce -m\nWORKDIR /jetforce\nsystemctl stop jetforce\nsu -c 'jetforce --port 1966' gem",
    ],
)
def test_other_forms(text):
    assert find(text).arguments == ["--port", "1966"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "some: no command that starts jetforce is here"),
        ("[Service]\nExecStart=/usr/bin/agate", "no command that starts jetforce"),
        ("jetforce\njetforce --port 2", "some:2: starts jetforce again, as line 1 does"),
        ("\njetforce --hostname $(uname -n)", r"some:2: \$\(uname is worked out by a shell"),
        ("jetforce --hostname $NAME", r"\$NAME is worked out by a shell"),
        ("[Service]\nExecStart=jetforce --hostname %H", "some:2: %H is worked out by systemd"),
        ("jetforce --dir 'a", "some:1: a quote is not closed"),
        ("FROM rust\nRUN cargo install jetforce\n", "no command that starts jetforce"),
        ("jetforce" + " --port 1" * 501, "some:1: jetforce is given more than 1000 words"),
        ("jetforce " + "x" * 70_000, "some:1: has more than 65536 characters"),
        ("jetforce " + "$A" * 1001, "some:1: has more than 1000 variables"),
        ("A=" + "x" * 4000 + "\n" + ("a " + "$A" * 900 + "\n") * 9, "some:4: variables make too much"),
        (
            "A0=xx\n" + "".join(f"A{i + 1}=$A{i}$A{i}\n" for i in range(60)) + "jetforce $A60",
            "is worked out by a shell",
        ),
    ],
)
def test_what_is_no_command(text, fault):
    with pytest.raises(Failure, match=fault):
        find(text)


FLAGS = {"--host": True, "--hostname": True, "--no-tls": False, "--only": False}


def flags(line):
    found = list_flags(find(f"jetforce {line}"), FLAGS, {"3": "--only", "n": "--no-tls"})
    return [(flag.name, flag.value, flag.written) for flag in found]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("--host a --hostname=b", [("--host", "a", "--host a"), ("--hostname", "b", "--hostname=b")]),
        ("--no --hostn b", [("--no-tls", "", "--no"), ("--hostname", "b", "--hostn b")]),
        ("--host ''", [("--host", "", "--host ''")]),
        ("-3n", [("--only", "", "-3"), ("--no-tls", "", "-n")]),
        ("--odd 1 x -q --host=1", [("", "1", "--odd 1"), ("", "", "x"), ("", "", "-q"), ("--host", "1", "--host=1")]),
        ("--ho x", [("", "x", "--ho x")]),
    ],
)
def test_flags(line, found):
    assert flags(line) == found


def test_a_value_that_is_missing():
    with pytest.raises(Failure, match="some:1: --host has no value"):
        flags("--host")
