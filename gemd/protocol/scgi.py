"""SCGI: the request that an application is asked by (protocol.txt, 2008-06-23). Its answer has no form of its own.

Rule: CONTENT_LENGTH comes first, as the text wants it and some applications need it.
"""

from collections.abc import Mapping


def encode_scgi_request(params: Mapping[bytes, bytes], size: int = 0) -> bytes:
    """A netstring of names and values, which a body of so many bytes follows. Raises ValueError for a name that is
    empty, and for a NUL."""
    headers = {b"CONTENT_LENGTH": b"%d" % size, b"SCGI": b"1"}
    headers |= {name: value for name, value in params.items() if name not in headers}
    if any(not name or b"\0" in name + value for name, value in headers.items()):
        raise ValueError("a name is empty, or a name or value has a NUL")
    content = b"".join(b"%b\0%b\0" % entry for entry in headers.items())
    return b"%d:%b," % (len(content), content)
