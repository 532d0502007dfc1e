"""The PROXY header that a server behind is sent, in the version that it expects."""

from gemd.protocol.peer import Peer
from gemd.protocol.proxy_header import Endpoint, Version
from gemd.protocol.proxy_v1 import encode_v1
from gemd.protocol.proxy_v2 import encode_v2


def encode_proxy_header(version: Version | None, peer: Peer, *, server_name: str | None, hops: int) -> bytes:
    """What goes before everything else on a connection for `peer`; b"" where no version is expected. `server_name` is
    what it has asked for, and `hops` how many gemd have passed it on before this one: version 1 has no place for
    either."""
    if version is None:
        return b""
    source, destination = Endpoint(peer.address, peer.port), Endpoint(peer.local_address, peer.local_port)
    if version == "v1":
        return encode_v1(source, destination)
    return encode_v2(source, destination, server_name=server_name, hops=hops + 1)
