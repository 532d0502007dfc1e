"""Users' directories, in a database of users that the tests make up: all files are those of whoever runs them."""

import os
from pathlib import Path

import pytest

from gemd.config import parse_config
from gemd.protocol.errors import GeminiError
from gemd.protocol.upload import Upload
from gemd.responders.router import Router
from gemd.startup.people import settle_people
from gemd.system.accounts import Account

from .asking import request, settle
from .conftest import MIME_TABLE

ME = os.geteuid()
NOT_FOUND = (51, "Not found")


@pytest.fixture
def homes(tmp_path):
    """Homes with a directory to be served, and beside it what is not."""
    files = {
        "alice/public_gemini/index.gmi": "# alice",
        "alice/public_gemini/page.gmi": "page",
        "alice/public_gemini/private/page.gmi": "private",
        "alice/public_gemini/list/a.gmi": "a",
        "alice/public_gemini/.hidden": "SECRET",
        "alice/public_gemini/cgi-bin/run": "#!/bin/sh\n",
        "alice/secret.gmi": "SECRET",
        "bob/public_gemini/index.gmi": "# bob",
    }
    for name, text in files.items():
        path = tmp_path / "homes" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "homes/alice/public_gemini/link").symlink_to("private/page.gmi")
    (tmp_path / "homes/alice/public_gemini/out").symlink_to("../secret.gmi")
    (tmp_path / "homes/alice/public_gemini/source").symlink_to("cgi-bin/run")
    return tmp_path.resolve() / "homes"


@pytest.fixture
def asked():
    return []


@pytest.fixture
def find(homes, asked):
    """Alice and bob have directories, and nobody else."""

    def find(name, table):
        asked.append(name)
        path = homes / name / table.directory
        if name not in ("alice", "bob") or not path.is_dir():
            return None
        above = tuple(each.stat() for each in reversed(path.parents))
        return Account(ME, path.parts[1:], above, str(homes / name))

    return find


@pytest.fixture
def serve(configure, find, homes):
    """What answers at a host with users' directories and these keys; its locations know where these are."""

    def serve(make_limit=None, table=None, settled=("alice", "bob"), **keys):
        config = configure(user_directories=table or {}, **keys)
        found = {}
        for location in config.hosts[0].locations:
            name = location.people.find_user(location.names) if location.people is not None else None
            if name in settled:
                found[location.where] = str(homes / name / "public_gemini")
        router = Router(settle_people(config, found), MIME_TABLE, make_limit, find_account=find)
        return lambda url, asker=None: settle(lambda: router.respond(request(url, asker)))

    return serve


def told(answer):
    return answer.status, answer.meta


def test_a_user_s_directory_is_served_beside_the_host_s_root(serve, asked):
    ask = serve()
    assert ask("/~alice/").body == b"# alice"
    assert ask("/~alice/page.gmi").body == b"page"
    assert ask("/%7Ebob/index.gmi").body == b"# bob"
    assert told(ask("/~alice")) == (31, "/~alice/")
    assert ask("/page.gmi").body == b"page"
    assert b"=> a.gmi" in ask("/~alice/list/").body
    assert asked == ["alice", "bob"]


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/~carol/",
            "/~carol",
            "/~",
            "/~/",
            "/~alice/nothing",
            "/~alice/out",
            "/~alice/.hidden",
            "/~alice%2Fpage.gmi",
        ),
        *("/~alice%2f", "/~..%61/", "/~-alice/", "/~alice%20/", "/~Alice/", "/~alice/secret.gmi", "/~alice/page.gmi/"),
    ],
)
def test_all_else_is_not_found(serve, path):
    assert told(serve()(path)) == NOT_FOUND


def test_what_can_be_nobody_s_name_is_not_looked_up(serve, asked):
    ask = serve()
    for name in ("", "a%2Fb", "-", "%C3%A9", "a" * 65):
        assert told(ask(f"/~{name}/")) == NOT_FOUND
    assert asked == []


def test_they_are_below_a_path_of_choice(serve):
    ask = serve(table={"path": "people/~"})
    assert ask("/people/~alice/page.gmi").body == b"page"
    assert told(ask("/~alice/page.gmi")) == NOT_FOUND
    ask = serve(table={"path": "users"})
    assert ask("/users/alice/page.gmi").body == b"page"
    assert told(ask("/users/")) == NOT_FOUND


