"""Scripts: what they are given, what becomes of their output, and what they can't do to the server."""

import os
import signal
import socket
import struct
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from .conftest import is_alive, read_answer, wait_for
from .sharing import shared_daemon

CONFIG = """
workers = 2
[timeouts]
cgi = 3
cgi-header = 1.5
[limits]
threads = 8
cgi = 8
cgi-per-address = 8
cgi-output = 1000000
[[host]]
name = "localhost"
root = "{root}"
cgi = "cgi-bin"
"""


def write_into(folder: Path):
    """What writes a script into a CGI directory; sh unless it says otherwise."""
    folder.mkdir(exist_ok=True)

    def write(name: str, text: str, mode: int = 0o755) -> Path:
        path = folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        text = textwrap.dedent(text)
        path.write_text(text if text.startswith("#!") else "#!/bin/sh\n" + text)
        path.chmod(mode)
        return path

    return write


@pytest.fixture
def script(capsule):
    """Write a script of a daemon of the story's own."""
    return write_into(capsule / "cgi-bin")


HOSTILE = {
    "PYTHONPATH": "",
    "BASH_ENV": "/nowhere",
    "HTTP_PROXY": "http://evil/",
    "NOTIFY_SOCKET": "/nowhere",
    "LISTEN_FDS": "1",
    "LISTEN_PID": "1",
    "GEMD_X": "1",
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A daemon of all that ask it for one script, in an environment that no script may see."""
    with shared_daemon(tmp_path_factory.mktemp("shared"), CONFIG, env=HOSTILE) as daemon:
        yield daemon


@pytest.fixture
def shared_script(shared):
    """Write a script of the shared daemon."""
    return write_into(shared.folder / "capsule/cgi-bin")


@pytest.fixture
def complaints(shared):
    """What the shared daemon has logged since this story began."""
    before = shared.errors
    return lambda: shared.errors.removeprefix(before)


PYTHON = f"#!{sys.executable} -I\n"


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
    assert found == {
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
        "SCRIPT_NAME": "/cgi-bin/env",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": "GEMINI",
        "TLS_VERSION": "TLSv1.3",
    }


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
        answer = shared.ask("/cgi-bin/env" + request)
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
    answer = shared.ask(spelling)
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
    wait_for(lambda: "says: one" in complaints(), "stderr in the log")
    assert "says: two \\x1b[31m" in complaints()


def test_output_comes_as_it_is_written(shared, shared_script):
    shared_script("slow", "printf '20 text/plain\\r\\n'; for i in 1 2 3; do echo $i; sleep 0.4; done\n")
    answer = shared.ask("/cgi-bin/slow")
    assert (answer.text, answer.complete) == ("1\n2\n3\n", True)
    assert answer.times[0] < 0.35
    assert answer.times[-1] > 0.7


def test_a_body_that_broke_off_has_no_close_notify(shared, shared_script, complaints):
    shared_script("exit", "echo 20 text/plain; echo begun; exit 1\n")
    shared_script("kill", "echo 20 text/plain; echo begun; kill -9 $$\n")
    shared_script("endless", "echo 20 text/plain; yes\n")
    shared.expect("broke off")
    for name in ("exit", "kill", "endless"):
        answer = shared.ask("/cgi-bin/" + name)
        assert (answer.status, answer.complete) == (20, False), name
        assert answer.seconds < 5
    for reason in ("exited with code 1", "ended by SIGKILL", "wrote more than 1000000 bytes"):
        assert reason in complaints()


def test_a_refusal_that_is_followed_by_endless_output_is_sent(shared, shared_script, complaints):
    shared_script("refuses", "echo 51 None here; yes\n")
    shared.expect("wrote more than 1000000 bytes .* after its answer 51")
    answer = shared.ask("/cgi-bin/refuses")
    assert (answer.header, answer.complete) == ("51 None here", True)
    assert answer.seconds < 2  # and not as long as it may take


def test_a_script_has_a_time_for_its_header_and_one_for_all(configure, script):
    script("mute", "sleep 60\n")
    script("long", "echo 20 text/plain; echo begun; sleep 60\n")
    daemon = configure(CONFIG.replace("cgi = 3", "cgi = 1").replace("cgi-header = 1.5", "cgi-header = 0.5"))
    daemon.expect("script /cgi-bin/mute", "broke off")
    answer = daemon.ask("/cgi-bin/mute")
    assert (answer.header, answer.complete) == ("42 The script failed", True)
    assert "wrote no header within 0.5 s" in daemon.errors
    answer = daemon.ask("/cgi-bin/long")
    assert (answer.header, answer.text, answer.complete) == ("20 text/plain", "begun\n", False)
    assert answer.seconds < 3
    assert "did not end within 1 s" in daemon.errors


GRANDCHILD = (
    PYTHON
    + """\
import os, sys, time
print("20 text/plain", flush=True)
if os.fork() == 0:
    {leave}
    with open({path!r}, "w") as file:
        file.write(str(os.getpid()))
    time.sleep(60)
    os._exit(0)
while not os.path.exists({path!r}) or not open({path!r}).read():
    time.sleep(0.01)
print("done")
"""
)


@pytest.mark.parametrize("leave", ["pass", "os.setsid()", "os.setsid(); os.fork() and os._exit(0)"])
def test_a_grandchild_neither_delays_the_answer_nor_survives(shared, shared_script, tmp_path, leave):
    path = tmp_path / "pid"
    shared_script("fork", GRANDCHILD.format(leave=leave, path=str(path)))
    answer = shared.ask("/cgi-bin/fork")
    assert (answer.text, answer.complete) == ("done\n", True)
    assert answer.seconds < 1.5
    wait_for(lambda: not is_alive(int(path.read_text())), "the grandchild to be gone", 2)


def test_a_client_that_leaves_ends_its_script(configure, script, tmp_path):
    daemon = configure(CONFIG.replace("cgi = 3", "cgi = 50").replace("cgi-header = 1.5", "cgi-header = 50"))
    path = tmp_path / "pid"
    for text in ("sleep 60", "echo 20 text/plain; sleep 60", "trap '' TERM; sleep 60; sleep 60"):
        path.unlink(missing_ok=True)
        script("waits", f"echo $$ > {path}; {text}\n")
        with daemon.tls() as tls:
            tls.sendall(daemon.url("/cgi-bin/waits").encode() + b"\r\n")
            pid = int(wait_for(lambda: path.exists() and path.read_text().strip(), text))
            # A reset. A FIN alone may be half a close, of a client that still reads.
            tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wait_for(lambda pid=pid: not is_alive(pid), f"the end of: {text}", 1.5)


def test_a_client_that_has_only_stopped_sending_gets_its_answer(configure, script):
    script("slow", "echo 20 text/plain; sleep 0.5; echo done\n")
    daemon = configure(CONFIG)
    with daemon.tls() as tls:
        tls.sendall(daemon.url("/cgi-bin/slow").encode() + b"\r\n")
        socket.socket.shutdown(tls, socket.SHUT_WR)  # a FIN without close_notify, as ncat --ssl sends it
        answer = read_answer(tls)
    assert (answer.text, answer.complete) == ("done\n", True)


TROUBLE = {
    "fork bomb": "#!/bin/sh\nf() { for i in 1 2 3; do sleep 30 & done; }\necho 20 text/plain\nf; f; f\n",
    "endless loop": PYTHON + "while True: pass\n",
    "allocation": PYTHON + "x = bytearray(2 << 30)\nprint('20 text/plain')\n",
    "closed stdout": PYTHON + "import os, time\nprint('20 text/plain', flush=True)\nos.close(1)\ntime.sleep(60)\n",
}


def test_trouble_leaves_the_worker_as_it_was(configure, script):
    daemon = configure(CONFIG + "[cgi]\nmemory = 536870912\ncpu-seconds = 1\n")
    daemon.expect("script /cgi-bin/trouble")
    workers = daemon.workers
    for name, text in TROUBLE.items():
        script("trouble", text)
        answer = daemon.ask("/cgi-bin/trouble")
        assert answer.seconds < 5, name
        assert daemon.ask("/").status == 20, name
        assert daemon.workers == workers, name


def test_limits_reach_the_script(configure, script):
    script("limits", "echo 20 text/plain; ulimit -t; ulimit -v; ulimit -f; nice\n")
    daemon = configure(CONFIG + "[cgi]\ncpu-seconds = 7\nmemory = 1073741824\nfile-size = 1048576\nnice = 5\n")
    for _ in range(10):  # the script must not have begun before they hold
        assert daemon.ask("/cgi-bin/limits").text.split() == ["7", "1048576", "2048", "5"]


def test_slow_scripts_delay_nobody_and_more_than_the_limit_are_told_so(configure, script):
    script("sleep", "sleep 1.2; echo 20 text/plain\n")
    daemon = configure(CONFIG.replace("cgi = 8", "cgi = 2"))
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(daemon.ask("/cgi-bin/sleep"))) for _ in range(10)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        assert daemon.ask("/").seconds < 0.5
    for thread in threads:
        thread.join()
    statuses = [answer.status for answer in answers]
    assert 2 <= statuses.count(20) <= 4
    assert statuses.count(41) == 10 - statuses.count(20)


def test_one_address_may_not_run_them_all(configure, script):
    script("sleep", "sleep 1; echo 20 text/plain\n")
    daemon = configure(CONFIG.replace("cgi-per-address = 8", "cgi-per-address = 1"))
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(daemon.ask("/cgi-bin/sleep"))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= [answer.status for answer in answers].count(20) <= 2


def test_a_script_in_c(shared, shared_script, tmp_path, need_program):
    source = tmp_path / "hello.c"
    source.write_text('#include <stdio.h>\nint main(void) { puts("20 text/plain\\nhello from C"); return 0; }\n')
    subprocess.run([need_program("gcc"), "-o", shared_script("hello", ""), source], check=True)
    assert shared.ask("/cgi-bin/hello").text == "hello from C\n"


def test_a_daemon_that_stops_lets_a_script_finish(configure, script):
    script("slow", "echo 20 text/plain; sleep 0.7; echo done\n")
    daemon = configure(CONFIG)
    with daemon.tls() as tls:
        tls.sendall(daemon.url("/cgi-bin/slow").encode() + b"\r\n")
        tls.recv(100)
        daemon.process.send_signal(signal.SIGTERM)
        time.sleep(0)
        assert tls.recv(100) == b"done\n"
        assert tls.recv(100) == b""
    assert daemon.process.wait(5) == 0


def test_no_script_survives_a_worker_that_is_killed(configure, script, tmp_path):
    script("sleep", f"echo $$ > {tmp_path}/pid; exec sleep 60\n")
    daemon = configure(CONFIG.replace("cgi = 3", "cgi = 50").replace("cgi-header = 1.5", "cgi-header = 50"))
    daemon.expect("ended with signal 9")
    with daemon.tls() as tls:
        tls.sendall(daemon.url("/cgi-bin/sleep").encode() + b"\r\n")
        pid = int(
            wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip(), "the script")
        )
        worker = int(Path(f"/proc/{pid}/stat").read_text().split()[3])
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: not is_alive(pid), "the script to be gone", 2)


def test_no_script_survives_the_daemon(configure, script, tmp_path):
    script("sleep", f"echo $$ > {tmp_path}/pid; exec sleep 60\n")
    daemon = configure(CONFIG.replace("cgi = 3", "cgi = 50\nstop = 1").replace("cgi-header = 1.5", "cgi-header = 50"))
    daemon.expect("which did not stop within")
    with daemon.tls() as tls:
        tls.sendall(daemon.url("/cgi-bin/sleep").encode() + b"\r\n")
        pid = int(
            wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip(), "the script")
        )
        assert daemon.stop() == 0
        assert not is_alive(pid)


@pytest.mark.parametrize("path", ["/a%2f..%2f..%2fetc", "/x%2f.git", "/a%2f.", "/%2e%2e%2fx"])
def test_no_encoded_slash_leads_out_of_path_info(shared, env_script, path):
    assert shared.ask("/cgi-bin/env" + path).status in (51, 59)


def test_a_limit_above_what_the_system_allows_is_what_it_allows(configure, script):
    script("limits", "echo 20 text/plain; ulimit -t\n")
    daemon = configure(CONFIG + "[cgi]\ncpu-seconds = 50\n")
    for pid in daemon.workers:
        subprocess.run(["prlimit", "--pid", str(pid), "--cpu=40:40"], check=True)
    assert daemon.ask("/cgi-bin/limits").text == "40\n"


def test_a_limit_that_cannot_be_is_a_clear_failure_and_costs_no_place(configure, script):
    script("any", "sleep 9\n")
    daemon = configure(CONFIG + "[cgi]\nmemory = 9223372036854775808\n")
    daemon.expect("can't be limited and watched")
    for _ in range(20):
        assert daemon.ask("/cgi-bin/any").status == 42
