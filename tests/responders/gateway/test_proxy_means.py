"""What passing requests on takes besides the configuration."""

import socket

from gemd.responders.gateway.proxy_means import ProxyMeans


def test_nothing_is_there_by_default():
    means = ProxyMeans()
    assert (means.certificates, means.known) == ({}, None)
    one, other = socket.socketpair()
    with one, other:
        assert not means.is_own(one)