def test_settings_are_those_of_the_location(serve):
    ask = serve(lang="fr", index=["page.gmi"], listing=False, errors={"51": "Lost"})
    assert told(ask("/~alice/")) == (20, "text/gemini; lang=fr")
    assert told(ask("/~alice/list/")) == (51, "Lost")
    assert told(ask("/~carol/")) == (51, "Lost")
    ask = serve(access={"deny": ["192.0.2.1"]})
    assert ask("/~alice/").status == ask("/~carol/").status == 50


def test_links_lead_nowhere_else_whatever_the_host_allows(serve):
    ask = serve(symlinks="any")
    assert ask("/~alice/link").body == b"private"
    assert told(ask("/~alice/out")) == NOT_FOUND
    assert told(serve(symlinks="none")("/~alice/link")) == NOT_FOUND


PRIVATE = {"path": "/~alice/private/", "client-certificate": "any"}


def test_a_location_protects_a_part_by_every_name(serve, homes):
    ask = serve(location=[PRIVATE, {"path": "/all/", "root": str(homes)}])
    for path in ("/~alice/private/page.gmi", "/~alice/link", "/all/alice/public_gemini/private/page.gmi"):
        assert ask(path).status == 60, path
    assert ask("/~alice/page.gmi").body == b"page"
    assert ask("/~bob/").body == b"# bob"


def test_what_it_does_not_protect_yet_is_not_served(serve, caplog):
    ask = serve(location=[PRIVATE], settled=())
    for path in ("/~alice/page.gmi", "/~alice/private/page.gmi", "/~alice/link"):
        assert told(ask(path))[0] in (51, 60), path
    assert ask("/~bob/").body == b"# bob"
    said = [record.getMessage() for record in caplog.records]
    assert len([text for text in said if "the directory of alice is" in text]) == len(said) == 1


def test_a_location_of_its_own_is_in_the_place(serve, capsule):
    ask = serve(location=[{"path": "/~alice/", "root": str(capsule / "dir")}, {"path": "/~bob/old", "gone": True}])
    assert ask("/~alice/page.gmi").body == b"deep"
    assert ask("/~bob/old/a").status == 52
    assert ask("/~bob/").body == b"# bob"


def test_where_homes_are_is_protected(serve, homes):
    ask = serve(location=[{"path": "/all/", "root": str(homes), "access": {"deny": ["192.0.2.1"]}}])
    assert ask("/~alice/page.gmi").status == 50


def test_redirects_are_asked_first(serve):
    ask = serve(redirect={"match": "/~carol/{rest...}", "to": "/~alice/{rest}"})
    assert told(ask("/~carol/page.gmi")) == (31, "/~alice/page.gmi")
    assert ask("/~alice/page.gmi").body == b"page"


def test_applications_are_asked_after(serve):
    ask = serve(app="tests.support.nothing:app")
    assert ask("/~alice/page.gmi").body == b"page"


def test_a_host_may_have_nothing_else(find):
    tables = {"host": [{"name": "h", "user-directories": {}}]}
    router = Router(parse_config(tables, base=Path("/"), source=None, cpus=1), MIME_TABLE, None, find_account=find)
    assert settle(lambda: router.respond(request("/~alice/page.gmi"))).body == b"page"
    assert told(settle(lambda: router.respond(request("/page.gmi")))) == NOT_FOUND


def test_each_host_has_its_own(configure, find):
    config = configure(hosts=[{"name": "other", "root": "/nowhere", "user-directories": {"path": "users"}}])
    router = Router(config, MIME_TABLE, None, find_account=find)
    assert told(settle(lambda: router.respond(request("/users/alice/page.gmi")))) == NOT_FOUND
    assert settle(lambda: router.respond(request("gemini://other/users/alice/page.gmi"))).body == b"page"


def test_the_host_s_scripts_are_not_theirs(serve):
    assert serve(cgi="cgi-bin")("/~alice/cgi-bin/run").body == b"#!/bin/sh\n"


