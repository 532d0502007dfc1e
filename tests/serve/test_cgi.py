"""Scripts: what they are given, and what becomes of their output."""

import os
import pwd
import socket
import subprocess
from pathlib import Path

import pytest

from .conftest import read_answer, wait_for
from .scripts import CONFIG, PYTHON, script, shared, shared_script  # noqa: F401, some are fixtures


@pytest.fixture
def complaints(shared):
    """What the shared daemon has logged since this story began."""
    before = shared.errors
    return lambda: shared.errors.removeprefix(before)


def environment(daemon, path, **options) -> dict[str, str]:
    answer = daemon.ask(path, **options)
    assert answer.status == 20, answer.header
    return dict(line.split("=", 1) for line in answer.text.split("\0") if line)


@pytest.fixture
def env_script(shared_script):
    return shared_script(
        "env",
        PYTHON + "print('20 text/plain\\r\\n' + open('/proc/self/environ', errors='surrogateescape').read(), end='')\n",
    )


NAMES = {
    *("DOCUMENT_ROOT", "HOME", "REQUEST_URI", "SCRIPT_FILENAME"),
    *("GATEWAY_INTERFACE", "GEMINI_URL", "GEMINI_URL_PATH", "HOSTNAME", "LANG", "PATH", "PATH_INFO", "QUERY_STRING"),
    *("REMOTE_ADDR", "REMOTE_HOST", "REMOTE_PORT", "REQUEST_METHOD", "SCRIPT_NAME", "SERVER_NAME", "SERVER_PORT"),
    *("SERVER_PROTOCOL", "SERVER_SOFTWARE", "TLS_CIPHER", "TLS_VERSION"),
}


def test_the_environment_is_built_and_nothing_is_inherited(shared, env_script):
    found = environment(shared, "/cgi-bin/env/a%20b/c?x%20y")
    port = str(shared.port)
    assert found.pop("REMOTE_PORT").isdigit()
    assert found.pop("TLS_CIPHER").startswith("TLS_")
    assert found.pop("SERVER_SOFTWARE").startswith("gemd/")
    root = str(env_script.parent.parent)
    assert found.pop("HOME") == pwd.getpwuid(os.geteuid()).pw_dir
    assert found == {
        "DOCUMENT_ROOT": root,
        "GATEWAY_INTERFACE": "CGI/1.1",
        "GEMINI_SEARCH_STRING": "x y",
        "GEMINI_URL": f"gemini://localhost:{port}/cgi-bin/env/a%20b/c?x%20y",
        "GEMINI_URL_PATH": "/cgi-bin/env/a b/c",
        "HOSTNAME": "localhost",
        "LANG": "C.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "PATH_INFO": "/a b/c",
        "PATH_TRANSLATED": f"{root}/a b/c",
        "QUERY_STRING": "x%20y",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_HOST": "127.0.0.1",
        "REQUEST_METHOD": "",
        "REQUEST_URI": "/cgi-bin/env/a%20b/c?x%20y",
        "SCRIPT_FILENAME": str(env_script),
        "SCRIPT_NAME": "/cgi-bin/env",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": "GEMINI",
        "TLS_VERSION": "TLSv1.3",
    }


def follow(daemon, path):
    """What is answered in the end: a path with dot segments is first led to one without."""
    answer = daemon.ask(path)
    return daemon.ask(answer.meta) if answer.status == 31 else answer


HOSTILE_REQUESTS = [
    "?-s", "?-d+x", "?() { :;}; echo".replace(" ", "%20"), "?a=b&c=d", "?%0d%0aX:%20y", "?%00", "?LD_PRELOAD=/x",
    "?" + "a" * 900, "?\u202e", "?%e2%80%a8", "?%ff%fe", "?a+b", "?=", "??", "?%zz", "/-x", "/--help", "/%2e%2e%2ex",
    "/a//b///c", "/a/./b", "/a/../b", "/%E2%80%AE", "/\u00fc", "/%c0%af", "/a=b", "/$(id)", "/`id`", "/;id", "/|id",
    "/&id",
]  # fmt: skip


def test_thirty_hostile_requests_show_only_the_allowed_names(shared, env_script):
    optional = {"PATH_TRANSLATED", "GEMINI_SEARCH_STRING"}
    assert len(HOSTILE_REQUESTS) == 30
    for request in HOSTILE_REQUESTS:
        answer = follow(shared, "/cgi-bin/env" + request)
        if answer.status != 20:
            assert answer.status in (51, 59), request
            continue
        found = dict(line.split(b"=", 1) for line in answer.body.split(b"\0") if line)
        names = {name.decode() for name in found}
        assert NAMES <= names <= NAMES | optional, request
        assert not [value for value in found.values() if b"\r" in value or b"\n" in value], request


