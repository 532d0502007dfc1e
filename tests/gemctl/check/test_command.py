"""`gemctl check`, as it is typed."""

import json
import socket

import pytest

from gemd.gemctl.__main__ import main
from gemd.gemctl.check import command as module
from gemd.gemctl.check import subjects
from gemd.gemctl.known_hosts import default_path

FLAGS = ["-c", "/nonexistent/gemd.conf", "check", "--timeout", "5"]


@pytest.fixture
def check(capsys, monkeypatch):
    """Check a server of this machine; return the exit code, what was printed and what was said."""
    monkeypatch.setattr(subjects, "_PATIENCE", 15.0)
    monkeypatch.setattr(subjects, "look_up", lambda host, port: [(2, ("127.0.0.1", port))])

    def check(server, *flags, path="/"):
        server.patience = 3.0
        code = main([*FLAGS, *flags, f"gemini://localhost:{server.port}{path}"])
        return code, *capsys.readouterr()

    return check


def test_all_is_right(checked, check):
    server = checked()
    code, printed, said = check(server)
    assert (code, said) == (0, "")
    assert (
        printed == f"localhost:{server.port}: 38 checks passed, 0 faults, 1 URL and 0 links of the capsule looked at\n"
    )
    assert not default_path().exists()


def test_a_fault_of_the_server(checked, check):
    server = checked(proper=False)
    code, printed, said = check(server, "--only", "server")
    assert (code, said) == (1, "")
    lines = printed.splitlines()
    assert lines[0] == (
        f"fault: localhost:{server.port} at 127.0.0.1:{server.port}: close-notify: the answer for the start page ended "
        'without close_notify; expected close_notify behind each response (specification 0.24.1, "Closing connections")'
        "; to do: whatever ends TLS in front of gemd has to send it; a program behind gemd has to finish its answer"
    )
    assert lines[-1].endswith(": 37 checks passed, 1 fault")


def test_a_fault_of_the_capsule(checked, check):
    server = checked(pages={"/a.gmi": b"20 text/gemini\r\nhello\n"})
    code, printed, _ = check(server, "--only", "content", path="/a.gmi")
    assert code == 1
    assert printed.startswith(f"fault: gemini://localhost:{server.port}/a.gmi: title: it has no title; expected ")
    assert printed.endswith(": 0 checks passed, 1 fault, 1 URL and 0 links of the capsule looked at\n")


def test_notes_are_no_faults(checked, check):
    server = checked(wrong=lambda line: b"20 text/plain\r\nx" if b"nothing-here" in line else None)
    code, printed, _ = check(server, "--only", "server")
    assert (code, printed.startswith("note: "), printed.endswith("37 checks passed, 0 faults, 1 note\n")) == (
        0,
        True,
        True,
    )


def test_for_programs(checked, check):
    code, printed, _ = check(checked(pages={}), "--json")
    (host,) = json.loads(printed)["hosts"]
    assert code == 1
    assert {finding["check"] for finding in host["findings"]} == {
        "start-page",
        "client-certificate",
    }  # and no dead link
    assert (host["is_complete"], host["pages"]) == (True, 1)


def test_the_time_is_over(checked, check):
    code, printed, _ = check(checked(), "--within", "0.0001")
    assert code == 4
    assert printed.endswith(": the time was over before all was checked: --within S gives more\n")


def test_what_was_found_before_the_time_was_over(checked, check):
    server = checked(pages={})
    code, printed, _ = check(server, "--pause", "1.5", "--within", "1", "--only", "content")
    assert code == 4
    assert "the time was over" in printed


def test_nobody_answers(checked, check, monkeypatch):
    server = checked()
    monkeypatch.setattr(subjects, "look_up", lambda host, port: [(2, ("127.0.0.1", 1))])
    monkeypatch.setattr(subjects, "_resolve", lambda target: (("127.0.0.1", 1),))
    code, printed, _ = check(server)
    assert code == 1
    where = f"localhost:{server.port} at 127.0.0.1:1"
    assert printed.startswith(
        f"fault: {where}: connection: can't connect to 127.0.0.1:1: Connection refused; expected "
    )


def test_both_addresses(checked, check, monkeypatch):
    server = checked()
    other = checked(address="127.0.0.2", port=server.port, folder="other")
    monkeypatch.setattr(subjects, "_resolve", lambda target: (server.address, other.address))
    code, printed, _ = check(server, "--only", "server")
    assert code == 1
    assert f" at 127.0.0.2:{server.port}: same-certificate: it is another one than at 127.0.0.1" in printed


