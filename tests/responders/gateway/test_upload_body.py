"""The body of an upload, as it goes to an upstream."""

import os

import pytest

from gemd.protocol.upload import Upload, UploadBody
from gemd.responders.gateway.codec import UploadFault
from gemd.responders.gateway.upload_body import BLOCK, PIECE_OF_BODY, RelayedBody, relay_body
from tests.responders.uploads.sending import WAITING
from tests.support.descriptors import open_descriptors
from tests.support.pump import Pump

CONTENT = os.urandom(9 * PIECE_OF_BODY + 7)


@pytest.fixture
def source(tmp_path):
    """The file that the upload is in."""
    (tmp_path / "body").write_bytes(CONTENT)
    descriptor = os.open(tmp_path / "body", os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def body(source):
    return RelayedBody(UploadBody(source, len(CONTENT)))


def take_all(pump, body):
    pieces = []
    while not body.is_over:
        pieces.append(pump.wait_for(WAITING, lambda: body.take() or None))
    return pieces


def test_it_is_read_in_pieces_whoever_has_moved_in_its_file(body, source):
    progress = []
    os.lseek(source, 0, os.SEEK_END)
    with Pump() as pump:
        body.begin(pump, lambda: progress.append(1))
        pieces = take_all(pump, body)
        assert body.take() == b""
    body.close()
    assert b"".join(pieces) == CONTENT
    assert max(map(len, pieces)) == PIECE_OF_BODY
    assert len(progress) == -(-len(CONTENT) // BLOCK)


def test_the_next_piece_is_read_when_the_one_before_was_taken(body, by_hand):
    body.begin(by_hand, int)
    assert body.take() == b""
    by_hand.work()
    with pytest.raises(IndexError):  # nothing more is to be done
        by_hand.work()
    assert body.take() == CONTENT[:PIECE_OF_BODY]
    by_hand.work()
    body.close()


FAULTS = {"too short": (b"", "too short"), "an error": (OSError(5, "broken"), "broken")}


@pytest.mark.parametrize(("outcome", "text"), FAULTS.values(), ids=FAULTS)
def test_what_can_t_be_read_is_a_fault(body, by_hand, monkeypatch, outcome, text):
    def pread(*_):
        if isinstance(outcome, OSError):
            raise outcome
        return outcome

    monkeypatch.setattr(os, "pread", pread)
    body.begin(by_hand, int)
    by_hand.work()
    for _ in range(2):
        with pytest.raises(UploadFault, match=text):
            body.take()
    body.close()


def test_without_a_thread_it_is_a_fault(body):
    with Pump(threads=False) as pump:
        body.begin(pump, int)
        with pytest.raises(UploadFault, match="no thread"):
            body.take()
    body.close()


def test_without_a_descriptor_it_is_a_fault(body, by_hand, monkeypatch):
    def refuse(_):
        raise OSError(24, "too many open files")

    monkeypatch.setattr(os, "dup", refuse)
    body.begin(by_hand, int)
    with pytest.raises(UploadFault, match="too many"):
        body.take()
    body.close()


@pytest.mark.parametrize("begins", [False, True])
def test_it_is_closed_when_nobody_reads_it_any_more(body, by_hand, begins):
    before = open_descriptors()
    if begins:
        body.begin(by_hand, int)
    body.close()
    if begins:
        assert open_descriptors() != before
        by_hand.work()
    assert open_descriptors() == before


def test_only_what_has_come_is_sent_on(source):
    for upload in (None, Upload(5), Upload(is_edit=True)):
        assert relay_body(upload) is None
    assert relay_body(Upload(5, body=UploadBody(source, 5))).size == 5
