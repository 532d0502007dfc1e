from pathlib import Path

import pytest

from gemd.system.user_data import find_user_data


@pytest.mark.parametrize(
    ("environ", "directory"),
    [
        ({"HOME": "/home/a"}, "/home/a/.local/share/gemd"),
        ({"HOME": "/home/a", "XDG_DATA_HOME": "/data"}, "/data/gemd"),
        ({"HOME": "/home/a", "XDG_DATA_HOME": "relative"}, "/home/a/.local/share/gemd"),
        ({"HOME": "/home/a", "XDG_DATA_HOME": ""}, "/home/a/.local/share/gemd"),
    ],
)
def test_where_it_is(monkeypatch, environ, directory):
    monkeypatch.setattr("os.environ", environ)
    assert find_user_data() == Path(directory)
