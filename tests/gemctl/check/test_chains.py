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


def test_to_itself():
    assert found({"/a": "/a"}) == [("/a", "redirect-circle", "it leads in a circle: /a -> /a")]
