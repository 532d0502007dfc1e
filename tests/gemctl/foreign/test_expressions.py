"""Regular expressions as patterns of redirects."""

import re

import pytest

from gemd.gemctl.foreign.expressions import make_redirect, parse_expression
from gemd.protocol.path_pattern import PathPattern, PathTemplate
from gemd.protocol.url import parse_url


def rewrite(expression, target):
    made = make_redirect(parse_expression(expression), target)
    return made.match, made.to


REDIRECTS = [
    (r"^/old/page\.gmi$", "/new.gmi", "/old/page.gmi", "/new.gmi"),
    ("^/old/page.gmi$", "/new.gmi", "/old/page.gmi", "/new.gmi"),
    ("/old/page.gmi", "/new.gmi", "/old/page.gmi", "/new.gmi"),
    ("^/old/", "/new/", "/old/{rest...}", "/new/{rest}"),
    ("^/old", "/new", "/old/{rest...}", "/new/{rest}"),
    ("^/old/(.*)$", "/new/$1", "/old/{rest...}", "/new/{rest}"),
    ("^/old/(.*)", "/new/${1}", "/old/{rest...}", "/new/{rest}"),
    ("^/old(.*)$", "/new$1", "/old/{rest...}", "/new/{rest}"),
    ("^/old/.*$", "/new/", "/old/{...}", "/new/"),
    (r"^/(\d+)/([^/]+)\.gmi$", "/$2?y=$1", "/{part1}/{part2}.gmi", "/{part2}%3Fy={part1}"),
    (r"^/(\d+)/x$", "gemini://b.org/x?$1", "/{part1}/x", "gemini://b.org/x?{part1}"),
    ("^/(?P<year>[0-9]+)/$", "/${year}/x", "/{part1}/", "/{part1}/x"),
    ("^/(?:[a-z]+)/(\\w+)$", "/$1", "/{}/{part1}", "/{part1}"),
    ("^/a$", "/$2b", "/a", "/"),
    ("^/a$", "/$$b", "/a", "/$b"),
    ("^/a b$", "/c d ü", "/a b", "/c%20d%20%C3%BC"),
    ("^/a{{$".replace("{{", r"\{"), "/b", "/a{{", "/b"),
]


@pytest.mark.parametrize(("expression", "target", "match", "to"), REDIRECTS)
def test_a_redirect(expression, target, match, to):
    assert rewrite(expression, target) == (match, to)
    PathTemplate(to, PathPattern(match))


@pytest.mark.parametrize(
    ("expression", "target", "fault"),
    [
        ("old", "/new", "may begin anywhere"),
        (r"\.html$", ".gmi", "may begin anywhere"),
        ("^/a|b", "/c", "has no counterpart"),
        ("^/(a|b)/", "/c", "more than one part"),
        ("^/(a)/", "/c", "a group of fixed text"),
        ("^/([a-z]+)+/", "/c", "repeated"),
        (r"^/(.*)\.html$", "/$1.gmi", "the last one"),
        ("^/a[^x]/", "/c", "has no counterpart"),
        ("^/a{2}", "/c", "has no counterpart"),
        ("^/a(", "/c", "more than one part"),
        (r"^/\d+", "/c", "a part of the same name"),
        ("^/a$", "c", "begins with no slash"),
        ("", "/c", "may begin anywhere"),
    ],
)
def test_what_is_none(expression, target, fault):
    with pytest.raises(ValueError, match=re.escape(fault)):
        rewrite(expression, target)


@pytest.mark.parametrize(
    ("expression", "target", "path", "wanted"),
    [
        ("^/old/(.*)$", "/new/$1", "/old/a/b.gmi", "/new/a/b.gmi"),
        ("^/old", "/new", "/old/a/", "/new/a/"),
        ("^/old(.*)$", "/new$1", "/old/a", "/new/a"),
        (r"^/(\d+)/(\d+)-(\w+)$", "/$2", "/2020/05-x", None),
        (r"^/(\d+)/p-([^/]+)\.gmi$", "/blog/$1/$2/", "/2020/p-x.gmi", "/blog/2020/x/"),
    ],
)
def test_where_it_leads(expression, target, path, wanted):
    try:
        made = make_redirect(parse_expression(expression), target)
        template = PathTemplate(made.to, pattern := PathPattern(made.match))
    except ValueError:
        assert wanted is None
        return
    url = parse_url(f"gemini://a.org{path}".encode())
    assert template.fill(pattern.find(url), url) == wanted
