import pytest


def test_it_says_that_the_daemon_serves():
    with pytest.raises(ImportError, match="gemd's own daemon serves: wrap the application"):
        from gemd.app.protocol import GeminiProtocol  # noqa: F401
    with pytest.raises(ImportError, match="cannot import name 'Nothing'"):
        from gemd.app.protocol import Nothing  # noqa: F401
