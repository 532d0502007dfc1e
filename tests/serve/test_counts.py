"""What is counted of responses and events, as a collector reads it from the running server."""

import os
import signal
import socket
import ssl
import subprocess
import sys
from datetime import timedelta

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus

from .certificates import NOW
from .conftest import wait_for
from .succession import write_script

CONF = """
workers = 2
control = "{tmp}/control.sock"
[limits]
cgi = 1
cgi-per-address = 1
[timeouts]
request = 2
[[host]]
name = "localhost"
root = "{root}"
cgi = "cgi-bin"
try = ".gmi"
[[host.location]]
path = "/lost.gmi"
gone = true
[[host.location]]
path = "/few/"
rate = "1/1d"
[[host.location]]
path = "/old"
redirect = { to = "/" }
[[host.location]]
path = "/vhosts"
answer = { status = 10, meta = "Name?" }
[[host]]
name = "other.example"
root = "{root}"
"""
PARSERS = {"--openmetrics": parse_openmetrics, "--prometheus": parse_prometheus}


@pytest.fixture
def read(tmp_path):
    """All samples, by name and values of the labels."""

    def read(form="--openmetrics"):
        command = [sys.executable, "-m", "gemd.gemctl", "-s", str(tmp_path / "control.sock"), "status", form]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        samples = [
            ((sample.name, *sample.labels.values()), sample.value)
            for family in PARSERS[form](text)
            for sample in family.samples
        ]
        assert len(dict(samples)) == len(samples)
        return dict(samples)

    return read


@pytest.mark.parametrize("form", PARSERS)
def test_responses_are_counted_by_host_responder_and_class(configure, capsule, read, form):
    daemon = configure(CONF)
    write_script(capsule, "hello", 'printf "20 text/plain\\r\\nhello"\n')
    write_script(capsule, "broken", "exit 1\n")
    daemon.expect("broken")
    scripts = ["/cgi-bin/hello", "/cgi-bin/broken"]
    assert [daemon.ask(path).status for path in scripts] == [20, 42]
    paths = ["/", "/", "/nothing", "/old", "/lost", "/vhosts", "/a/../", "/few/x", "/few/x"]
    assert [daemon.ask(path).status for path in paths] == [20, 20, 51, 31, 52, 10, 31, 51, 44]
    assert daemon.ask("/", host="other.example", name="other.example").status == 20
    assert daemon.ask("/", host="of.a.stranger").status == 53
    assert daemon.send(b"nonsense\r\n").status == 59
    wait_for(lambda: read(form)["gemd_requests_total",] == 14, "all to be counted")
    samples = read(form)
    classes = {key[1:]: value for key, value in samples.items() if key[0] == "gemd_responses_total" and value}
    assert classes == {
        ("localhost", "1x"): 1,
        ("localhost", "2x"): 3,
        ("localhost", "3x"): 2,
        ("localhost", "4x"): 2,
        ("localhost", "5x"): 3,
        ("other.example", "2x"): 1,
        ("(none)", "5x"): 2,
    }
    assert "stranger" not in str(samples)
    by = {key[1:]: value for key, value in samples.items() if key[0] == "gemd_responder_responses_total" and value}
    assert by == {
        ("root", "2x"): 3,
        ("root", "5x"): 2,
        ("cgi", "2x"): 1,
        ("cgi", "4x"): 1,
        ("redirect", "3x"): 2,
        ("gone", "5x"): 1,
        ("answer", "1x"): 1,
        ("none", "4x"): 1,
        ("none", "5x"): 2,
    }
    counts = {key[1]: value for key, value in samples.items() if key[0] == "gemd_request_duration_seconds_count"}
    assert counts == {"root": 5, "cgi": 2, "redirect": 2, "gone": 1, "answer": 1, "none": 3}
    assert sum(classes.values()) == sum(by.values()) == sum(counts.values()) == samples["gemd_requests_total",]
    assert 0 < samples["gemd_request_duration_seconds_sum", "cgi"] < 60
    assert samples["gemd_request_duration_seconds_bucket", "root", "+Inf"] == 5
    assert samples["gemd_refusals_total", "budget"] == 1


def test_counts_outlive_workers_and_reloads(configure, tmp_path, read):
    daemon = configure(CONF)
    for nr in range(1, 4):
        assert daemon.ask("/").status == 20
        wait_for(lambda nr=nr: read()["gemd_responses_total", "localhost", "2x"] == nr, "it to be counted")
        if nr == 1:
            daemon.replace_workers()
        elif nr == 2:
            former = daemon.workers
            daemon.expect("ended", "killed")
            for pid in former:
                os.kill(pid, signal.SIGKILL)
            wait_for(lambda former=former: len(set(daemon.workers) - set(former)) == 2, "two others")
        assert read()["gemd_responses_total", "localhost", "2x"] == nr
    path = tmp_path / "gemd.conf"
    path.write_text(path.read_text().replace("other.example", "third.example"))
    daemon.replace_workers()
    assert daemon.ask("/", host="third.example", name="third.example").status == 20
    wait_for(lambda: read()["gemd_responses_total", "third.example", "2x"] == 1, "it to be counted")
    samples = read()
    assert samples["gemd_responses_total", "localhost", "2x"] == 3
    assert samples["gemd_responses_total", "other.example", "2x"] == 0


def speak_http(daemon):
    with daemon.connect() as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        sock.recv(100)


def say_nothing(daemon):
    with daemon.connect() as sock:
        sock.recv(100)


def leave(daemon):
    with daemon.connect() as sock:
        sock.sendall(b"\x16\x03\x01")
        sock.shutdown(socket.SHUT_WR)
        sock.recv(100)


def want_old_tls(daemon):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    shake_hands(daemon, context)


def want_old_cipher(daemon):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")  # for which the server would need an RSA key
    shake_hands(daemon, context)


def mind_the_certificate(daemon):
    context = ssl.create_default_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # where the client says so before the server is done
    shake_hands(daemon, context)


def shake_hands(daemon, context):
    with daemon.connect() as sock, pytest.raises(OSError):
        context.wrap_socket(sock, server_hostname="localhost")


FAILURES = {
    "not-tls": speak_http,
    "timeout": say_nothing,
    "left": leave,
    "version": want_old_tls,
    "cipher": want_old_cipher,
    "alert": mind_the_certificate,
}


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1 is deprecated:DeprecationWarning")
def test_handshakes_that_fail_are_counted_by_the_reason(configure, read):
    daemon = configure(CONF)
    for fail in FAILURES.values():
        fail(daemon)

    def failures():
        samples = read()
        return {key[1]: value for key, value in samples.items() if key[0] == "gemd_handshake_failures_total" and value}

    wait_for(lambda: sum(failures().values()) == len(FAILURES), "all to be counted")
    assert failures() == dict.fromkeys(FAILURES, 1)


def test_the_end_of_each_certificate_is_told(configure, read):
    configure(CONF)
    samples = read()
    ends = [samples["gemd_certificate_not_after_seconds", host] for host in ("localhost", "other.example")]
    assert all(end > (NOW + timedelta(days=300)).timestamp() for end in ends)
