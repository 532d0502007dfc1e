from gemd.config.answer_settings import Redirect
from gemd.config.tables import describe, keys_of
from gemd.protocol.status import DEFINED, REDIRECTS, asks_for_input, has_body, is_redirect, needs_meta


def test_the_table_is_the_specifications():
    assert sorted(DEFINED) == [10, 11, 20, 30, 31, 40, 41, 42, 43, 44, 50, 51, 52, 53, 59, 60, 61, 62]
    assert sorted(filter(asks_for_input, DEFINED)) == [10, 11]
    assert [status for status in DEFINED if has_body(status)] == [20]
    assert sorted(filter(is_redirect, DEFINED)) == list(REDIRECTS) == [30, 31]
    assert sorted(filter(needs_meta, DEFINED)) == [10, 11, 20]


def test_a_redirect_may_have_each_status_of_its_class():
    assert describe(keys_of(Redirect)["status"]) == " or ".join(map(str, REDIRECTS))
