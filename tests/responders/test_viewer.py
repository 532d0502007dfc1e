import os
from types import SimpleNamespace

import pytest

from gemd.config.host_settings import Location
from gemd.protocol.errors import NotFound, Overloaded
from gemd.responders.judged import MAX_JUDGEMENTS, Unjudged
from gemd.responders.protection import Protection
from gemd.responders.viewer import Viewer, judged
from gemd.system.beneath import open_root

from .asking import peer


@pytest.fixture
def root(tmp_path):
    (tmp_path / "a").write_text("text")
    descriptor = open_root(str(tmp_path))
    yield descriptor
    os.close(descriptor)


def test_it_opens_what_protection_does(root, tmp_path):
    viewer = Viewer(Protection({}), Location(root=str(tmp_path)), peer())
    found = viewer.open(root, ["a"]).resolved
    assert os.read(found.descriptor, 10) == b"text"
    os.close(found.descriptor)
    with pytest.raises(FileNotFoundError):
        viewer.open(root, ["b"])
    assert not viewer.hides(found.status, ("a",))


def test_it_judges_for_as_long_as_it_takes():
    judgements = []

    def ask():
        if len(judgements) < 3:
            raise Unjudged(lambda: judgements.append(1))
        return "known"

    assert judged(ask) == "known"
    assert len(judgements) == 3


def test_but_not_for_ever():
    judgements = []

    def ask():
        raise Unjudged(lambda: judgements.append(1))

    with pytest.raises(Overloaded):
        judged(ask)
    assert len(judgements) == MAX_JUDGEMENTS


def test_what_is_refused_is_refused():
    def refuse():
        raise NotFound

    with pytest.raises(NotFound):
        judged(refuse)


def test_the_chain_of_a_certificate_is_read_before_there_is_a_thread():
    """And not at all without one."""
    read = []

    class TLS(SimpleNamespace):
        @property
        def client_chain(self):
            return read.append(1)

    for certificate, times in ((None, 0), (object(), 1)):
        asker = SimpleNamespace(tls=TLS(client_certificate=certificate))
        Viewer(Protection({}), Location(root="/"), asker)
        assert len(read) == times
