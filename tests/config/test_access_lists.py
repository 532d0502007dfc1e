import pytest

from gemd.config.access_lists import find_idle_entries

from .reading import HOST, parse, problems_of

WRONG = {
    "host bits": ("deny = ['192.0.2.0/24', '198.51.100.7/24']", "deny[2]", 'in the network "198.51.100.0/24"'),
    "no network": ("allow = ['example.org']", "allow[1]", 'not "example.org"'),
    "twice": (
        "deny = ['192.0.2.0/24', '::ffff:192.0.2.0/120']",
        "deny[2]",
        "192.0.2.0/24 is listed twice: here and at",
    ),
    "in both": ("allow = ['unix']\ndeny = ['unix']", "deny[1]", "unix is listed twice: here and at allow[1]"),
    "misspelt": ("alow = ['unix']", "alow", "did you mean 'allow'?"),
    "a text": ("allow = '192.0.2.0/24'", "allow", "expected a list of texts"),
}


@pytest.mark.parametrize(("lines", "key", "said"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("where", ["access", "host[1].access", "host[1].location[1].access"])
def test_what_is_wrong_is_said_with_its_key(where, lines, key, said):
    table = "access = { " + lines.replace("\n", ", ") + " }\n"
    text = {
        "access": f"[access]\n{lines}\n" + HOST,
        "host[1].access": HOST + table,
        "host[1].location[1].access": HOST + "[[host.location]]\npath = '/a/'\n" + table,
    }[where]
    problems = problems_of(text)
    assert list(problems) == [f"{where}.{key}"]
    assert said in problems[f"{where}.{key}"]


def test_a_location_needs_a_list_and_the_daemon_none():
    assert "needs allow or deny" in problems_of(HOST + "access = { status = 51 }\n")["host[1].access"]
    assert "needs allow or deny" in problems_of(HOST + "access = {}\n")["host[1].access"]
    assert parse("[access]\n" + HOST).access.allow is None


@pytest.mark.parametrize("status", [44, 30, 54, 60, "'50'"])
def test_a_status_is_one_that_refuses(status):
    problems = problems_of(HOST + f"access = {{ deny = ['unix'], status = {status} }}\n")
    assert "40 or 41" in problems["host[1].access.status"]


def test_a_word_that_is_none():
    assert '"any" or a table' in problems_of(HOST + "access = 'none'\n")["host[1].access"]


IDLE = {
    "none": ({"allow": ["192.0.2.0/24", "unix"], "deny": ["192.0.2.7"]}, []),
    "allowed within denied within allowed": (
        {"allow": ["10.0.0.0/8", "10.1.1.0/24"], "deny": ["10.1.0.0/16"]},
        [],
    ),
    "within a wider one": (
        {"deny": ["10.1.1.0/24", "10.0.0.0/8"]},
        [("deny[1]", "10.1.1.0/24 has no effect: it is in 10.0.0.0/8 (deny[2])")],
    ),
    "denied where all others are": (
        {"allow": ["10.0.0.0/8"], "deny": ["192.0.2.1"]},
        [("deny[1]", "192.0.2.1 has no effect: whom allow does not have may not come anyway")],
    ),
    "denied alone": ({"deny": ["0.0.0.0/0", "unix"]}, []),
    "families are apart": ({"deny": ["::/0", "192.0.2.1"]}, []),
}


def write(access):
    return "".join(f"{key} = {value!r}\n" for key, value in access.items())


@pytest.mark.parametrize(("access", "idle"), IDLE.values(), ids=IDLE)
def test_what_has_no_effect(access, idle):
    found = list(find_idle_entries(parse("[access]\n" + write(access) + HOST)))
    assert [(problem.path, problem.text) for problem in found] == [(f"access.{key}", text) for key, text in idle]


def test_what_is_inherited_is_said_once_and_a_long_list_has_an_end():
    table = "access = { deny = ['10.0.0.0/8', " + ", ".join(f"'10.0.0.{nr}'" for nr in range(25)) + "] }\n"
    found = list(find_idle_entries(parse(HOST + table + "[[host.location]]\npath = '/a/'\n")))
    assert [problem.path for problem in found] == [f"host[1].access.deny[{nr}]" for nr in range(2, 12)] + [
        "host[1].access"
    ]
    assert found[-1].text == "15 more have no effect"


def test_the_nearest_list_holds_and_a_word_lifts_it():
    text = HOST + (
        "access = { deny = ['10.0.0.0/8'] }\n"
        "[[host.location]]\npath = '/a/'\naccess = { allow = ['unix'], status = 51 }\n"
        "[[host.location]]\npath = '/a/b/'\n"
        "[[host.location]]\npath = '/a/b/c/'\naccess = 'any'\n"
        "[[host.location]]\npath = '/d/'\n"
    )
    (host,) = parse(text).hosts
    top, *_ = rules = [location.access for location in host.locations]
    assert (top.deny, top.status) == (("10.0.0.0/8",), 50)
    assert rules[1:] == [rules[1], rules[1], "any", top]
    assert (rules[1].allow, rules[1].status) == (("unix",), 51)
