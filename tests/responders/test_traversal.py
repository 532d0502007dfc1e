"""No request leads out of the root: every known class of traversal, and whatever else can be put together."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemd.protocol.reference import encode_reference

from .asking import request

CLIMBS = {
    "literal": "..",
    "half encoded": ".%2e",
    "other half": "%2e.",
    "encoded": "%2e%2e",
    "upper case": "%2E%2E",
    "twice encoded": "%252e%252e",
    "thrice encoded": "%25252e%25252e",
    "over-long": "%c0%ae%c0%ae",
    "over-long in three": "%e0%80%ae%e0%80%ae",
    "fullwidth": "\uff0e\uff0e",
    "one dot leader": "\u2024\u2024",
    "two dot leader": "\u2025",
    "encoded fullwidth": "%ef%bc%8e%ef%bc%8e",
    "trailing dot": "...",
    "trailing blank": "..%20",
    "leading blank": "%20..",
    "parameter": "..;",
    "parameter with a value": "..;a=b",
    "NUL": "..%00",
    "NUL inside": ".%00.",
    "TAB": "..%09",
    "newline": "..%0d%0a",
    "question mark": "..%3f",
    "number sign": "..%23",
    "stray octet": "..%ff",
}

SLASHES = {
    "slash": "/",
    "two": "//",
    "with a dot": "/./",
    "dot and two": "/.//",
    "encoded": "%2f",
    "upper case": "%2F",
    "twice encoded": "%252f",
    "backslash": "%5c",
    "literal backslash": "\\",
    "over-long": "%c0%af",
    "division": "\u2215",
    "fullwidth": "\uff0f",
    "encoded dot": "/%2e/",
}

STARTS = ["/", "/dir/", "/link/", "//", "/dir%2f", "/.well-known/"]
TARGETS = ["secret.gmi", "other/secret.gmi", "capsule-too/secret.gmi", "other/", ""]

ATTACKS = [
    start + slash.join([climb] * depth + [target])
    for climb, slash in itertools.product(CLIMBS.values(), SLASHES.values())
    for start, target, depth in zip(itertools.cycle(STARTS), TARGETS, itertools.cycle([1, 2, 3]), strict=False)
]

OTHERS = [
    "/%2fetc%2fpasswd",
    "//etc/passwd",
    "/./../secret.gmi",
    "/dir/../../secret.gmi",
    "/dir/..%2f../secret.gmi",
    "/..%2f..%2f..%2f..%2fetc/passwd",
    "/link/secret.gmi",
    "/link",
    "/link/",
    "/absolute/secret.gmi",
    "/chain/secret.gmi",
    "/magic/etc/passwd",
    "/page.gmi%00.txt",
    "/.git/config",
    "/%2egit/config",
    "/dir/%2e%2e/.git/config",
    "/.GIT/config",
    "/.git%2fconfig",
    "/.hidden.gmi",
    "/%2ehidden.gmi",
    "/.hidden.gmi%20",
    "/.hidden.gmi/",
    "/.hidden.gmi;a",
    "/page.gmi~",
]


@pytest.fixture
def trapped(capsule):
    """The capsule with links that lead out of it."""
    (capsule / "link").symlink_to("..")
    (capsule / "absolute").symlink_to(capsule.parent)
    (capsule / "chain").symlink_to("link")
    (capsule / "magic").symlink_to("/proc/self/root")
    return capsule


@pytest.fixture
def follow(ask):
    """What the router answers in the end: a path with dot segments is first led to one without, which follows from the
    URL alone."""

    def follow(url, **keys):
        answer = ask(url, **keys)
        if answer.status == 31 and request(url).url.had_dot_segments:
            target = answer.meta if answer.meta.startswith("/") else answer.meta.removeprefix("gemini://h")
            assert target == encode_reference(request(url).url.path)
            answer = ask(answer.meta, **keys)
        return answer

    return follow


def is_from_outside(answer):
    return any(
        word in answer.body + answer.meta.encode() for word in (b"SECRET", b"secret.gmi", b"root:", b".git", b"hidden")
    )


def test_there_are_enough_of_them():
    assert len(set(ATTACKS)) > 1000


@pytest.mark.parametrize("policy", ["beneath", "none"])
@pytest.mark.parametrize("climb", CLIMBS.values(), ids=CLIMBS)
def test_files_are_never_from_outside(ask_static, follow, trapped, climb, policy):
    for url in (url for url in ATTACKS if climb in url):
        assert not is_from_outside(ask_static(url, symlinks=policy)), url
        assert not is_from_outside(follow(url, symlinks=policy)), url


@pytest.mark.parametrize("url", OTHERS)
def test_no_other_way_leads_out(ask_static, follow, trapped, url):
    assert not is_from_outside(ask_static(url))
    assert not is_from_outside(follow(url))


@pytest.mark.parametrize("climb", CLIMBS.values(), ids=CLIMBS)
def test_not_even_where_everything_is_allowed(ask_static, capsule, climb):
    for url in (url for url in ATTACKS if climb in url and "link" not in url):
        answer = ask_static(url, symlinks="any", dot_files=True)
        assert b"SECRET" not in answer.body, url


SEGMENTS = st.sampled_from(
    [
        *CLIMBS.values(),
        "",
        ".",
        "dir",
        "link",
        "chain",
        "absolute",
        "magic",
        "other",
        "secret.gmi",
        "capsule",
        "etc",
        "passwd",
    ]
)
HOSTILE = st.lists(st.tuples(SEGMENTS, st.sampled_from(list(SLASHES.values()))), max_size=8).map(
    lambda parts: "/" + "".join(itertools.chain.from_iterable(parts))
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(url=HOSTILE)
def test_whatever_is_asked_nothing_comes_from_outside(follow, trapped, url):
    assert not is_from_outside(follow(url))


# Rules of a location can't be stepped around by another spelling of its path.

PROTECTED = [
    "/dir/page.gmi",
    "//dir/page.gmi",
    "/./dir/page.gmi",
    "/dir//page.gmi",
    "/dir/./page.gmi",
    "/%64ir/page.gmi",
    "/x/../dir/page.gmi",
    "/dir/x/../page.gmi",
    "/dir",
    "/dir/",
    "//dir//",
    "/%64%69%72",
    "/dir?query",
    "/dir/nothing",
    "/indexed/../dir/",
    "/dir%2fpage.gmi",
    "/dir%2F",
    "/%2fdir/page.gmi",
    "/dir%2Fx/page.gmi",
]


@pytest.mark.parametrize("url", PROTECTED)
def test_no_spelling_steps_around_a_location(ask, url):
    assert ask(url, location=[{"path": "/dir/", "client-certificate": "any"}]).status == 60


@pytest.mark.parametrize("url", ["/dir%5cpage.gmi", "/DIR/page.gmi", "/dir%20/page.gmi", "/x%2fdir/page.gmi"])
def test_what_is_another_name_is_not_found(ask, url):
    assert ask(url, location=[{"path": "/dir/", "client-certificate": "any"}]).status == 51
