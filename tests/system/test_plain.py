import pytest

from gemd.system.plain import PlainConnection
from gemd.system.tls import TAKE_SIZE, TLSError


def taken(connection):
    return [bytes(piece) for piece in iter(connection.take, b"")]


def test_what_comes_is_received_as_it_is():
    connection = PlainConnection()
    assert not connection.handshake()
    assert connection.receive(10) is None
    connection.feed(b"gemini")
    assert connection.handshake()
    connection.feed(b"://h/")
    assert connection.receive(4) == b"gemi"
    assert connection.receive(100) == b"ni://h/"
    assert connection.receive(100) is None


def test_what_is_written_is_taken_as_it_is_and_nothing_follows():
    connection = PlainConnection()
    assert connection.take() == b""
    connection.write(b"20 text/plain\r\n")
    connection.write(b"")
    connection.write(b"body")
    connection.send_close_notify()
    assert taken(connection) == [b"20 text/plain\r\nbody"]


def test_much_is_taken_in_pieces_of_which_the_last_is_shorter():
    connection = PlainConnection()
    connection.write(bytes(TAKE_SIZE))
    connection.write(b"end")
    assert [len(piece) for piece in taken(connection)] == [TAKE_SIZE, 3]
    connection.write(bytes(TAKE_SIZE))
    assert [len(piece) for piece in taken(connection)] == [TAKE_SIZE]
    connection.shrink()


def test_tls_is_not_understood():
    with pytest.raises(TLSError, match="it speaks TLS"):
        PlainConnection().feed(b"\x16\x03\x01")


def test_a_byte_of_that_value_later_on_is_one_like_others():
    connection = PlainConnection()
    connection.feed(b"g")
    connection.feed(b"\x16")
    assert connection.receive(9) == b"g\x16"


def test_nothing_is_known_of_the_client():
    connection = PlainConnection()
    assert connection.is_plain
    assert (connection.version, connection.cipher, connection.server_name) == ("", "", None)
    assert (connection.client_certificate, connection.client_chain) == (None, ())


def test_what_the_terminator_says_is_believed(ada):
    connection = PlainConnection()
    connection.believe("h.example", ada, "TLSv1.3", "TLS_AES_128_GCM_SHA256")
    assert (connection.version, connection.cipher) == ("TLSv1.3", "TLS_AES_128_GCM_SHA256")
    assert connection.server_name == "h.example"
    assert connection.client_certificate.common_name == "Ada"
    assert connection.client_chain == (ada,)


@pytest.fixture
def ada():
    """A certificate, in DER."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Ada")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.DER)
