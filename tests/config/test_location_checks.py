import itertools

import pytest

from .reading import HOST, parse, problems_of

APP = '[[host]]\nname = "h"\napp = "m:app"\napp-env = { A = "b" }\napp-threads = 2\npreload = true\n'
FOREIGN = {
    "files with a scheme": (
        HOST + "schemes = ['https']\n",
        {"host[1].schemes": "needs an app: nothing else answers for others"},
    ),
    "files for all": (HOST + "hosts = '*'\n", {"host[1].hosts": "needs an app: nothing else answers for others"}),
    "no scheme": (
        APP + "schemes = []\n",
        {"host[1].schemes": 'expected schemes in lower case, as in ["gemini", "https"]'},
    ),
    "capitals": (
        APP + "schemes = ['HTTPS']\n",
        {"host[1].schemes": 'expected schemes in lower case, as in ["gemini", "https"]'},
    ),
    "a URL": (
        APP + "schemes = ['https://']\n",
        {"host[1].schemes": 'expected schemes in lower case, as in ["gemini", "https"]'},
    ),
    "a name": (APP + "hosts = 'example.org'\n", {"host[1].hosts": 'expected "*", not "example.org"'}),
}


@pytest.mark.parametrize(("text", "problems"), FOREIGN.values(), ids=FOREIGN)
def test_whom_else_it_answers_for_is_checked(text, problems):
    assert problems_of(text) == problems


@pytest.mark.parametrize("word", ["stdout", "stderr", "syslog", "off"])
def test_a_word_is_no_log_of_a_location(word):
    assert problems_of(HOST + f"log = '{word}'\n") == {
        "host[1].log": f'expected true, false or the path of a file, not "{word}"'
    }


@pytest.mark.parametrize("value", ["1", "''", "[]"])
def test_what_is_no_log_is_refused(value):
    assert set(problems_of(HOST + f"log = {value}\n")) == {"host[1].log"}


ERRORS = {
    "none of gemd's": ('20 = "Yes"', "20", "gemd refuses nothing with this: expected one of 40, 41, 42, 43, 50"),
    "no status": ('not-found = "No"', "not-found", "gemd refuses nothing with this"),
    "a wait": ('44 = "Wait"', "44", "the text of 44 is the seconds to wait, which clients read"),
    "two lines": ('51 = "No\\nway"', "51", "expected one line of text, of at most 1024 bytes"),
    "nothing": ('51 = ""', "51", "expected one line of text"),
    "blank": ('51 = " "', "51", "without a blank at its beginning"),
    "a blank before": ('51 = " None"', "51", "without a blank at its beginning"),
    "escape": ('51 = "\\u001b[31m"', "51", "expected one line of text"),
    "too much": (f'51 = "{"é" * 513}"', "51", "expected one line of text"),
    "a number": ("51 = 1", "51", "expected a text, not 1"),
}


@pytest.mark.parametrize(("entry", "status", "said"), ERRORS.values(), ids=ERRORS)
def test_own_texts_of_refusals_are_checked_once(entry, status, said):
    location = '[[host.location]]\npath = "/a"\nerrors = { 60 = "Members" }\n'
    problems = problems_of(HOST + f"errors = {{ {entry} }}\n" + location)
    assert list(problems) == [f"host[1].errors.{status}"]
    assert said in problems[f"host[1].errors.{status}"]


ANSWERS = {
    "gone": "gone = true",
    "answer": "answer = { status = 41 }",
    "redirect": "redirect = { to = '/b' }",
    "script": "script = '/bin/true'",
    "app": "app = 'm:app'",
    "fastcgi": "fastcgi = { to = 'localhost:9000' }",
    "scgi": "scgi = { to = 'localhost:9001' }",
    "proxy": "proxy = { to = 'gemini://localhost:9002/' }",
}
PAIRS = list(itertools.combinations(ANSWERS, 2))


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=map("-".join, PAIRS))
@pytest.mark.parametrize("place", ["host[1]", "host[1].location[1]"])
def test_two_that_answer_everything_are_one_too_many(first, second, place):
    head = HOST + ('[[host.location]]\npath = "/a/"\n' if "location" in place else "")
    problems = problems_of(f"{head}{ANSWERS[second]}\n{ANSWERS[first]}\n")
    assert problems[f"{place}.{second}"] == (
        f"would never be asked, since {first} answers everything here: remove one of them"
    )


@pytest.mark.parametrize("first", ["gone", "answer", "redirect"])
def test_files_beside_what_answers_everything_are_never_asked(first):
    location = f'[[host.location]]\npath = "/a/"\n{ANSWERS[first]}\n'
    parse(f'{HOST}cgi = "cgi-bin"\n{ANSWERS[first]}\n[[host.location]]\npath = "/b/"\n')
    parse(f'{HOST}cgi = "cgi-bin"\n{location}')
    parse(f"{HOST}{location}cgi = []\n")
    said = (
        f"would never be asked, since {first} answers everything here: remove it, or {first} where there is something "
        "to serve"
    )
    assert problems_of(f'{HOST}{location}root = "/x"\ncgi = "cgi-bin"\n') == {
        "host[1].location[1].root": said,
        "host[1].location[1].cgi": said,
    }


@pytest.mark.parametrize("second", ["script", "app", "fastcgi"])
def test_patterns_and_what_was_typed_leave_something_to_others(second):
    parse(HOST + f"redirect = {{ match = '/old/{{name}}', to = '/{{name}}' }}\n{ANSWERS[second]}\n")
    parse(HOST + f"answer = {{ status = 10, meta = 'Name' }}\n{ANSWERS[second]}\n")


@pytest.mark.parametrize(("key", "value"), [("charset", "klingon"), ("charset", "base64"), ("lang", "english")])
def test_names_that_nobody_knows(key, value):
    assert set(problems_of(f"{HOST}{key} = '{value}'\n")) == {f"host[1].{key}"}


def test_a_log_that_is_a_word():
    assert set(problems_of(HOST + "log = 'journal'\n")) == {"host[1].log"}
    assert set(problems_of("[log]\naccess = 'journal'\nerror = 'none'\n" + HOST)) == {"log.access", "log.error"}
