"""The client that every story relies on: were it blind, no lost response would ever be noticed."""

import contextlib
import socket
import ssl
import threading

import pytest
import trustme

from gemd.gemctl import gemini_client
from tests.support.tls_client import is_cut, make_context

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


def answer_one(listener, proper):
    """Send some bytes to one client, and leave with or without close_notify."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    sock, _ = listener.accept()
    with sock, context.wrap_socket(sock, server_side=True) as tls, contextlib.suppress(OSError):
        tls.settimeout(10)
        tls.recv(100)
        tls.sendall(b"20 text/gemini\r\n# A page\n")
        if proper:
            tls.unwrap()


def read_all(tls):
    """What came, and the error that it ended with."""
    data = b""
    try:
        while chunk := tls.recv(4096):
            data += chunk
    except OSError as error:
        return data, error
    return data, None


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("proper", [True, False])
def test_an_end_without_close_notify_is_told_from_one_with_it(version, proper):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=answer_one, args=(listener, proper))
        server.start()
        context = make_context()
        context.maximum_version = version
        with (
            socket.create_connection(listener.getsockname(), timeout=10) as sock,
            context.wrap_socket(sock, suppress_ragged_eofs=False) as tls,
        ):
            tls.sendall(b"gemini://localhost/\r\n")
            data, error = read_all(tls)
        server.join()
    assert data == b"20 text/gemini\r\n# A page\n"
    assert (error is None) is proper
    assert proper or is_cut(error)


def with_reason(reason):
    error = ssl.SSLError(1, f"[SSL: {reason}] as some releases have it")
    error.reason = reason
    return error


ENDS = {
    "a reset": (ConnectionResetError(), True),
    "an end, by later releases": (ssl.SSLEOFError(), True),
    "an end, by earlier releases": (with_reason("UNEXPECTED_EOF_WHILE_READING"), True),
    "a broken record": (with_reason("DECRYPTION_FAILED_OR_BAD_RECORD_MAC"), False),
    "too long a wait": (TimeoutError(), False),
}


@pytest.mark.parametrize("judge", [is_cut, gemini_client.is_cut], ids=["tests", "gemctl"])
@pytest.mark.parametrize(("error", "expected"), ENDS.values(), ids=ENDS)
def test_every_python_s_word_for_it_is_known(judge, error, expected):
    assert judge(error) is expected
