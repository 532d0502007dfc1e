"""What OpenSSL has against a certificate, in words that say what to do.

Rule: how much it asks of one is the system's decision (its security level), so it is asked, and not guessed.
"""

from pathlib import Path

_SHORT = "is shorter than OpenSSL's security level on this system allows, which is 2048 bits of RSA as a rule"
_REFUSALS = {
    "ee key too small": f"its key {_SHORT}: leave `certificate` and `key` out, and gemd makes a pair that serves",
    "ca key too small": f"the key of an issuer in its chain {_SHORT}: have it issued by another one",
    "ca md too weak": "it or an issuer in its chain is signed by SHA-1 or MD5, which OpenSSL's security level on "
    "this system does not allow: have it issued anew",
}


def explain_refusal(path: Path, reason: str) -> str:
    """That the certificate `path` can't be used, for the `reason` that OpenSSL gave."""
    return f"{path} can't be used: {_REFUSALS.get(reason, reason)}"
