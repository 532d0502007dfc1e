from gemd.responders.convert.pages import ConvertedPages

SIZE = 1024 + 10  # bytes of a page of ten


def test_all_together_have_a_limit():
    known = ConvertedPages(max_size=2 * SIZE)
    for key in "abc":
        known.keep(key, b"." * 10)
    assert [key for key in "abc" if known.find(key)] == ["b", "c"]


def test_many_small_ones_have_a_limit_too():
    known = ConvertedPages(max_size=100 * 1024)
    for key in range(1000):
        known.keep(key, b".")
    assert len(known) < 100
