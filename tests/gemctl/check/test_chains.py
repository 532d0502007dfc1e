"""Where redirects lead in the end."""

from gemd.gemctl.check.chains import find_chains


def found(moved):
    return [(url, rule.name, outcome.text) for url, rule, outcome in find_chains(moved)]


def chain(length):
    return {f"/{number}": f"/{number + 1}" for number in range(length)}


def test_redirects_that_lead_to_a_page():
    assert found({}) == found({"/a": "/b", "/c": "/b"}) == found(chain(5)) == []


def test_a_chain_that_is_too_long_is_told_once():
    said = "6 redirects one after the other: /0 -> /1 -> /2 -> /3 -> /4 -> /5 -> /6"
    assert found(chain(6)) == [("/0", "redirect-chain", said)]


def test_a_very_long_one():
    assert found(chain(2000))[0][2] == (
        "2000 redirects one after the other: /0 -> /1 -> /2 -> /3 -> /4 -> /5 -> ... -> /2000"
    )


def test_a_circle_is_told_once():
    moved = {"/a": "/b", "/b": "/c", "/c": "/b", "/x": "/a"}
    assert found(moved) == [("/a", "redirect-circle", "it leads in a circle: /a -> /b -> /c -> /b")]


def test_a_chain_into_a_circle_is_told_as_that():
    moved = chain(20) | {"/20": "/19"}
    (one,) = found(moved)
    assert one[:2] == ("/0", "redirect-circle")
    assert one[2].endswith("/5 -> ... -> /19")


def test_many_that_lead_into_one_are_gone_along_once():
    moved = chain(30_000) | {f"/to/{number}": "/0" for number in range(30_000)}
    told = found(moved)
    assert len(told) == 30_000
    assert told[-1] == (
        "/to/29999",
        "redirect-chain",
        "30001 redirects one after the other: /to/29999 -> /0 -> /1 -> /2 -> /3 -> /4 -> ... -> /30000",
    )


def test_to_itself():
    assert found({"/a": "/a"}) == [("/a", "redirect-circle", "it leads in a circle: /a -> /a")]
