"""Converters and addresses without an extension in the real daemon: good programs, hostile ones, and who waits."""

import os
import pwd
import re
import socket
import struct
import subprocess
import sys
import threading
import time

import pytest

from tests.conftest import need_landlock, need_root

from .conftest import is_alive, read_answer, wait_for
from .scripts import PYTHON, write_into
from .sharing import shared_daemon
from .succession import public_folder, wait_until_serving

CONFIG = """
workers = 2
[timeouts]
cgi = {timeout}
[limits]
cgi = 8
cgi-per-address = 3
[[host]]
name = "localhost"
root = "{root}"
try = [".gmi", ".md"]
convert = { ".md" = ["{tmp}/programs/convert", "--to", "gemtext"] }
[[host.location]]
path = "/raw/"
convert = {}
[[host.location]]
path = "/members.md"
client-certificate = "any"
"""
FAILED = "42 The page could not be converted"
MARKDOWN = "# Page\n"


@pytest.fixture
def write(tmp_path):
    """Write the program of the converter; sh unless it says otherwise."""
    write = write_into(tmp_path / "programs")
    return lambda text: write("convert", text)


@pytest.fixture
def notes(tmp_path):
    """Where programs may write: it is there before the daemon is."""
    folder = tmp_path / "notes"
    folder.mkdir()
    return folder


@pytest.fixture
def pages(capsule):
    """Pages in Markdown, which are some hours old."""
    for name in ("page.md", "members.md", "raw/page.md", "UPPER.MD"):
        path = capsule / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(MARKDOWN)
        os.utime(path, (1, 1))
    return capsule


@pytest.fixture
def daemon(configure, write, pages):
    """One whose converter a story writes, with these seconds for each page."""

    def daemon(text, timeout=5):
        write(text)
        return configure(CONFIG.replace("{timeout}", str(timeout)))

    return daemon


def test_a_file_is_converted_by_every_name(daemon, capsule):
    (capsule / "link").symlink_to(".")
    served = daemon('tr a-z A-Z; echo "$*"')
    converted = (20, "text/gemini", "# PAGE\n--to gemtext\n")
    for path in ("/page.md", "/page", "//page.md", "/p%61ge.m%64", "/UPPER.MD", "/link/page.md", "/page.md?x"):
        answer = served.ask(path)
        assert (answer.status, answer.meta, answer.text) == converted, path
        assert answer.complete
    assert served.ask("/raw/page.md").text == MARKDOWN
    assert [served.ask(path).status for path in ("/members", "/members.md", "/nothing")] == [60, 60, 51]
    assert "=> page.md page.md" not in served.ask("/").text


def test_a_page_is_converted_again_once_its_file_has_changed(daemon, pages):
    served = daemon("cat; date +%N")
    time.sleep(2)  # what has just changed is not remembered
    seen = {served.ask("/page").text for _ in range(20)}
    assert len(seen) <= 2  # one for each worker
    (pages / "page.md").write_text("# Another\n")
    assert served.ask("/page").text.startswith("# Another\n")


