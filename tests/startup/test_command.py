"""What a command line asks for, and how it ends. Nothing is served."""

import signal
from types import SimpleNamespace

import pytest

from gemd.exit_codes import ExitCode
from gemd.startup import command
from gemd.startup.command import run
from gemd.system.listener import BindError
from gemd.system.signals import block_signals
from tests.conftest import IS_ROOT


@pytest.fixture(autouse=True)
def _as_before():
    """Signals are afterwards what they were."""
    before = signal.getsignal(signal.SIGINT), signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield
    signal.signal(signal.SIGINT, before[0])
    signal.pthread_sigmask(signal.SIG_SETMASK, before[1])


@pytest.fixture
def ask(monkeypatch, root):
    """Run gemd with these flags; its exit code, and whether TERM was blocked when it was to serve."""

    def ask(*flags, failure=None):
        served = []

        def serve(*_):
            served.append(signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, ()))
            if failure is not None:
                raise failure
            return ExitCode.OK

        monkeypatch.setattr(command, "serve", serve)
        monkeypatch.setattr("sys.argv", ["gemd", "--dir", str(root), *flags])
        block_signals()
        return SimpleNamespace(code=run(), served=served)

    return ask


def test_signals_are_blocked_until_somebody_serves(ask):
    asked = ask()
    assert (asked.code, asked.served) == (ExitCode.OK, [True])


@pytest.mark.parametrize("flag", ["-t", "-T"])
def test_what_does_not_serve_can_be_interrupted(ask, flag, capsys):
    asked = ask(flag, *(("--user", "root") if IS_ROOT else ()))
    assert (asked.code, asked.served) == (ExitCode.OK, [])
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
    assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
    said = capsys.readouterr()
    assert "is in order" in said.err if flag == "-t" else "[timeouts]" in said.out


def test_a_failure_is_a_line_and_an_exit_code(ask, capsys):
    assert ask(failure=BindError("no such address")).code == ExitCode.BIND
    assert capsys.readouterr().err == "gemd: no such address\n"


def test_a_directory_that_is_gone_is_named(ask, tmp_path, monkeypatch, capsys):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert ask().code == ExitCode.USAGE
    assert capsys.readouterr().err == "gemd: the current directory can't be used: No such file or directory\n"
