"""Applications that are loaded, and loaded again."""

import re
import shutil
import subprocess
import sys

import pytest

from gemd.system.privileges import find_identity
from tests.conftest import need_root

from .applications import APP, EXAMPLES, serve_app, write  # noqa: F401, some are fixtures
from .conftest import AS_ROOT, wait_for
from .services import change_constant
from .succession import public_folder


def test_what_can_not_be_imported_ends_the_start(start, write, tmp_path):
    write("broken.py", "1 / 0\n")
    (tmp_path / "gemd.conf").write_text(
        APP.replace("{more}", "").replace("{app}", "broken:app").replace("{tmp}", str(tmp_path))
    )
    flags = ("-c", tmp_path / "gemd.conf", "--host", "127.0.0.1", "--port", "0")
    daemon = start(*flags)
    daemon.expect("can't be loaded", "Traceback", "ZeroDivisionError", "ended with exit code 8")
    assert daemon.process.wait(30) == 8
    assert ": app: the application broken:app can't be loaded: ZeroDivisionError" in daemon.errors
    assert 'broken.py", line 1, in <module>' in daemon.errors


PAGE = 'def app(environ, send_status):\n    send_status(20, "text/plain")\n    return "{text}"\n'


@pytest.mark.parametrize("keys", ["", "preload = true\n"])
def test_a_reload_loads_new_code_and_a_broken_one_changes_nothing(serve_app, write, keys):
    write("page.py", PAGE.replace("{text}", "one"))
    daemon = serve_app("page:app", keys=keys)
    daemon.expect("can't be loaded", "Traceback", "SyntaxError", "ended with exit code 8", "not reloaded")
    assert daemon.ask("/").text == "one"
    write("page.py", PAGE.replace("{text}", "two, longer"))
    daemon.reload()
    wait_for(lambda: daemon.ask("/").text == "two, longer", "the new code")
    write("page.py", "def app(:\n")
    daemon.reload("not reloaded: ")
    assert daemon.ask("/").text == "two, longer"
    write("page.py", PAGE.replace("{text}", "three"))
    daemon.reload()
    wait_for(lambda: daemon.ask("/").text == "three", "the mended code")


def test_a_factory_with_environment_and_options(serve_app, write):
    write(
        "made.py",
        "import os\nHOME = os.environ['TRACE']\n"
        "def make(word, how_often=1):\n"
        "    def app(environ, send_status):\n"
        "        send_status(20, 'text/plain')\n        return [HOME.rpartition('/')[2], word * how_often]\n"
        "    return app\n",
    )
    daemon = serve_app("made:make()", keys='app-options = { word = "hi", how-often = 2 }\n')
    assert daemon.ask("/").text == "tracehihi"


def test_a_preloaded_application_shares_what_it_made(serve_app, write):
    shutil.copy(EXAMPLES / "counter.py", write("x.py", ""))
    daemon = serve_app("counter:app", keys="preload = true\n")
    numbers = [int(re.search(r"number (\d+)", daemon.ask("/").text)[1]) for _ in range(20)]
    assert numbers == list(range(1, 21))


def test_a_leak_is_answered_with_another_worker(serve_app, tmp_path):
    look_more_often = change_constant(tmp_path, "gemd.worker.reporter._MEMORY_INTERVAL", 0.1)
    daemon = serve_app(more="max-memory = 80_000_000\n", env=look_more_often)
    first = set(daemon.workers)
    for _ in range(8):
        assert daemon.ask("/leak").text == "leaked"
    wait_for(lambda: "bytes of memory; another follows" in daemon.errors, "a worker to be recycled", 30)
    wait_for(lambda: not first <= set(daemon.workers), "another worker")


# The command line


@pytest.fixture
def serve_by_flags(start, write):
    def serve_it(*flags):
        folder = write("page.py", PAGE.replace("{text}", "one"))
        return start("--app", "page:app", "--port", "0", *flags, cwd=folder).wait_until_ready()

    return serve_it


def test_an_application_by_a_flag(serve_by_flags):
    daemon = serve_by_flags()
    assert daemon.ask("/whatever").text == "one"


TOLD_APART = """
import os

def app(environ, send_status):
    send_status(20, "text/plain")
    return f"{text} {os.getpid()}"
"""


