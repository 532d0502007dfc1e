"""Sessions that clients resume: over all workers, with their host alone, until a reload."""

import os
import signal
import ssl
import subprocess
from pathlib import Path

import pytest

from tests.support.tls_client import make_context

from .certificates import make_certificate
from .conftest import read_answer, wait_for
from .services import USER
from .succession import Succession

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
TLS = '[tls]\ncertificates = "{tmp}/certificates"\n'
ON = TLS + "session-tickets = true\n"
HOSTS = """
[[host]]
name = "localhost"
root = "{root}"
  [[host.location]]
  path = "/pid"
  app = "reporter:app"
  app-path = "{tmp}/apps"
  app-process = false
[[host]]
name = "members.example"
root = "{root}"
  [[host.location]]
  path = "/members/"
  client-certificate = "any"
[[host]]
name = "other.example"
root = "{root}"
"""
REPORTER = """
import os

def app(environ, send_status):
    send_status(20, "text/plain")
    return [f"{os.getpid()} {environ.get('TLS_CLIENT_HASH', 'nobody')}\\n"]
"""


@pytest.fixture
def configure(tmp_path, capsule):
    """Write the configuration; its path."""
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "reporter.py").write_text(REPORTER)

    def configure(text):
        path = tmp_path / "gemd.conf"
        path.write_text(text.replace("{tmp}", str(tmp_path)).replace("{root}", str(capsule)))
        return path

    return configure


@pytest.fixture
def serve(configure, start):
    """A daemon with session tickets, and two workers."""

    def serve(tables=ON + HOSTS, workers=2):
        path = configure(f"workers = {workers}\n" + tables)
        return start("-c", path, "--host", "127.0.0.1", "--port", "0").wait_until_ready(workers)

    return serve


@pytest.fixture(params=VERSIONS.values(), ids=VERSIONS)
def client(request):
    """A client that resumes what it is given."""
    context = make_context()
    context.minimum_version = context.maximum_version = request.param
    return context


def worker_of(answer):
    return int(answer.text.split()[0])


def visit(daemon, client, path="/", name="localhost", session=None):
    """What comes of a request: the answer, the session, whether that was resumed."""
    sock = client.wrap_socket(daemon.connect(), server_hostname=name, session=session, suppress_ragged_eofs=False)
    with sock as tls:
        tls.sendall(f"gemini://{name}:{daemon.port}{path}\r\n".encode())
        answer = read_answer(tls)
        assert answer.complete
        return answer, tls.session, tls.session_reused


def test_every_worker_resumes_what_one_began(serve, client):
    daemon = serve()
    _, session, _ = visit(daemon, client)
    first = worker_of(visit(daemon, client, "/pid", session=session)[0])
    os.kill(first, signal.SIGSTOP)  # so that the other one takes what comes
    try:
        answer, _, is_reused = visit(daemon, client, "/pid", session=session)
    finally:
        os.kill(first, signal.SIGCONT)
    assert is_reused
    assert {first, worker_of(answer)} == set(daemon.workers)


def test_a_worker_that_replaces_another_resumes_too(serve, client):
    daemon = serve()
    daemon.expect("ended by SIGKILL|was killed|SIGKILL")
    _, session, _ = visit(daemon, client)
    former = daemon.workers
    for pid in former:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: len(daemon.workers) == 2 and not set(former) & set(daemon.workers), "two other workers")
    assert visit(daemon, client, session=session)[2]


def test_it_is_off_by_default(serve, client):
    daemon = serve(TLS + HOSTS)
    for name in ("localhost", "other.example"):
        _, session, _ = visit(daemon, client, name=name)
        assert not (session and session.has_ticket)
        assert not visit(daemon, client, name=name, session=session)[2]


def test_openssl_s_own_client_resumes_without_early_data(serve, need_program, tmp_path):
    daemon = serve()
    for version in ("-tls1_2", "-tls1_3"):
        command = [need_program("openssl"), "s_client", "-connect", f"127.0.0.1:{daemon.port}", "-ign_eof", version]
        command += ["-servername", "localhost"]
        for option, word in (("-sess_out", "New"), ("-sess_in", "Reused")):
            said = subprocess.run(
                [*command, option, str(tmp_path / "session")],
                input=f"gemini://localhost:{daemon.port}/\r\n", capture_output=True, text=True, timeout=20,
            ).stdout  # fmt: skip
            assert f"\n{word}, TLSv1." in said
            assert "20 text/gemini" in said
            if version == "-tls1_3" and word == "New":
                assert said.count("Post-Handshake New Session Ticket") == 1
                assert "Max Early Data: 0" in said


# Certificates


def test_no_session_is_resumed_with_another_host(serve, client, tmp_path):
    make_certificate(tmp_path / "ada.pem")
    client.load_cert_chain(tmp_path / "ada.pem")
    daemon = serve()
    answer, session, _ = visit(daemon, client, "/members/", "members.example")
    assert answer.status == 51  # there is no such file, but it may look
    without = make_context()
    without.minimum_version = without.maximum_version = client.maximum_version
    for context, held in ((client, session), (without, visit(daemon, without)[1])):
        for name in ("localhost", "members.example", "other.example"):
            _, _, is_reused = visit(daemon, context, name=name, session=held)
            assert is_reused == (context is without and name == "localhost")
    _, other, _ = visit(daemon, without, name="other.example")
    answer, _, is_reused = visit(daemon, without, "/members/", "members.example", other)
    assert (answer.status, is_reused) == (60, False)