def test_many_who_ask_at_once_have_it_made_once_by_each_worker(notes, daemon):
    served = daemon(f"echo x >> {notes}/runs; sleep 0.5; cat")
    answers = []
    askers = [threading.Thread(target=lambda: answers.append(served.ask("/page.md"))) for _ in range(20)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert [answer.text for answer in answers] == [MARKDOWN] * 20
    assert len((notes / "runs").read_text().split()) <= 2


HOSTILE = {
    "exit": ("cat; exit 1", "exited with code 1"),
    "signal": ("cat; kill -KILL $$", "was ended by SIGKILL"),
    "hang": ("cat; exec sleep 60", r"did not end within 1 s \(timeouts.cgi\)"),
    "deaf hang": ("trap '' TERM; cat; sleep 60; sleep 60", r"did not end within 1 s \(timeouts.cgi\)"),
    "nothing": ("exec cat >/dev/null", "wrote nothing"),
    "a gigabyte": ("exec head -c 1073741824 /dev/zero", "wrote more than 4194304 bytes"),
    "not UTF-8": (r"printf '\200'", "wrote what is not UTF-8, at byte 0"),
    "an interpreter that is not there": (
        "#!/nowhere\n",
        "can't be started: No such file or directory; its interpreter",
    ),
    "complaints": ("echo 'oops \033[31m' >&2; exit 1", r"says: oops \\x1b\[31m"),
    "complaints without end": (
        f"{PYTHON}import os\nwhile True: os.write(2, b'oops ' * 1000)",
        "did not end within 1 s",
    ),
}


NAMES = [name.replace(" ", "-") for name in HOSTILE]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """One daemon for all of these: the program of each converts what ends with its number."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "capsule").mkdir()
    entries = []
    for number, (text, _) in enumerate(HOSTILE.values()):
        program = write_into(folder / "programs")(NAMES[number], text)
        (folder / f"capsule/page.{number}").write_text(MARKDOWN)
        entries.append(f'".{number}" = ["{program}"]')
    config = re.sub("(?m)^convert = .*$", f"convert = {{ {', '.join(entries)} }}", CONFIG, count=1)
    with shared_daemon(folder, config.replace("{timeout}", "1")) as daemon:
        daemon.expect("the converter ")
        yield daemon


@pytest.mark.parametrize("number", range(len(HOSTILE)), ids=NAMES)
def test_what_goes_wrong_is_told_and_nothing_else_sent(hostile, number):
    began = time.monotonic()
    answer = hostile.ask(f"/page.{number}")
    assert (answer.header, answer.body, answer.complete) == (FAILED, b"", True)
    assert time.monotonic() - began < 5
    who = f"the converter {hostile.folder}/programs/{NAMES[number]} of {hostile.folder}/capsule/page.{number}"
    said = list(HOSTILE.values())[number][1]
    wait_for(lambda: re.search(f"{re.escape(who)} (.*){said}", hostile.errors), said)


def test_a_program_that_forks_neither_delays_the_page_nor_stays(notes, daemon):
    served = daemon(
        f"{PYTHON}import os, sys, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork(): os._exit(0)\n"
        f"    open('{notes}/pid', 'w').write(str(os.getpid()))\n"
        "    time.sleep(60)\n"
        f"while not os.path.exists('{notes}/pid') or not open('{notes}/pid').read(): time.sleep(0.01)\n"
        "sys.stdout.write(sys.stdin.read())\n"
    )
    answer = served.ask("/page.md")
    assert (answer.text, answer.seconds < 3) == (MARKDOWN, True)
    wait_for(lambda: not is_alive(int((notes / "pid").read_text())), "the grandchild to be gone", 3)
    served.expect("had left a script's session")


def test_a_large_file_costs_who_does_not_read_it_nothing(daemon, pages):
    with (pages / "large.md").open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    served = daemon("exec <&-; echo small")
    assert served.ask("/large").text == "small\n"


def test_a_client_that_leaves_ends_its_program(notes, daemon):
    path = notes / "pid"
    served = daemon(f"echo $$ > {path}; sleep 50; cat", timeout=60)
    with served.tls() as tls:
        tls.sendall(served.url("/page.md").encode() + b"\r\n")
        pid = int(wait_for(lambda: path.exists() and path.read_text().strip(), "the program"))
        tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wait_for(lambda: not is_alive(pid), "its end", 3)


def test_who_waits_for_one_that_leaves_has_the_page_made(notes, configure, write, pages):
    write(f"echo $$ >> {notes}/runs; sleep 1; cat")
    served = configure(CONFIG.replace("{timeout}", "20").replace("workers = 2", "workers = 1"))
    with served.tls() as first, served.tls() as second:
        for tls in (first, second):
            tls.sendall(served.url("/page.md").encode() + b"\r\n")
            time.sleep(0.2)
        first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        first.close()
        assert read_answer(second).text == MARKDOWN
    assert len((notes / "runs").read_text().split()) == 2


def test_a_client_has_so_many_at_once(configure, write, pages):
    for number in range(5):
        (pages / f"{number}.md").write_text(MARKDOWN)
    write("sleep 2; cat")
    served = configure(CONFIG.replace("{timeout}", "20").replace("workers = 2", "workers = 1"))
    answers = []
    askers = [
        threading.Thread(target=lambda n=number: answers.append(served.ask(f"/{n}.md").status)) for number in range(5)
    ]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert sorted(answers) == [20, 20, 20, 41, 41]


def test_a_reload_ends_no_conversion(notes, daemon, write):
    path = notes / "begun"
    served = daemon(f"touch {path}; sleep 2; cat; echo before", timeout=20)
    with served.tls() as tls:
        tls.sendall(served.url("/page.md").encode() + b"\r\n")
        wait_for(path.exists, "the program")
        write("cat; echo after")
        served.reload()
        wait_for(lambda: served.ask("/page.md").text == MARKDOWN + "after\n", "a worker that has not begun before")
        assert read_answer(tls).text == MARKDOWN + "before\n"


def test_a_mistake_is_told_by_t(tmp_path, pages):
    conf = tmp_path / "gemd.conf"
    text = CONFIG.replace("{timeout}", "5").replace("{root}", str(pages)).replace("{tmp}", str(tmp_path))
    conf.write_text(text)
    done = subprocess.run([sys.executable, "-m", "gemd", "-t", "-c", conf], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    said = f"localhost: convert..md: {tmp_path}/programs/convert can't be used: No such file or directory"
    assert said in done.stderr


USERS = """
user = "nobody"
master-user = "root"
workers = 2
control = "{tmp}/control.sock"
[cgi]
user = "daemon"
memory = 1000000000
[tls]
certificates = "{public}/state"
[[host]]
name = "localhost"
root = "{public}/capsule"
try = ".md"
convert = { ".md" = ["{public}/programs/convert", "a b"] }
"""


@need_root
@need_landlock
def test_a_program_is_its_user_s_and_confined(start, tmp_path):
    with public_folder() as public:
        write_into(public / "programs")(
            "convert", f'id -un; echo "$HOME $1"; ulimit -v; cat; cat {public}/state/localhost.key || echo kept\n'
        )
        secret = public / "capsule/page.md"
        secret.write_text(MARKDOWN)
        secret.chmod(0o640)
        os.chown(secret, 0, _group_of("nobody"))  # which the program's user could not open
        conf = public / "gemd.conf"
        conf.write_text(USERS.replace("{public}", str(public)).replace("{tmp}", str(tmp_path)))
        served = start("-c", conf, "--host", "127.0.0.1", "--port", "0", as_root=False).wait_until_ready()
        wait_until_serving(tmp_path / "control.sock")
        lines = served.ask("/page").text.splitlines()
        assert (lines[0], lines[1].endswith(" a b"), lines[2:]) == ("daemon", True, ["976562", "# Page", "kept"])
        served.expect("Permission denied", "convert of .* says")
        served.finish()


def _group_of(user: str) -> int:
    return pwd.getpwnam(user).pw_gid