def test_arguments_directory_descriptors_and_signals(shared, shared_script):
    shared_script(
        "sub/look",
        PYTHON
        + """\
import os, sys
print("20 text/plain")
descriptors = sorted(os.listdir("/proc/self/fd"))[:-1]
print(len(sys.argv), os.getcwd(), descriptors, os.getsid(0) == os.getpid(), repr(sys.stdin.read()))
for line in open("/proc/self/status"):
    if line.startswith(("SigIgn", "SigBlk")):
        print(line.split()[1])
""",
    )
    folder = shared.ask("/cgi-bin/sub/look").text.splitlines()
    argc, cwd, rest = folder[0].split(" ", 2)
    assert (argc, Path(cwd).name) == ("1", "sub")
    assert rest == "['0', '1', '2'] True ''"
    # Python itself ignores SIGPIPE and SIGXFSZ once it runs; 32 and 33 are the C library's own.
    assert [int(mask, 16) & ~0x1_8100_1000 for mask in folder[1:]] == [0, 0]


SPELLINGS = ["/cgi%2dbin/x", "/cgi-bin%2fx", "//cgi-bin/x", "/./cgi-bin/x", "/cgi-bin/x/", "/CGI-BIN/x", "/cgi-bin//x",
             "/a/../cgi-bin/x", "/cgi-bin/./x", "/cgi-bin/x%00", "/cgi-bin/%78", "/cgi-bin\\x",
             "/cgi-bin/x%2f"]  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_scripts_text_is_never_served(shared, shared_script, spelling):
    shared_script("x", "# SECRET\necho 20 text/plain\n")
    answer = follow(shared, spelling)
    assert b"SECRET" not in answer.raw
    assert answer.status in (20, 51, 59)


def test_a_directory_of_scripts_is_not_listed(shared, shared_script):
    shared_script("sub/x", "echo 20 text/plain\n")
    assert [shared.ask(path).status for path in ("/cgi-bin", "/cgi-bin/", "/cgi-bin/sub/", "/cgi-bin/none")] == [51] * 4


def test_input_redirect_and_failure_pass_through(shared, shared_script):
    shared_script("answer", 'echo "$QUERY_STRING" | sed "s/%20/ /g"\n')
    for header in ("10 Your name", "30 /elsewhere", "51 No such thing", "60 Who are you"):
        answer = shared.ask("/cgi-bin/answer?" + header.replace(" ", "%20"))
        assert (answer.header, answer.complete) == (header, True)


BAD = {
    "no header": ("echo", "has to begin with a line"),
    "no output": ("true", "ended without a header"),
    "unknown status": ("echo 99 x", "status 99 is not defined"),
    "one digit": ("echo 2 x", "has to begin with a line"),
    "no meta": ("echo 20", "needs a text"),
    "a tab": ("printf '20\\ttext/plain\\n'", "has to begin with a line"),
    "a carriage return inside": ("printf '20 a\\rb\\n'", "has to begin with a line"),
    "an escape": ("printf '20 a\\033b\\n'", "control character"),
    "a byte order mark": ("printf '\\357\\273\\27720 text/plain\\n'", "has to begin with a line"),
    "64 KB without a line end": ("head -c 65536 /dev/zero | tr '\\0' 2", "has to begin with a line"),
    "exit before the header": ("echo oops >&2; exit 3", "exited with code 3"),
    "killed before the header": ("kill -9 $$", "ended by SIGKILL"),
}


@pytest.mark.parametrize(("text", "reason"), BAD.values(), ids=BAD)
def test_failures_give_42_and_the_reason_in_the_log(shared, shared_script, complaints, text, reason):
    shared_script("bad", text + "\n")
    shared.expect("script /cgi-bin/bad")
    answer = shared.ask("/cgi-bin/bad")
    assert (answer.header, answer.complete) == ("42 The script failed", True)
    assert reason in complaints()


@pytest.mark.parametrize(
    ("text", "mode", "reason"),
    [
        ("#!/no/such/interpreter\n", 0o755, "its interpreter (the #! line)"),
        ("#!/bin/sh\necho 20 text/plain\n", 0o644, "is not executable: chmod +x"),
    ],
)
def test_scripts_that_cannot_start_say_why(shared, shared_script, complaints, text, mode, reason):
    shared_script("bad", text, mode)
    shared.expect("script /cgi-bin/bad")
    assert shared.ask("/cgi-bin/bad").status == 42
    assert reason in complaints()


