"""Why a handshake did not succeed, in one of few words: by what OpenSSL, the system or a connection says of it.

Rule: what is not in the table is "other": a version of OpenSSL may say it in words of its own.
"""

# Parts of what is said, and the reason; the first that fits. What OpenSSL says, in lower case, is its "reason string".
_REASONS = (
    ("the client left", "left"),
    ("the client said close_notify", "left"),
    ("unexpected eof", "left"),
    *((name, "left") for name in ("ECONNRESET", "EPIPE", "ETIMEDOUT", "ECONNABORTED", "EHOSTUNREACH", "ENETUNREACH")),
    ("bytes came and were not enough", "too-large"),
    ("PROXY header", "not-tls"),
    ("http request", "not-tls"),
    ("https proxy request", "not-tls"),
    ("wrong version number", "not-tls"),
    ("packet length too long", "not-tls"),
    ("unknown protocol", "not-tls"),
    ("alert", "alert"),
    ("unsupported protocol", "version"),
    ("no protocols available", "version"),
    ("version too low", "version"),
    ("inappropriate fallback", "version"),
    ("no shared", "cipher"),
    ("no suitable", "cipher"),
)


def find_reason(text: str) -> str:
    """One of the values of FAILURES."""
    return next((reason for part, reason in _REASONS if part in text), "other")
