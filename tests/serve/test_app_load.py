"""What is named as an application and is none: one line that says which and why, for `-t` and for a start alike.

There are frames where the application's own code has raised, and then they are its own.
"""

import os
import re
import subprocess
import sys

import pytest

from .conftest import AS_ROOT

MODULES = {
    "plain.py": """
        number = 3
        def one(environ): pass
        class Pages:
            def __init__(self, limit=None): pass
            def __call__(self, environ, send_status): pass
        def make():
            raise LookupError("no pages")
    """,
    "leaves.py": "import sys\nsys.exit('I leave')\n",
    "divides.py": "def divide():\n    return 1 / 0\ndivide()\n",
    "signals.py": "import signal\nsignal.signal(signal.SIGUSR1, signal.SIG_DFL)\n",
    "unfinished.py": "def app(environ,\n",
    "needs.py": "import no_such_library\n",
}
CANNOT = "it can't be called as app(environ, send_status): "
WRONG = {
    "os:path": ("it can't be called: it is a module", None),
    "os:nothing": ("os has no nothing", None),
    "nowhere:app": ("there is no module nowhere in {tmp}, nor installed", None),
    "plain:number": ("it can't be called: it is an int", None),
    "plain:one": (CANNOT + "too many positional arguments", None),
    "plain:Pages": (CANNOT + "too many positional arguments; if it makes the application, name it plain:Pages()", None),
    "plain:make()": ("LookupError: no pages", "plain.py"),
    "plain:one()": ("TypeError: one() missing 1 required positional argument: 'environ'", None),
    "leaves:app": ("it ends the process (SystemExit: I leave)", "leaves.py"),
    "divides:app": ("ZeroDivisionError: division by zero", "divides.py"),
    "needs:app": ("ModuleNotFoundError: No module named 'no_such_library'", "needs.py"),
    "unfinished:app": ("SyntaxError: '(' was never closed, in {tmp}/unfinished.py, line 1", None),
}
GEMDS_OWN = ("gemd/", "concurrent/futures", "<frozen importlib", "importlib/__init__")


@pytest.fixture
def folder(tmp_path):
    for name, text in MODULES.items():
        indent = len(text) - len(text.lstrip("\n ")) - 1 if text.startswith("\n") else 0
        (tmp_path / name).write_text("".join(line[indent:] + "\n" for line in text.strip("\n").splitlines()))
    return tmp_path


@pytest.mark.parametrize("mode", ["test", "start"])
@pytest.mark.parametrize(("app", "reason", "file"), [(app, *row) for app, row in WRONG.items()], ids=WRONG)
def test_one_line_says_which_and_why(folder, app, reason, file, mode):
    flags = ["-t"] if mode == "test" else ["--workers", "1", "--host", "127.0.0.1", "--port", "0"]
    environment = {**os.environ, "XDG_DATA_HOME": str(folder / "data")}
    command = [sys.executable, "-m", "gemd", "--app", app, *flags, *AS_ROOT]
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    said = [line for line in result.stderr.splitlines() if "can't be loaded" in line]
    assert (result.returncode, len(said)) == (8, 1), result.stderr
    expected = f": app: the application {app} can't be loaded: {reason.replace('{tmp}', str(folder))}"
    assert said[0].endswith(expected)
    frames = re.findall(r'File "([^"]+)", line \d+, in ', result.stderr)
    assert (frames[0] if frames else None) == (str(folder / file) if file else None)
    assert not [frame for frame in frames for part in GEMDS_OWN if part in frame]


@pytest.mark.parametrize("process", [True, False])
def test_signals_need_a_main_thread_and_the_hint_says_so(start, folder, process):
    text = f'[[host]]\nname = "localhost"\napp = "signals:app"\napp-path = "{folder}"\n'
    (folder / "signals.py").write_text(
        MODULES["signals.py"] + "def app(environ, send_status): send_status(51, 'None')\n"
    )
    (folder / "gemd.conf").write_text(text + f"app-process = {str(process).lower()}\n")
    daemon = start("-c", folder / "gemd.conf", "--host", "127.0.0.1", "--port", "0", "--workers", "1")
    if process:
        daemon.wait_until_ready(1)
        return
    daemon.expect("can't be loaded", "Traceback", "ValueError", "ended with exit code 8")
    assert daemon.process.wait(30) == 8
    assert (
        "ValueError: signal only works in main thread of the main interpreter; a worker has application code in "
        "threads; app-process = true gives it a main thread of its own"
    ) in daemon.errors
