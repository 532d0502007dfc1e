"""The body of an upload as a file that an application reads."""

import os
import shutil
import subprocess

import pytest

from gemd.responders.app.upload_file import open_upload
from tests.support.descriptors import open_descriptors

CONTENT = bytes(range(256)) * 1000


@pytest.fixture
def upload(tmp_path):
    (tmp_path / "body").write_bytes(CONTENT)
    with open_upload(os.open(tmp_path / "body", os.O_RDONLY)) as file:
        yield file


def test_it_is_read_as_files_are(upload, tmp_path):
    assert upload.read(5) == CONTENT[:5]
    assert upload.tell() == 5
    assert upload.read() == CONTENT[5:]
    assert upload.read() == b""
    assert upload.seek(-6, os.SEEK_END) == len(CONTENT) - 6
    assert upload.seek(2, os.SEEK_CUR) == len(CONTENT) - 4
    assert upload.readlines() == [CONTENT[-4:]]
    upload.seek(0)
    with (tmp_path / "copy").open("wb") as copy:
        shutil.copyfileobj(upload, copy)
    assert (tmp_path / "copy").read_bytes() == CONTENT
    assert upload.readable()
    assert not upload.writable()


def test_a_program_reads_it_from_its_beginning(upload):
    upload.read(1000)
    assert subprocess.run(["wc", "-c"], stdin=upload, capture_output=True, check=True).stdout.strip() == b"256000"


def test_before_the_beginning_is_nothing(upload):
    with pytest.raises(ValueError, match="negative"):
        upload.raw.seek(-1)


@pytest.mark.parametrize("use", ["read", "tell", "fileno"])
def test_once_it_is_closed_nothing_is_read(upload, use):
    upload.close()
    with pytest.raises(ValueError, match="closed"):
        getattr(upload, use)()


def test_it_is_closed_once(upload):
    raw = upload.raw
    descriptor = upload.fileno()
    upload.close()
    other = os.open("/", os.O_RDONLY)
    os.dup2(other, descriptor)  # somebody else's by now
    raw.close()
    os.fstat(descriptor)
    for each in {other, descriptor}:
        os.close(each)


def test_what_nobody_has_any_more_is_closed(tmp_path):
    (tmp_path / "body").write_bytes(CONTENT)
    before = open_descriptors()
    file = open_upload(os.open(tmp_path / "body", os.O_RDONLY))
    assert file.read(1) == CONTENT[:1]
    del file
    assert open_descriptors().items() <= before.items()  # loops of others may be closing theirs


def test_one_of_no_bytes_is_a_file_as_well():
    assert open_upload(None).read() == b""
