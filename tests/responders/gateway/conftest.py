import pytest

from tests.support.upstreams import Server


@pytest.fixture
def server():
    made = Server()
    yield made
    made.close()
