"""Redirects, zones, applications and users' directories of Molly Brown's."""

import pytest

A, B = "a" * 64, "b" * 64
START = 'CertPath = "/c.pem"\nKeyPath = "/k.pem"\nAccessLog = ""\n'


@pytest.fixture
def molly(become):
    return lambda text: become("molly-brown", START + text)


def allowed(*fingerprints):
    return [f"SHA256:{each}" for each in fingerprints]


def test_redirects_are_the_hosts(molly):
    imported = molly("""[PermRedirects]
"^/b/" = "/c/"
[TempRedirects]
"^/old/(.*)$" = "/new/$1"
"^/(a|b)$" = "/c"
""")
    assert imported.host["redirect"] == [
        {"match": "/old/{rest...}", "to": "/new/{rest}", "status": 30},
        {"match": "/b/{rest...}", "to": "/c/{rest}", "status": 31},
    ]
    assert "can't be told by a redirect" in imported.reason(8)


def test_an_application_has_those_that_are_for_it(molly):
    imported = molly("""[SCGIPaths]
"/app/" = "/run/a.sock"
"/b" = "b.sock"
[TempRedirects]
"^/app/old$" = "/app/new"
"^/x$" = "/y"
""")
    assert imported.location("/app/") == {
        "scgi": {"to": "unix:/run/a.sock"}, "redirect": {"match": "/app/old", "to": "/app/new", "status": 30},
    }  # fmt: skip
    assert imported.host["redirect"] == {"match": "/x", "to": "/y", "status": 30}
    assert "absolute" in imported.reason(6)


def test_zones(molly):
    imported = molly(f"""[CertificateZones]
"^/zone/" = ["{A}", "{B}"]
"^/zone/inner/" = ["{B}", "short"]
"^/one\\\\.gmi$" = ["{A}"]
"^/part" = ["{A}"]
""")
    assert imported.location("/zone/") == {"client-certificate": allowed(A, B)}
    assert imported.location("/zone/inner/") == {"client-certificate": allowed(B)}
    assert imported.location("/one.gmi", "exact") == {"client-certificate": allowed(A)}
    assert imported.location("/part*", "glob") == {"client-certificate": allowed(A)}
    assert "64 hexadecimal digits" in imported.reason(6)


@pytest.mark.parametrize("lists", [f'"^/z/" = []\n"^/y/" = ["{A}"]', f'"^/z/" = ["{A}"]\n"^/z/y/" = ["{B}"]'])
def test_nobody_may(lists, molly):
    imported = molly(f"[CertificateZones]\n{lists}")
    nobody = [each for each in imported.config.hosts[0].locations if each.client_certificate == ()]
    assert len(nobody) == 1
    assert "# Nobody may" in imported.text


@pytest.mark.parametrize(
    ("expression", "path"),
    [("secret", "/"), ("^/u/.*/p/", "/u/"), ("^/u/(a|b)/", "/u/"), ("^/u/[a-z]{2}/", "/u/"), ("^/u/|^/v/", "/")],
)
def test_what_cannot_be_told_is_wider(expression, path, molly):
    imported = molly(f"[CertificateZones]\n'{expression}' = ['{A}']\n'^/zone/' = ['{B}']")
    table = imported.host if path == "/" else imported.location(path)
    assert table["client-certificate"] == allowed(A)
    assert imported.location("/zone/") == {"client-certificate": allowed(B)}
    assert f"all of {path} is protected" in imported.reason(5)


@pytest.mark.parametrize(
    ("inner", "path", "match", "who"),
    [("^/u/x/", "/u/x/", "prefix", [B]), ("^/u/[a-z]+/", "/u/*/", "glob", []), ("^/u/x/.*q", "/u/x/", "prefix", [])],
)
def test_what_has_more_than_it_was_for_lets_nobody_into_the_zone_around(inner, path, match, who, molly):
    imported = molly(f"[CertificateZones]\n'^/u/.*/p/' = ['{A}']\n'{inner}' = ['{B}']")
    assert imported.location(path, match) == {"client-certificate": allowed(*who)}


def test_a_dot_that_may_be_a_slash(molly):
    imported = molly(f"[CertificateZones]\n'^/a.b/' = ['{A}']")
    assert imported.location("/a?b/", "glob") == imported.location("/a/b/") == {"client-certificate": allowed(A)}
    assert "stands for a slash" in imported.reason(5)


def test_a_zone_in_an_application(molly):
    imported = molly(f"""[SCGIPaths]
"/app/" = "/run/a.sock"
[CertificateZones]
"^/app/in/" = ["{A}"]
""")
    assert imported.location("/app/in/") == {
        "client-certificate": allowed(A), "scgi": {"to": "unix:/run/a.sock", "strip": 1},
    }  # fmt: skip


def test_users(molly):
    imported = molly(f"""HomeDocBase = "people"
DocBase = "/nowhere"
[CertificateZones]
"^/~gus/own/" = ["{A}"]
""")
    assert imported.host["redirect"] == {"match": "/~{user}/{rest...}", "to": "/people/{user}/{rest}", "status": 30}
    assert imported.location("/~gus/own/") == {"client-certificate": allowed(A), "root": "/nowhere/people/gus/own"}


def test_users_that_are_not_there(molly, tmp_path):
    assert "redirect" not in molly(f'DocBase = "{tmp_path}"\n').host
    (tmp_path / "users").mkdir()
    assert molly(f'DocBase = "{tmp_path}"\n').host["redirect"]["to"] == "/users/{user}/{rest}"
