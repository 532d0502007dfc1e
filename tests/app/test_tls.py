import pytest


def test_it_says_where_a_certificate_is_described():
    with pytest.raises(ImportError, match="environ has what it gives"):
        from gemd.app.tls import inspect_certificate  # noqa: F401
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        from gemd.app.tls import nothing  # noqa: F401
