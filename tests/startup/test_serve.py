"""The order of a start, and what a reload does with a configuration. Nothing is forked, and nobody is changed."""

import signal

import pytest

from gemd.exit_codes import ExitCode
from gemd.master.master import SIGNALS
from gemd.master.reload import LoadError
from gemd.startup import serve as module
from gemd.startup.assembly import build_generation
from gemd.startup.resources import Inherited, acquire_resources, close_new
from gemd.startup.serve import announce, build_loader, serve
from gemd.system.certificates import CertificateError
from gemd.system.log import error_log

STEPS = [
    *("find_user", "take_pid_file", "acquire_resources", "become", "check_machine", "build_generation"),
    *("take_control", "lock_down", "run_master"),
]


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    """The error log is left as the tests have it, and what a start does to its process is not done."""
    monkeypatch.setattr(error_log, "use", lambda *_, **__: None)
    monkeypatch.setattr(module, "lock_down", lambda **_: None)
    monkeypatch.setattr(module, "find_user", lambda _: None)
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
        real = getattr(module, name)

        def step(*what, **options):
            steps.append(name)
            return real(*what, **options)

        monkeypatch.setattr(module, name, step)

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
    monkeypatch.setattr(module, "find_user", lambda _: signal.raise_signal(signal.SIGTERM))
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


# A reload


@pytest.fixture
def first(configure):
    """The first generation, which serves."""
    config = configure()
    generation = build_generation(config, acquire_resources(config, [], None), None)
    yield generation
    generation.close_all_but(None)


@pytest.fixture
def said(caplog):
    """The lines of the error log."""
    caplog.set_level("INFO", "gemd")
    return lambda: [record.getMessage() for record in caplog.records]


def test_the_next_generation_shares_what_stays(configure, first):
    second = build_loader(lambda: configure(workers=3), None)(first)
    assert (second.number, second.config.workers) == (2, 3)
    assert second.listeners == first.listeners
    second.close_all_but(first)


def test_a_configuration_that_can_not_be_used_is_told_in_lines(configure, first, root):
    broken = {"name": "localhost", "root": str(root), "certificate": "/no.crt", "key": "/no.key"}
    with pytest.raises(LoadError) as caught:
        build_loader(lambda: configure(host=[broken]), None)(first)
    assert "/no.crt" in caught.value.lines[0]


def test_what_was_bound_for_a_generation_that_is_not_to_be_is_closed(configure, first, tmp_path, monkeypatch):
    bound = []

    def close(new, present):
        close_new(new, present)
        bound.append((list(new), list(present)))

    monkeypatch.setattr(module, "close_new", close)
    log = {"access": str(tmp_path / "none" / "access.log"), "error": "off"}
    with pytest.raises(LoadError, match="can't open the log"):
        build_loader(lambda: configure(listen=["127.0.0.2:0"], log=log), None)(first)
    ((new, present),) = bound
    assert [listener.socket.fileno() >= 0 for listener in new] == [False]
    assert present == list(first.listeners)
    assert all(listener.socket.fileno() >= 0 for listener in present)


def test_what_is_decided_at_the_start_stays(configure, first, said, tmp_path):
    load = build_loader(lambda: configure(pid_file=str(tmp_path / "other.pid"), max_requests=7), None)
    second = load(first)
    assert second.config.service.pid_file is None
    assert second.config.service.max_requests == 7
    assert any("change at a restart, not at a reload" in line for line in said())
    second.close_all_but(first)


def test_what_may_change_is_no_complaint(configure, first, said):
    second = build_loader(lambda: configure(max_requests=7, max_memory=10**9, auto_reload=True), None)(first)
    assert not any("restart" in line for line in said())
    second.close_all_but(first)


def test_it_is_said_what_is_served_and_where(configure, said, root):
    config = configure()
    resources = acquire_resources(config, [], None)
    (listener,) = resources.listeners
    announce(config, resources)
    lines = said()
    assert f"serving gemini://localhost:{listener.port}/ from {root}" in lines
    assert lines[-1] == f"listening on 127.0.0.1:{listener.port}; SIGTERM or Ctrl-C stops"
    assert any(resources.certificates["localhost"].fingerprint in line for line in lines)
    listener.close()
