import pytest

import gemd.app
from gemd.app.response import Response
from gemd.testing import Client

from .conftest import load_jetforce

BODIES = [
    (None, b""),
    ("tëxt", "tëxt".encode()),
    (b"octets", b"octets"),
    (["a", b"b", None, "", "c"], b"abc"),
    (tuple("012"), b"012"),
    ("", b""),
    ([], b""),
]


@pytest.mark.parametrize(("body", "sent"), BODIES)
def test_bodies(framework, body, sent):
    app = framework.JetforceApplication()
    app.route()(lambda request: framework.Response(20, "text/plain", body))
    answer = Client(app).get("/")
    assert (answer.status, answer.body) == (20, sent)


def test_a_body_is_closed_at_its_end_and_when_nobody_listens():
    closed = []

    class Body:
        def __iter__(self):
            return iter([b"x" * 100_000] * 5)

        def close(self):
            closed.append(True)

    app = gemd.app.Application()
    app.route()(lambda request: gemd.app.Response(20, "text/plain", Body()))
    client = Client(app)
    assert len(client.get("/").body) == 500_000
    assert closed == [True]
    assert not client.get("/", most_bytes=1).is_complete
    assert closed == [True, True]


def test_the_status_codes_are_jetforces_and_plain_integers():
    def codes(status):
        return {name: value for name, value in vars(status).items() if name.isupper()}

    assert codes(gemd.app.Status) == codes(load_jetforce().Status)
    assert {type(code) for code in codes(gemd.app.Status).values()} == {int}


def test_a_response_is_compared_by_what_it_says():
    assert Response(51, "Not found") == Response(51, "Not found", None)
    assert Response(20, "text/plain", "a") != Response(20, "text/plain", "b")
