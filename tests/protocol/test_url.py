import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gemd.protocol.errors import BadRequest, NotFound
from gemd.protocol.url import cut_path, encode_path, encode_segment, has_dot_segments, parse_url, resolve, split_path
from tests.support.tables import check_table

FILE_NAMES = (
    st.binary(min_size=1, max_size=20)
    .filter(lambda raw: b"/" not in raw and b"\0" not in raw and raw not in (b".", b".."))
    .map(lambda raw: raw.decode("utf-8", "surrogateescape"))
)
PATHS = st.lists(
    st.sampled_from(["", ".", "..", "%2e", ".%2E", "...", "a", "%41", "%2F", "%252e", ".a", "ä", "%ff", ";x"])
)

SEGMENTS = {
    "/": ("",),
    "/a": ("a",),
    "/a/": ("a", ""),
    "//a": ("", "a"),
    "/a%2Fb": ("a/b",),
    "/%252e%252e/a": ("%2e%2e", "a"),
    "/%5c..%5ca": ("\\..\\a",),
    "/a%20b%3f%23": ("a b?#",),
    "/%ff": ("\udcff",),
    "/%c0%ae%c0%ae": ("\udcc0\udcae\udcc0\udcae",),
    "/\uff0e\uff0e": ("\uff0e\uff0e",),
    "/...": ("...",),
    "/a;b=c": ("a;b=c",),
    "/+": ("+",),
}


@pytest.mark.parametrize(("path", "segments"), SEGMENTS.items())
def test_segments_are_decoded_once(path, segments):
    assert parse_url(f"gemini://h{path}".encode()).segments == segments


RULE_NAMES = {
    "/": (),
    "/a//b/": ("a", "b"),
    "/a%2Fb": ("a", "b"),
    "/a%2fb/c": ("a", "b", "c"),
    "/%2F%2fa%2F/": ("a",),
    "/%2f": (),
    "/a%252Fb": ("a%2Fb",),
    "/%20": (" ",),
}


@pytest.mark.parametrize(("path", "names"), RULE_NAMES.items())
def test_for_a_rule_an_encoded_slash_is_a_slash(path, names):
    assert parse_url(f"gemini://h{path}".encode()).rule_names == names


BELOW = {
    ("/a/b/c", 0): ("a", "b", "c"),
    ("/a/b/c", 1): ("b", "c"),
    ("/a/b/c", 3): (),
    ("/a%2Fb/c%2Fd", 0): ("a/b", "c/d"),
    ("/a%2Fb/c%2Fd", 1): ("b", "c/d"),
    ("/a%2Fb/c%2Fd", 2): ("c/d",),
    ("/a%2Fb/c%2Fd", 3): ("d",),
    ("/%2F/a/%2F/b", 1): ("/", "b"),
}


@pytest.mark.parametrize(("path", "depth", "rest"), [(*case, rest) for case, rest in BELOW.items()])
def test_what_is_below_keeps_its_encoded_slashes(path, depth, rest):
    assert parse_url(f"gemini://h{path}".encode()).names_below(depth) == rest


@pytest.mark.parametrize("path", ["/a%2f..%2fb", "/..%2f", "/%2F%2e", "/a%2F.", "/a/%2e%2e%2f", "/a%00"])
def test_an_encoded_dot_segment_is_none_behind_an_encoded_slash_either(path):
    with pytest.raises(BadRequest, match="dot segment"):
        parse_url(f"gemini://h{path}".encode())


@pytest.mark.parametrize(("path", "names"), [("/", ()), ("", ()), ("//a//b/", ("a", "b")), ("a%2Fb", ("a%2Fb",))])
def test_the_names_in_a_path(path, names):
    assert split_path(path) == names


def test_directory_and_names():
    assert parse_url(b"gemini://h/a//b/").is_directory
    assert parse_url(b"gemini://h/a//b/").names == ("a", "b")
    assert not parse_url(b"gemini://h/a").is_directory


