import os

from gemd.responders.convert import pages
from gemd.responders.convert.pages import ConvertedPages, find_state, is_settled

SIZE = 1024 + 10  # bytes of a page of ten


def test_a_page_is_found_by_its_key():
    known = ConvertedPages()
    known.keep("a", b"1")
    known.keep("a", b"2")
    assert (known.find("a"), known.find("b")) == (b"1", None)


def test_who_was_not_asked_for_longest_goes():
    known = ConvertedPages(max_size=2 * SIZE)
    known.keep("a", b"." * 10)
    known.keep("b", b"." * 10)
    assert known.find("a")
    known.keep("c", b"." * 10)
    assert [key for key in "abc" if known.find(key)] == ["a", "c"]


def test_there_are_so_many_at_most():
    known = ConvertedPages(max_pages=2)
    for key in "abc":
        known.keep(key, b".")
    assert [key for key in "abc" if known.find(key)] == ["b", "c"]


def test_one_page_does_not_push_out_all_others():
    known = ConvertedPages(max_size=4 * SIZE)
    known.keep("a", b".")
    known.keep("b", b"." * (2 * SIZE))
    assert (known.find("a"), known.find("b")) == (b".", None)


def test_another_state_of_a_file_has_another_one(tmp_path):
    path = tmp_path / "page"
    path.write_text("1")
    first = find_state(path.stat())
    assert find_state(path.stat()) == first
    os.utime(path, ns=(1, 1))
    second = find_state(path.stat())
    path.write_text("22")
    os.utime(path, ns=(1, 1))
    third = find_state(path.stat())
    path.unlink()
    (tmp_path / "other").write_text("22")
    assert len({first, second, third, find_state((tmp_path / "other").stat())}) == 4


def test_what_has_just_changed_is_not_settled(tmp_path):
    (tmp_path / "page").touch()
    status = (tmp_path / "page").stat()
    assert not is_settled(status, status.st_ctime_ns + pages._SETTLED - 1)
    assert is_settled(status, status.st_ctime_ns + pages._SETTLED)