def test_a_certificate_is_shown_each_time(serve, client, tmp_path):
    """Where nobody asks for one as well: an application sees it, and it was never resumed."""
    make_certificate(tmp_path / "ada.pem")
    client.load_cert_chain(tmp_path / "ada.pem")
    daemon = serve()
    session, seen = None, set()
    for _ in range(4):
        answer, session, is_reused = visit(daemon, client, "/pid", session=session)
        assert not is_reused
        seen.add(answer.text.split()[1])
    assert len(seen) == 1


def test_who_has_a_session_of_another_with_a_certificate_is_nobody(serve, need_program, tmp_path):
    """The session alone, without the certificate and its key, as a thief has it."""
    make_certificate(tmp_path / "ada.pem")
    daemon = serve()
    for version in ("-tls1_2", "-tls1_3"):
        command = [need_program("openssl"), "s_client", "-connect", f"127.0.0.1:{daemon.port}", "-ign_eof", version]
        for options in (["-sess_out", "session", "-cert", "ada.pem"], ["-sess_in", "session"]):
            said = subprocess.run(
                [*command, "-servername", "localhost", *options], cwd=tmp_path,
                input=f"gemini://localhost:{daemon.port}/pid\r\n", capture_output=True, text=True, timeout=20,
            ).stdout  # fmt: skip
            assert "\nNew, TLSv1." in said
            (line,) = [line for line in said.splitlines() if line.split(" ")[0] in map(str, daemon.workers)]
            assert (line.split()[1] == "nobody") == ("-cert" not in options)


# Generations


def write_into(fifo, data):
    """Whether somebody is there to read it."""
    try:
        descriptor = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)
    return True


def test_a_reload_ends_all_sessions(serve, client):
    daemon = serve()
    _, session, _ = visit(daemon, client)
    daemon.replace_workers()
    answer, new, is_reused = visit(daemon, client, session=session)
    assert (answer.status, is_reused) == (20, False)
    assert visit(daemon, client, session=new)[2]


def test_the_setting_changes_at_a_restart(serve, configure, client):
    daemon = serve()
    daemon.expect("tls.session-tickets: changes at a restart or an upgrade, not at a reload")
    configure("workers = 2\n" + TLS + HOSTS)
    daemon.replace_workers()
    assert "tls.session-tickets: changes at a restart" in daemon.errors
    assert visit(daemon, client, session=visit(daemon, client)[1])[2]
    assert daemon.stop() == 0
    daemon = serve(TLS + HOSTS)
    configure("workers = 2\n" + ON + HOSTS)
    daemon.expect("tls.session-tickets: changes at a restart or an upgrade, not at a reload")
    daemon.replace_workers()
    assert not visit(daemon, client, session=visit(daemon, client)[1])[2]


def test_a_file_that_can_be_read_once_is_not_enough(configure, tmp_path, start):
    path = configure("workers = 2\n" + ON + HOSTS)
    os.mkfifo(tmp_path / "fifo")
    daemon = start("-c", str(tmp_path / "fifo"), "--host", "127.0.0.1", "--port", "0")
    daemon.expect("tls.session-tickets: stays false")
    wait_for(lambda: write_into(tmp_path / "fifo", path.read_bytes()), "gemd to read its configuration")
    daemon.wait_until_ready()
    assert "tls.session-tickets: stays false" in daemon.errors


def test_an_upgrade_goes_by_the_file(configure, start, tmp_path, client):
    service = (
        USER + 'workers = 2\nlisten = ["127.0.0.1:0"]\ncontrol = "{tmp}/control.sock"\npid-file = "{tmp}/gemd.pid"\n'
    )
    daemon = start("-c", str(configure(service + TLS + HOSTS)), as_root=False).wait_until_ready()
    with Succession(daemon, tmp_path) as service_now:
        _, session, _ = visit(daemon, client)
        assert not visit(daemon, client, session=session)[2]
        configure(service + ON + HOSTS)
        service_now.upgrade()
        _, session, is_reused = visit(daemon, client, session=session)
        assert not is_reused
        assert visit(daemon, client, session=session)[2]
        service_now.upgrade()
        assert not visit(daemon, client, session=session)[2]


def resident(pid):
    """Bytes in memory of its own."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024


@pytest.mark.slow
def test_a_worker_keeps_nothing_of_sessions(serve, client):
    """OpenSSL's cache would take 1 KB a handshake, and has room for 20,480."""
    daemon = serve(workers=1)
    (worker,) = daemon.workers
    session = None
    for number in range(4000):
        _, held, _ = visit(daemon, client, session=session if number % 2 else None)
        session = held if number % 2 == 0 else session
        if number == 999:
            before = resident(worker)
    assert resident(worker) - before < 1 << 20