def test_what_is_remembered_of_a_url_is_of_no_other():
    check_table(parse_url, [(b"gemini://h/%d%s" % (n // 4, (b"", b"/", b"?", b"?a")[n % 4]),) for n in range(400)])


@given(PATHS)
def test_normalising_twice_is_normalising_once(segments):
    try:
        once = parse_url(("gemini://h/" + "/".join(segments)).encode())
    except BadRequest:
        assume(False)
    twice = parse_url(f"gemini://h{once.path}".encode())
    assert (twice.path, twice.segments) == (once.path, once.segments)
    assert not twice.had_dot_segments


@pytest.mark.parametrize(
    ("path", "has"), [("/a/./b", True), ("..", True), ("a/..", True), ("/a/...", False), ("", False)]
)
def test_dot_segments(path, has):
    assert has_dot_segments(path) is has


@given(PATHS)
def test_no_segment_is_a_dot_segment(segments):
    try:
        url = parse_url(("gemini://h/" + "/".join(segments)).encode())
    except BadRequest:
        assume(False)
    assert not {".", ".."} & set(url.segments)


@given(st.lists(FILE_NAMES))
def test_a_link_to_any_file_names_leads_back_to_them(names):
    url = parse_url(f"gemini://h{encode_path(names)}".encode())
    assert url.names == tuple(names)


@given(FILE_NAMES)
def test_an_encoded_segment_is_one_word_of_ascii(name):
    encoded = encode_segment(name)
    assert encoded.isascii()
    assert encoded.isprintable()
    assert not set(encoded) & set(' /?#[]<>"\\')


def test_an_encoded_path_can_not_name_another_host():
    assert encode_path(["", "", "evil.example", ""]) == "/evil.example"


@pytest.mark.parametrize(
    ("reference", "target"),
    [
        ("/x", "gemini://h:7/x"),
        ("x?a:b", "gemini://h:7/a/x?a:b"),
        ("?q:x", "gemini://h:7/a/b?q:x"),
        ("../x", "gemini://h:7/x"),
        ("//other/x", "gemini://other/x"),
        ("gemini://other/x", "gemini://other/x"),
        ("https://other/x", "https://other/x"),
        ("mailto:x", "mailto:x"),
    ],
)
def test_references(reference, target):
    assert resolve("gemini://h:7/a/b", reference) == target


@pytest.mark.parametrize(
    ("reference", "absolute"),
    [
        ("/x", "gemini://h:300/x"),
        ("x?q", "gemini://h:300/a/x?q"),
        ("?q", "gemini://h:300/a/b?q"),
        ("//g/x", "gemini://g/x"),
        ("https://g/", "https://g/"),
        ("mailto:a@b", "mailto:a@b"),
        ("//[", "//["),
        (" https://g/", " https://g/"),
        ("\x01https://g/", "\x01https://g/"),
        ("ht\ttps://g/", "ht\ttps://g/"),
        ("/x y", "gemini://h:300/x y"),
    ],
)
def test_where_a_redirect_leads(reference, absolute):
    assert resolve("gemini://h:300/a/b", reference) == absolute


@pytest.mark.parametrize(
    ("path", "depth", "prefix", "rest"),
    [
        ("/a/b", 0, "", "/a/b"),
        ("/a/b", 1, "/a", "/b"),
        ("/a/b/", 2, "/a/b", "/"),
        ("/a", 1, "/a", "/"),
        ("/a/", 1, "/a", "/"),
        ("/a//b", 1, "/a", "//b"),
        ("//a/b", 1, "/a", "/b"),
        ("/a%2Fb/c%2Fd", 2, "/a%2Fb", "/c%2Fd"),
        ("/%61/%62", 1, "/%61", "/%62"),
        ("/a", 2, "/a", "/"),
        ("/", 3, "", "/"),
    ],
)
def test_a_path_in_two(path, depth, prefix, rest):
    assert cut_path(parse_url(f"gemini://h{path}".encode()), depth) == (prefix, rest)


@pytest.mark.parametrize(("path", "depth"), [("/a%2Fb", 1), ("/a/b%2Fc/d", 2)])
def test_a_path_that_can_t_be_cut_there(path, depth):
    with pytest.raises(NotFound):
        cut_path(parse_url(f"gemini://h{path}".encode()), depth)


PARAMETERS = {
    "titan://h/a;size=3": ("/a", "size=3"),
    "TITAN://h/a.gmi;mime=text/gemini;size=3?q": ("/a.gmi", "mime=text/gemini;size=3"),
    "titan://h/a%3Bb;size=3;token=%3B": ("/a%3Bb", "size=3;token=%3B"),
    "titan://h/a;b/c;size=3": ("/a", "b/c;size=3"),
    "titan://h/a/../b;size=3": ("/b", "size=3"),
    "titan://h;size=3": None,
    "titan://h/;edit": ("/", "edit"),
    "titan://h/a": ("/a", ""),
    "titan://h/a;": ("/a", ""),
    "titan:a;size=3": ("/", ""),
    "gemini://h/a;size=3": ("/a;size=3", ""),
    "titanic://h/a;size=3": ("/a;size=3", ""),
}


@pytest.mark.parametrize(("text", "expected"), PARAMETERS.items())
def test_an_upload_has_parameters_that_are_no_part_of_its_path(text, expected):
    if expected is None:
        with pytest.raises(BadRequest):
            parse_url(text.encode())
        return
    url = parse_url(text.encode())
    assert (url.path, url.parameters) == expected
    assert "size" not in "".join(url.segments) or not url.parameters
    assert url.text == text


@pytest.mark.parametrize("parameters", ["a/../b", "a/.", "%2e%2e/b", "a%2F..", "%00", "%", "%4"])
def test_parameters_lead_nowhere(parameters):
    with pytest.raises(BadRequest):
        parse_url(f"titan://h/a;{parameters}".encode())
