from pathlib import Path

import pytest

from gemd.gemctl.__main__ import main
from gemd.gemctl.options import parse_arguments

WRONG = [
    [],
    ["moon"],
    ["status", "--json", "--openmetrics"],
    ["status", "--prometheus", "--openmetrics"],
    ["status", "--watch", "--prometheus"],
    ["status", "--watch", "0"],
    ["status", "--watch", "nan"],
    ["reload", "--timeout", "x"],
    ["cert"],
    ["cert", "renew"],
    ["fetch"],
    ["stop", "now"],
    ["put", "file"],
    ["put", "file", "h", "--token", "a", "--token-file", "b"],
    ["put", "file", "h", "--type", "plain"],
    ["edit"],
    ["edit", "file", "h"],
    ["check", "a", "b"],
    ["check", "--only", "links"],
    ["check", "--limit", "0"],
    ["check", "--limit", "1e3"],
]


@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_a_command_line_that_makes_no_sense(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("usage: gemctl")


PLACES = ["-c", "/x.conf", "-s", "/x.sock"]


@pytest.mark.parametrize("arguments", [[*PLACES, "status"], ["status", *PLACES]], ids=["before", "after"])
def test_places_may_stand_before_the_command_or_after_it(arguments):
    options = parse_arguments(arguments)
    assert (options.config, options.socket, options.command) == (Path("/x.conf"), Path("/x.sock"), "status")


@pytest.mark.parametrize(
    ("arguments", "seconds"),
    [
        (["status"], 10.0),
        (["stop"], 120.0),
        (["fetch", "h"], 30.0),
        (["put", "f", "h"], 30.0),
        (["check"], 10.0),
        (["stop", "--timeout", "1"], 1.0),
    ],
)
def test_how_long_it_waits(arguments, seconds):
    assert parse_arguments(arguments).timeout == seconds


def test_watching_has_a_pace_of_its_own():
    assert parse_arguments(["status", "--watch"]).watch == 2.0
    assert parse_arguments(["status", "--watch", "5"]).watch == 5.0
    assert parse_arguments(["status"]).watch is None


@pytest.mark.parametrize("command", [["fetch", "h"], ["put", "f", "h"], ["edit", "h"]], ids=lambda words: words[0])
@pytest.mark.parametrize("flag", ["--cert", "--certificate"])
def test_clients_have_their_flags_in_common(command, flag):
    options = parse_arguments([*command, flag, "c", "--key", "k", "--trust", "--connect", "g:1"])
    assert (options.cert, options.key, options.trust, options.connect) == (Path("c"), Path("k"), True, "g:1")


def test_flags_of_uploads():
    options = parse_arguments(["put", "-", "h", "--token", "a b", "--type", "text/plain;charset=utf-8"])
    assert (options.file, options.token, options.type) == ("-", "a b", "text/plain;charset=utf-8")
    assert (options.token_file, options.delete) == (None, False)


def test_a_pause_may_be_none(capsys):
    assert [parse_arguments(["check", "--pause", text]).pause for text in ("0", "0.5")] == [0.0, 0.5]
    with pytest.raises(SystemExit):
        parse_arguments(["check", "--pause", "-1"])
