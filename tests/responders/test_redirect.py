import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MOVES = {
    "the path itself": ("/new/", "/old/", "/new/"),
    "without its slash": ("/new/", "/old", "/new/"),
    "below": ("/new/", "/old/a/b.gmi", "/new/a/b.gmi"),
    "directory below": ("/new/", "/old/a/", "/new/a/"),
    "query": ("/new/", "/old/a?b=%20c", "/new/a?b=%20c"),
    "query of the path itself": ("/new/", "/old/?q", "/new/?q"),
    "empty segments": ("/new/", "//old//evil.example/", "/new/evil.example/"),
    "encoded": ("/new/", "/old/%20%2F", "/new/%20%2F"),
    "line end": ("/new/", "/old/%0D%0A20%20x", "/new/%0D%0A20%20x"),
    "stray octet": ("/new/", "/old/%FF", "/new/%FF"),
    "encoded slash before it": ("/new/", "/old%2Fa/b%2Fc", "/new/a/b%2Fc"),
    "another host": ("gemini://g/", "/old/a", "gemini://g/a"),
    "one page": ("/page", "/old/a/b?c", "/page"),
    "a query of its own": ("/find?in=/", "/old/a?b", "/find?in=/"),
    "a query that is not encoded": ("/new/", "/old/a?ä|%zz", "/new/a?%C3%A4%7C%25zz"),
    "another scheme": ("https://g/page", "/old/", "https://g/page"),
}


@pytest.fixture
def move(ask):
    def move(to, url, **redirect):
        return ask(url, location=[{"path": "/old/", "redirect": {"to": to, **redirect}}])

    return move


@pytest.mark.parametrize(("to", "url", "target"), MOVES.values(), ids=MOVES)
def test_moves(move, to, url, target):
    answer = move(to, url)
    assert (answer.status, answer.meta) == (31, target)


def test_for_a_while(move):
    assert move("/new/", "/old/", status=30).status == 30


def test_others_stay(move):
    assert move("/new/", "/older").status == 51
    assert move("/new/", "/page.gmi").status == 20


def test_a_target_that_gets_too_long_is_not_found(move):
    assert move("/" + "n" * 500 + "/", "/old/" + "x" * 600).status == 51


def test_gone(ask):
    answer = ask("/old/a", location=[{"path": "/old/", "gone": True}])
    assert (answer.status, answer.meta) == (52, "Gone for good")


@pytest.mark.parametrize("query", ["\u2028", "a\u2029b", "ä", "%0d%0a", "\u202e"])
def test_a_hostile_query_does_not_break_the_header(move, query):
    answer = move("/new/", f"/old/?{query}")
    assert answer.status in (31, 59)
    assert len(answer.meta.splitlines()) == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("?%.\u2028"), max_size=20))
def test_any_request_makes_a_header(move, text):
    assert move("/new/", "/old/" + text).status in (20, 31, 51, 59)  # 20 is for "..", which leads out of /old/


# Answers


def test_an_answer_is_given_as_it_stands(ask):
    location = [{"path": "/shop/", "answer": {"status": 41, "meta": "Back at noon"}}]
    for url in ("/shop", "/shop/", "/shop/a?b"):
        answer = ask(url, location=location)
        assert (answer.status, answer.meta, answer.body) == (41, "Back at noon", b"")
    assert ask("/page.gmi", location=location).status == 20


def test_an_answer_without_a_text(ask):
    answer = ask("/", answer={"status": 52})
    assert (answer.status, answer.meta) == (52, "")


def test_what_was_typed_is_for_who_is_asked_next(ask):
    asks = {"answer": {"status": 10, "meta": "Search for?"}}
    search = {"match": "/search", "to": "gemini://s/find"}
    location = [{"path": "/search", **asks, "redirect": search}, {"path": "/page.gmi", **asks}]
    answer = ask("/search", location=location)
    assert (answer.status, answer.meta) == (10, "Search for?")
    assert ask("/search?a%20b", location=location).meta == "gemini://s/find?a%20b"
    assert ask("/page.gmi?a", location=location).body == b"page"


def test_own_texts_are_for_refusals_alone(ask):
    assert ask("/", answer={"status": 41, "meta": "Noon"}, errors={"41": "Never"}).meta == "Noon"


def test_who_may_not_enter_gets_no_answer(ask):
    assert ask("/", answer={"status": 41}, **{"client-certificate": "any"}).status == 60
