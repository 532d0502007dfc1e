"""How many connections a worker may have."""

from gemd.worker.assembly import connection_limit
from tests.master.scripted import make_generation


def test_there_may_be_as_many_connections_as_configured_where_descriptors_suffice():
    config = make_generation(1, limits={"connections": 100, "threads": 2}).config
    assert connection_limit(config) == 100


def test_connections_leave_descriptors_for_everything_else(monkeypatch):
    monkeypatch.setattr("gemd.worker.assembly.process.raise_descriptor_limit", lambda: 1024)
    config = make_generation(1, limits={"connections": 100_000, "threads": 64}).config
    assert connection_limit(config) == (1024 - 3 * 64 - 128) // 3
    host = {"name": "localhost", "location": [{"path": "/a", "app": "m:app", "app-threads": 500}]}
    config = make_generation(1, limits={"connections": 100_000, "threads": 64}, host=[host]).config
    assert connection_limit(config) == (1024 - 3 * 64 - 500 - 128) // 3
    config = make_generation(1, limits={"connections": 100_000, "threads": 10_000}).config
    assert connection_limit(config) == 16


def test_uploads_have_more_files_open(monkeypatch):
    monkeypatch.setattr("gemd.worker.assembly.process.raise_descriptor_limit", lambda: 4096)
    host = {"name": "localhost", "root": "/srv", "titan": {"public": True}}
    config = make_generation(1, limits={"connections": 100_000, "threads": 64}, host=[host]).config
    assert connection_limit(config) == (4096 - 3 * 64 - 128) // 4