def test_a_program_of_no_known_kind_and_one_that_is_being_written(shared, shared_script, complaints):
    unknown, busy = shared_script("unknown", ""), shared_script("busy", "")
    unknown.write_bytes(b"\0\1\2\3")
    shared.expect("script /cgi-bin/(unknown|busy)")
    assert shared.ask("/cgi-bin/unknown").status == 42
    assert "neither a program nor begins with" in complaints()
    busy.write_bytes(Path("/bin/true").read_bytes())
    with busy.open("ab"):
        assert shared.ask("/cgi-bin/busy").status == 42
    assert "it is open for writing" in complaints()


def test_what_a_script_says_on_stderr_is_logged_line_by_line_and_escaped(shared, shared_script, complaints):
    shared_script("noisy", "printf 'one\\ntwo \\033[31m\\n' >&2\necho 20 text/plain\n")
    shared.expect("noisy.* says:")
    assert shared.ask("/cgi-bin/noisy").complete
    wait_for(lambda: "says: two \\x1b[31m" in complaints(), "stderr in the log")
    assert "says: one" in complaints()


def test_output_comes_as_it_is_written(shared, shared_script):
    shared_script("slow", "printf '20 text/plain\\r\\n'; for i in 1 2 3; do echo $i; sleep 0.4; done\n")
    answer = shared.ask("/cgi-bin/slow")
    assert (answer.text, answer.complete) == ("1\n2\n3\n", True)
    assert answer.times[0] < 0.35
    assert answer.times[-1] > 0.7


def test_a_body_that_broke_off_has_no_close_notify(shared, shared_script, complaints):
    shared_script("kill", "echo 20 text/plain; echo begun; kill -9 $$\n")
    shared_script("endless", "echo 20 text/plain; yes\n")
    shared.expect("broke off")
    for name in ("kill", "endless"):
        answer = shared.ask("/cgi-bin/" + name)
        assert (answer.status, answer.complete) == (20, False), name
        assert answer.seconds < 5
    for reason in ("ended by SIGKILL", "wrote more than 1000000 bytes"):
        assert reason in complaints()


def test_an_exit_code_spoils_no_answer(shared, shared_script, complaints):
    shared_script("grep", "echo 20 text/plain; echo found nothing; grep nothing /dev/null\n")
    shared.expect("exited with code 1 after its answer")
    answer = shared.ask("/cgi-bin/grep")
    assert (answer.text, answer.complete) == ("found nothing\n", True)
    assert "exited with code 1 after its answer, which is whole" in complaints()


def test_a_refusal_that_is_followed_by_endless_output_is_sent(shared, shared_script, complaints):
    shared_script("refuses", "echo 51 None here; yes\n")
    shared.expect("wrote more than 1000000 bytes .* after its answer 51")
    answer = shared.ask("/cgi-bin/refuses")
    assert (answer.header, answer.complete) == ("51 None here", True)
    assert answer.seconds < 2  # and not as long as it may take


def test_a_client_that_has_only_stopped_sending_gets_its_answer(configure, script):
    script("slow", "echo 20 text/plain; sleep 0.5; echo done\n")
    daemon = configure(CONFIG)
    with daemon.tls() as tls:
        tls.sendall(daemon.url("/cgi-bin/slow").encode() + b"\r\n")
        socket.socket.shutdown(tls, socket.SHUT_WR)  # a FIN without close_notify, as ncat --ssl sends it
        answer = read_answer(tls)
    assert (answer.text, answer.complete) == ("done\n", True)


def test_a_script_in_c(shared, shared_script, tmp_path, need_program):
    source = tmp_path / "hello.c"
    source.write_text('#include <stdio.h>\nint main(void) { puts("20 text/plain\\nhello from C"); return 0; }\n')
    subprocess.run([need_program("gcc"), "-o", shared_script("hello", ""), source], check=True)
    assert shared.ask("/cgi-bin/hello").text == "hello from C\n"


@pytest.mark.parametrize("path", ["/a%2f..%2f..%2fetc", "/x%2f.git", "/a%2f.", "/%2e%2e%2fx"])
def test_no_encoded_slash_leads_out_of_path_info(shared, env_script, path):
    assert shared.ask("/cgi-bin/env" + path).status in (51, 59)
