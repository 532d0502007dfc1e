"""TLS contexts, which the master builds and workers inherit.

Rules: TLS 1.2 and 1.3 with forward secrecy and AEAD only, no renegotiation, no early data; no session is kept, and
resumed only by a ticket, where that is wanted. A client certificate is asked for and never judged here, as most are
self-signed; responders decide. Only one whose signature would cost too much ends the handshake.
"""

import functools
import hashlib
from collections.abc import Callable, Mapping

from OpenSSL import SSL

from gemd.config.settings import TLS
from gemd.protocol.host import find_by_name, normalise_server_name
from gemd.system.certificate_refusals import explain_refusal
from gemd.system.certificates import ServerCertificate
from gemd.system.client_chain import is_key_affordable
from gemd.system.openssl_binding import MakeContext, make_context
from gemd.system.openssl_public import explain
from gemd.system.tls import Context, TLSError

# Server preference. AES-128 first: the cheapest with AES instructions, and Gemini's clients are many small devices.
_TLS13_SUITES = b"TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384"
TLS12_SUITES = b"ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"
_MINIMUM = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}

# <openssl/ssl.h>; pyOpenSSL has no names for them.
_MODE_PARTIAL_WRITE = 0x1
_MODE_NO_AUTO_CHAIN = 0x8
_MODE_RELEASE_BUFFERS = 0x10
OP_NO_RENEGOTIATION = 0x40000000
_OP_CIPHER_SERVER_PREFERENCE = 0x00400000
# OpenSSL looks for another issuer while the chain has no more than depth + 1 certificates, and begins with one.
_OWN_CERTIFICATE_ALONE = -2


def build_context(
    certificate: ServerCertificate, settings: TLS, make: MakeContext = make_context, tickets_for: str | None = None
) -> Context:
    """A server context for one certificate. Runs in the master; workers inherit it.

    Where `tickets_for` names its host, clients are given tickets, good for two hours, as OpenSSL has it; their keys are
    the context's own, made at random.

    Raises TLSError for a certificate that OpenSSL finds too weak.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(_MINIMUM[settings.minimum_version])
    context.set_options(SSL.OP_NO_COMPRESSION | OP_NO_RENEGOTIATION | _OP_CIPHER_SERVER_PREFERENCE)
    if tickets_for is None:
        context.set_options(SSL.OP_NO_TICKET)
    # OP_NO_TICKET alone would make OpenSSL keep every session: 1 KB a handshake.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    # Needed wherever client certificates are asked for; who has another one can't go on with a session.
    context.set_session_id(b"gemd" if tickets_for is None else hashlib.sha256(tickets_for.encode()).digest())
    # Without it OpenSSL builds the chain anew at each handshake; ours is loaded in full.
    context.set_mode(_MODE_NO_AUTO_CHAIN | _MODE_RELEASE_BUFFERS)
    # A partial write returns after each 16 KB record; a whole one leaves the loop to OpenSSL.
    context.clear_mode(_MODE_PARTIAL_WRITE)
    context.set_cipher_list(TLS12_SUITES)
    context.set_tls13_ciphersuites(_TLS13_SUITES)
    # Nothing depends here on what a client sends along, which 14 KB of made 126 ms of work at a depth of 0, by names
    # that its issuer constrains. -1 would be no limit at all.
    context.set_verify_depth(_OWN_CERTIFICATE_ALONE)
    try:
        context.use_certificate(certificate.chain[0])
        for issuer in certificate.chain[1:]:
            context.add_extra_chain_cert(issuer)
        context.use_privatekey(certificate.key)
        context.check_privatekey()
    except SSL.Error as error:
        raise TLSError(explain_refusal(certificate.path, explain(error))) from None
    made = make(context, is_key_affordable)
    if tickets_for is not None:
        made.spare_tickets()
    return made


def choose_by_server_name(first: Context, contexts: Mapping[str, Context]) -> None:
    """Let the name that a client asks for choose among `contexts`, whose keys may be wildcards; else `first` stays."""
    first.choose_by_server_name(find_among(contexts))


def find_among(contexts: Mapping[str, Context]) -> Callable[[bytes], Context | None]:
    """What has the context for a name as a client sends it, or None."""

    @functools.lru_cache(maxsize=256)
    def find(name: bytes) -> Context | None:
        host = normalise_server_name(name)
        return None if host is None else find_by_name(contexts, host)

    return find