def test_a_machine_without_ipv6(checked, check, monkeypatch):
    server = checked()
    monkeypatch.setattr(subjects, "_resolve", lambda target: (("2001:db8::1", server.port), server.address))
    monkeypatch.setattr(module, "_has_way", lambda host, port: False)
    code, printed, _ = check(server, "--only", "content", "--foreign")
    assert code == 0
    reason = "this machine has no IPv6, or no way to that address"
    assert f"skipped: localhost:{server.port} at [2001:db8::1]:{server.port}: connection: {reason}\n" in printed


def test_whether_there_is_a_way(monkeypatch):
    def refuse(*_):
        raise OSError

    assert module._has_way("::1", 1) in (True, False)
    monkeypatch.setattr(socket, "socket", refuse)
    assert module._has_way("::1", 1) is False


def test_a_pause_for_others_alone(checked):
    server = checked()
    assert module._find_pause(server.subject(), None) == 0.0
    assert module._find_pause(server.subject(addresses=(("192.0.2.1", 1965),)), None) == 0.1
    assert module._find_pause(server.subject(addresses=(("example.org", 1965),)), None) == 0.1
    assert [module._find_pause(server.subject(), seconds) for seconds in (0.0, 3.0)] == [0.0, 3.0]
    theirs = server.subject(addresses=(("192.0.2.1", 1965),), is_own=False)
    assert [module._find_pause(theirs, seconds) for seconds in (0.0, 3.0)] == [0.1, 3.0]


@pytest.mark.parametrize("pause", ["0", "0.5"])
def test_no_pause_may_be_typed(checked, check, pause):
    assert check(checked(), "--pause", pause, "--only", "content")[0] == 0


def test_no_handshake_is_one_fault(checked, check, monkeypatch):
    monkeypatch.setattr("gemd.gemctl.check.pace._FIRST_WAIT", 0.01)
    code, printed, _ = check(checked(greet=lambda octets: b"no TLS here"))
    assert code == 1
    fault, summary = printed.splitlines()
    assert ": connection: no TLS with 127.0.0.1:" in fault
    assert summary.endswith(": 0 checks passed, 1 fault")


def test_no_way_to_it_at_all(checked, check, monkeypatch):
    server = checked()
    monkeypatch.setattr(subjects, "_resolve", lambda target: (("2001:db8::1", server.port),))
    monkeypatch.setattr(module, "_has_way", lambda host, port: False)
    code, printed, _ = check(server, "--foreign")
    assert code == 4
    assert printed.endswith(": nothing was checked, since this machine has no way to it\n")


def test_ctrl_c_leaves_what_was_found(checked, check, monkeypatch):
    def interrupt(visitor):
        raise KeyboardInterrupt

    server = checked(pages={})
    monkeypatch.setattr(module, "WAITING", frozenset())
    monkeypatch.setattr(module, "CLOSELY", [one for one in module.CLOSELY if one.rule.name == "start-page"])
    monkeypatch.setattr(module.Crawl, "run", interrupt)
    code, printed, said = check(server)
    assert (code, said) == (1, "gemctl: interrupted\n")
    found, _, reason = printed.splitlines()
    assert found.startswith("fault: ")
    assert reason.endswith(": all was not checked, since it was interrupted")
    code, printed, _ = check(server, "--json")
    assert json.loads(printed)["hosts"][0]["is_complete"] is False


def test_ctrl_c_before_anything(checked, check, monkeypatch):
    def interrupt(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "find_subjects", interrupt)
    assert check(checked()) == (1, "", "gemctl: interrupted\n")


def test_who_waits_is_looked_at_once_for_all_hosts_of_a_listener(checked, check, monkeypatch):
    server = checked()
    both = [server.subject(), server.subject(patience=8.0)]
    monkeypatch.setattr(module, "find_subjects", lambda options: both)
    code, printed, _ = check(server, "--only", "server")
    assert code == 0
    first, second = (int(line.split(": ")[1].split()[0]) for line in printed.splitlines())
    assert first - second == len(module.WAITING) == 5


def test_nobody_goes_through_a_capsule_without_a_first_page(checked, check, monkeypatch):
    server = checked(pages={})
    gone = server.subject(exempt={"start-page": "gone = true"})
    monkeypatch.setattr(module, "find_subjects", lambda options: [gone])
    assert check(server, "--only", "content")[:2] == (0, f"localhost:{server.port}: 0 checks passed, 0 faults\n")


@pytest.mark.parametrize("flags", [["--limit", "0"], ["--limit", "x"], ["--pause", "-1"], ["--only", "x"]])
def test_flags_that_make_no_sense(flags, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["check", *flags, "localhost"])
    assert caught.value.code == 2
    assert flags[0] in capsys.readouterr().err
