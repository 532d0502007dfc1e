"""A certificate that would be made, and is not."""

import pytest

from gemd.system.certificate_parsing import read_names
from gemd.system.certificate_plan import find_or_plan, imagine
from gemd.system.certificates import CertificateError, find_or_make


def test_one_that_is_there_is_found(tmp_path):
    made = find_or_make(tmp_path, ("localhost",))
    assert find_or_plan(tmp_path, ("localhost",)).fingerprint == made.fingerprint


def test_none_is_made(tmp_path):
    planned = find_or_plan(tmp_path / "own", ("example.org", "www.example.org"))
    assert set(read_names(planned.chain[0])) == {"example.org", "www.example.org"}
    assert planned.path == tmp_path / "own/example.org.crt"
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_waits_for_its_certificate_has_to_be_one(tmp_path):
    find_or_make(tmp_path, ("localhost",)).path.unlink()
    key = find_or_plan(tmp_path, ("localhost",)).key
    assert find_or_make(tmp_path, ("localhost",)).key.public_key() == key.public_key()
    (tmp_path / "localhost.crt").unlink()
    (tmp_path / "localhost.key").write_text("no key\n")
    for find in (find_or_plan, find_or_make):
        with pytest.raises(CertificateError, match=r"localhost\.key has no private key"):
            find(tmp_path, ("localhost",))


def test_what_stands_in_the_way_is_told_as_by_who_makes_it(tmp_path):
    (tmp_path / "file").touch()
    for find in (find_or_plan, find_or_make):
        with pytest.raises(
            CertificateError, match=f"can't make a certificate in {tmp_path}/file/own: .*{tmp_path}/file"
        ):
            find(tmp_path / "file" / "own", ("localhost",))


def test_one_in_memory_has_the_names(tmp_path):
    assert read_names(imagine(tmp_path / "x", ("localhost",)).chain[0])[0] == "localhost"
