"""TLS as it is on the wire."""

import ssl
import subprocess

import pytest

from .sharing import shared_daemon


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    """One daemon for the tests that only ask."""
    with shared_daemon(tmp_path_factory.mktemp("tls"), '[[host]]\nname = "localhost"\nroot = "{root}"\n') as daemon:
        yield daemon


def test_tls_1_1_is_refused(daemon):
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        with pytest.warns(DeprecationWarning, match="TLSv1"), pytest.raises((ssl.SSLError, OSError)):
            daemon.ask("/", minimum_version=version, maximum_version=version)


def openssl(need_program, daemon, *arguments, text="") -> str:
    result = subprocess.run(
        [need_program("openssl"), "s_client", "-connect", f"127.0.0.1:{daemon.port}", "-servername", "localhost",
         *arguments],
        input=text, capture_output=True, text=True, timeout=20,
    )  # fmt: skip
    return result.stdout + result.stderr


def test_no_cbc(daemon, need_program):
    said = openssl(need_program, daemon, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA384")
    assert "Cipher is (NONE)" in said


def test_no_renegotiation(daemon, need_program):
    said = openssl(need_program, daemon, "-tls1_2", text="R\n")
    assert "no renegotiation" in said


def test_tls_1_3_sends_no_ticket(daemon, need_program):
    said = openssl(need_program, daemon, "-tls1_3", "-ign_eof", text=f"gemini://localhost:{daemon.port}/\r\n")
    assert "# A capsule" in said
    assert "Post-Handshake New Session Ticket" not in said
    assert "TLS_AES_128_GCM_SHA256" in said or "TLS_AES" in said


def test_the_certificate_is_kept_over_a_restart(start, capsule, tmp_path):
    seen = set()
    for _ in range(2):
        daemon = start("--dir", capsule, "--port", "0", env={"STATE_DIRECTORY": str(tmp_path / "kept")})
        daemon.wait_until_ready()
        with daemon.tls() as tls:
            seen.add(tls.getpeercert(binary_form=True))
        daemon.stop()
    assert len(seen) == 1
