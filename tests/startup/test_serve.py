"""The order of a start. Nothing is forked, and nobody is changed."""

import signal

import pytest

from gemd.exit_codes import ExitCode
from gemd.master.master import SIGNALS
from gemd.startup import making, prepare
from gemd.startup import serve as module
from gemd.startup.files import read_files
from gemd.startup.resources import Inherited, acquire_resources
from gemd.startup.serve import announce, serve
from gemd.system.certificates import CertificateError
from gemd.system.log import error_log

STEPS = [
    *("find_user", "take_pid_file", "acquire_resources", "become", "check_machine", "build_generation"),
    *("take_control", "lock_down", "run_master"),
]
PLACES = {"find_user": making, "lock_down": module, "run_master": module}  # of the others it is `prepare`


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    """The error log is left as the tests have it, and what a start does to its process is not done."""
    monkeypatch.setattr(error_log, "use", lambda *_, **__: None)
    monkeypatch.setattr(module, "lock_down", lambda **_: None)
    monkeypatch.setattr(making, "find_user", lambda _: None)
    before = {number: signal.getsignal(number) for number in SIGNALS}, signal.set_wakeup_fd(-1)
    yield
    signal.set_wakeup_fd(before[1])
    for number, handler in before[0].items():
        signal.signal(number, handler)


@pytest.fixture
def steps(monkeypatch):
    """The steps of a start, as they are taken. The master ends at once, with what it was given in `.given`."""
    steps = Steps()

    def record(name):
        place = PLACES.get(name, prepare)
        real = getattr(place, name)

        def step(*what, **options):
            steps.append(name)
            return real(*what, **options)

        monkeypatch.setattr(place, name, step)

    def run_master(*given):
        steps.given = given
        for generation in given[0]._generations:
            generation.close_all_but(None)
        return ExitCode.OK

    monkeypatch.setattr(module, "run_master", run_master)
    for name in STEPS:
        record(name)
    return steps


class Steps(list):
    given = ()


def test_the_order_of_a_start(steps, configure, tmp_path):
    assert serve(configure, Inherited(tmp_path)) is ExitCode.OK
    assert steps == STEPS
    notices, generation, *_ = steps.given
    assert generation.number == 1
    assert notices._generations == {generation}


def test_what_fails_before_root_is_given_up_ends_the_start(steps, configure, root, tmp_path):
    broken = {"name": "localhost", "root": str(root), "certificate": "/no.crt", "key": "/no.key"}
    with pytest.raises(CertificateError):
        serve(lambda: configure(host=[broken]), Inherited(tmp_path))
    assert steps == STEPS[:3]


def test_what_comes_during_a_start_waits_for_the_master_and_what_comes_after_it_is_ignored(
    steps, configure, tmp_path, monkeypatch
):
    monkeypatch.setattr(making, "find_user", lambda _: signal.raise_signal(signal.SIGTERM))
    serve(configure, Inherited(tmp_path))
    *_, queue = steps.given
    assert queue.take() == [signal.SIGTERM]
    signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN


@pytest.mark.parametrize("target", ["off", "stderr"])
def test_a_start_that_failed_says_so_where_it_was_begun(steps, configure, tmp_path, monkeypatch, capsys, target):
    """Unless the reasons themselves stand there."""
    run_master = module.run_master
    monkeypatch.setattr(module, "run_master", lambda *given: run_master(*given) or ExitCode.WORKERS)
    assert serve(lambda: configure(log={"error": target}), Inherited(tmp_path)) is ExitCode.WORKERS
    said = capsys.readouterr().err
    assert said == "" if target == "stderr" else "it did not start: the workers end before they serve" in said


@pytest.fixture
def said(caplog):
    """The lines of the error log."""
    caplog.set_level("INFO", "gemd")
    return lambda: [record.getMessage() for record in caplog.records]


def test_it_is_said_what_is_served_and_where(configure, said, root):
    config = configure()
    resources = acquire_resources(config, [], None)
    (listener,) = resources.listeners
    announce(config, resources, read_files(config), ["a key is fixed"])
    lines = said()
    assert f"serving gemini://localhost:{listener.port}/ from {root}" in lines
    assert lines[-1] == f"listening on 127.0.0.1:{listener.port}; SIGTERM or Ctrl-C stops"
    assert "a key is fixed" in lines
    assert any(resources.certificates["localhost"].fingerprint in line for line in lines)
    listener.close()


def test_an_address_is_said_as_urls_have_it(configure, said, root):
    config = configure(host=[{"name": "::1", "root": str(root)}])
    resources = acquire_resources(config, [], None)
    (listener,) = resources.listeners
    announce(config, resources, read_files(config), [])
    assert f"serving gemini://[::1]:{listener.port}/ from {root}" in said()
    listener.close()
