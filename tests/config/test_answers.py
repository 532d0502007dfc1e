import pytest

from gemd.config.answers import Answer
from gemd.config.settings import Location
from gemd.config.tables import keys_of

KEYS = {
    Answer.REDIRECT: {"redirect"},
    Answer.GONE: {"gone"},
    Answer.CGI: {"cgi"},
    Answer.APP: {"app", "app-path", "app-env", "app-options", "app-threads", "preload"},
    Answer.FILES: {"root"},
}


@pytest.mark.parametrize("answer", Answer)
def test_which_keys_are_an_answers_alone(answer):
    assert {key for key in keys_of(Location) if answer.is_about(key)} == KEYS[answer]


def test_what_a_location_has_of_its_hosts_answers():
    def inherited(*others):
        return [answer for answer in Answer if answer.passes_to(others)]

    assert inherited() == [Answer.CGI, Answer.APP, Answer.FILES]
    assert all(inherited(other) == [Answer.CGI, Answer.FILES] for other in Answer)