@pytest.fixture(params=["in the workers", "in a process"])
def serve_watched(request, start, write, tmp_path):
    """Serve the application page:app, whose files are watched; `number` of processes have it. It is not awaited."""

    def serve_it():
        flags = "--port", "0", "--workers", "2", "--reload"
        if request.param == "in the workers":
            host = APP.replace("{more}", "").replace("{app}", "page:app").replace("{tmp}", str(tmp_path))
            (tmp_path / "gemd.conf").write_text(host + "app-process = false\n")
            daemon = start("-c", tmp_path / "gemd.conf", "--host", "127.0.0.1", *flags)
        else:
            daemon = start("--app", "page:app", *flags, cwd=write("other.py", ""))
        daemon.number = serve_it.number
        return daemon

    serve_it.number = 2 if request.param == "in the workers" else 1
    return serve_it


def wait_for_text(daemon, text):
    """Until every process that has the application answers so."""

    def is_everywhere():
        answers = [daemon.ask("/").text.rpartition(" ") for _ in range(8)]
        return {answer[0] for answer in answers} == {text} and len({answer[2] for answer in answers}) == daemon.number

    wait_for(is_everywhere, f"{text!r} from all", 30)


def test_it_is_reloaded_when_its_files_change(serve_watched, write):
    write("page.py", TOLD_APART.replace("{text}", "one"))
    daemon = serve_watched().wait_until_ready()
    daemon.expect("can't be loaded", "Traceback", "NameError", "ended with exit code 8", "not reloaded")
    wait_for_text(daemon, "one")
    write("page.py", TOLD_APART.replace("{text}", "two, longer"))
    wait_for_text(daemon, "two, longer")
    assert "page.py has changed: reloading" in daemon.errors
    wait_for(lambda: "reloaded: generation 2" in daemon.errors, "all of its workers")
    write("page.py", "nonsense\n")
    wait_for(lambda: "not reloaded: " in daemon.errors, "the broken file to be reported", 30)
    wait_for_text(daemon, "two, longer")
    write("other.py", "TEXT = 'three'\n")
    write("page.py", "from other import TEXT\n" + TOLD_APART.replace("{text}", "{TEXT}"))
    wait_for_text(daemon, "three")


SLOW_TO_LOAD = """
import os, sys, time

print("importing", flush=True, file=sys.stderr)
if os.path.exists("{tried}"):
    while not os.path.exists("{gate}"):
        time.sleep(0.01)
open("{tried}", "w").close()

"""


def test_a_change_while_it_is_imported_is_not_missed(serve_watched, write, tmp_path):
    gate, tried = tmp_path / "gate", tmp_path / "tried"
    slow = SLOW_TO_LOAD.replace("{gate}", str(gate)).replace("{tried}", str(tried))
    write("page.py", slow + TOLD_APART.replace("{text}", "one"))
    trials = int(serve_watched.number > 1)  # what is to be in the workers is tried first, to its end
    if not trials:
        tried.touch()
    daemon = serve_watched()
    wait_for(lambda: daemon.errors.count("importing\n") == daemon.number + trials, "all to have read the file")
    write("page.py", TOLD_APART.replace("{text}", "two"))
    gate.touch()
    daemon.wait_until_ready()
    wait_for_text(daemon, "two")
    assert "page.py has changed: reloading" in daemon.errors


def check(*arguments, cwd):
    command = [sys.executable, "-m", "gemd", "-t", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def test_the_configuration_test_loads_applications(write, tmp_path):
    folder = write("page.py", PAGE)
    write("broken.py", "1 / 0\n")
    good = check("--app", "page:app", *AS_ROOT, cwd=folder)
    assert (good.returncode, good.stderr) == (
        0,
        "gemd: the application page:app (localhost) has a process of its own\n"
        "gemd: the configuration by flags is in order\n",
    )
    missing = check("--app", "nowhere:app", *AS_ROOT, cwd=folder)
    assert missing.returncode == 8
    assert missing.stderr == (
        "gemd: --app: localhost: app: the application nowhere:app can't be loaded: "
        f"there is no module nowhere in {folder}, nor installed\n"
    )
    broken = check("--app", "broken:app", *AS_ROOT, cwd=folder)
    assert broken.returncode == 8
    assert 'broken.py", line 1' in broken.stderr


@need_root
def test_the_configuration_test_loads_applications_as_who_serves_them(tmp_path):
    with public_folder() as folder:
        (folder / "who.py").write_text("import os\nraise KeyError(os.getuid())\n")
        keys = 'name = "localhost"\napp = "who:app"\napp-path = "."\npreload = true\n'  # in no process but this
        (folder / "gemd.conf").write_text(f"[tls]\ncertificates = '{tmp_path}'\n[[host]]\n{keys}")
        tmp_path.chmod(0o700)
        result = check("-c", "gemd.conf", "--user", "nobody", cwd=folder)
    assert result.returncode == 8
    assert f"KeyError: {find_identity('nobody', None).uid}" in result.stderr


# Real applications