def test_the_budget_is_the_location_s(serve):
    spent = []
    ask = serve(make_limit=lambda budgets: lambda asker: spent.append(asker), rate="5/1m")
    ask("/~alice/")
    assert len(spent) == 1  # though it was looked up meanwhile


def test_nothing_is_uploaded(configure, find):
    config = configure(user_directories={}, titan={"public": True})
    router = Router(config, MIME_TABLE, None, find_account=find)
    upload = request("titan://h/~alice/new.gmi;size=1", upload=Upload(1, "text/gemini", None))
    with pytest.raises(GeminiError, match="No uploads are taken here"):
        router.respond(upload)


def test_a_listing_as_a_table_tells_it_has_what_the_user_has(serve, homes):
    posts = homes / "alice/public_gemini/posts"
    for name, text in {"2026/2026-11-26-a.gmi": "# A\n", ".head": "# Log of Alice\n", "out/b.gmi": "# B\n"}.items():
        (posts / name).parent.mkdir(parents=True, exist_ok=True)
        (posts / name).write_text(text)
    (posts / "secret.gmi").symlink_to("../../secret.gmi")
    ask = serve(listing={"feed": True, "recursive": 1, "preamble": ".head"}, location=[{"path": "/~alice/posts/out"}])
    assert ask("/~alice/posts/").body.decode().splitlines() == [
        *("# Log of Alice", "", "=> ../ .. (up)", "=> 2026/ 2026/", "=> out/ out/"),
        "=> 2026/2026-11-26-a.gmi 2026-11-26 A",
    ]
    assert "SECRET" not in serve(listing={"recursive": 16, "preamble": "out"})("/~alice/list/").body.decode()


def test_a_host_without_a_root_protects_them_too(configure, find, homes):
    tables = {"host": [{"name": "h", "user-directories": {}, "location": [PRIVATE]}]}
    config = parse_config(tables, base=Path("/"), source=None, cpus=1)
    settled = settle_people(config, {"host[1].location[1]": str(homes / "alice/public_gemini")})
    router = Router(settled, MIME_TABLE, None, find_account=find)
    for path in ("/~alice/private/page.gmi", "/~alice/link"):
        assert settle(lambda path=path: router.respond(request(path))).status == 60
    assert settle(lambda: router.respond(request("/~alice/page.gmi"))).body == b"page"


EVERYBODY = {"path": "/~*/private/", "match": "glob", "client-certificate": "any"}


def test_a_location_may_be_for_a_part_of_all(serve, homes):
    (homes / "bob/public_gemini/link").symlink_to("private/x")
    (homes / "bob/public_gemini/private").mkdir()
    (homes / "bob/public_gemini/private/x").write_text("SECRET")
    lifted = {"path": "/~alice/private/", "client-certificate": "none"}
    ask = serve(location=[EVERYBODY])
    for path in ("/~alice/private/page.gmi", "/~alice/link", "/~bob/private/x", "/~bob/link"):
        assert ask(path).status == 60, path
    assert ask("/~alice/page.gmi").body == b"page"
    ask = serve(location=[EVERYBODY, lifted])
    assert ask("/~alice/private/page.gmi").body == ask("/~alice/link").body == b"private"
    assert ask("/~bob/link").status == 60


def test_an_exact_location_is_for_a_page_of_one(serve):
    ask = serve(location=[{"path": "/~alice/page.gmi", "match": "exact", "client-certificate": "any"}])
    assert ask("/~alice/page.gmi").status == 60
    assert ask("/~alice/").body == b"# alice"


def test_locations_with_wildcards_around_have_them(serve):
    around = {"path": "/u*/", "match": "glob", "lang": "fr"}
    ask = serve(table={"path": "users"}, location=[around])
    assert told(ask("/users/alice/")) == (20, "text/gemini; lang=fr")
    ask = serve(location=[{"path": "/~a*/", "match": "glob", "lang": "fr"}])
    assert told(ask("/~alice/")) == (20, "text/gemini; lang=fr")
    assert told(ask("/~bob/")) == (20, "text/gemini")
    ask = serve(location=[{"path": "/*/", "match": "glob", "lang": "fr"}])
    assert told(ask("/~bob/")) == (20, "text/gemini; lang=fr")
