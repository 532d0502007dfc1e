from gemd.protocol.counters import RESPONDERS
from gemd.responders.attribution import NOWHERE, CountPlace, Note


def ask():
    """A responder."""


def show(place):
    return place.host, RESPONDERS[place.responder]


def note_for(slot):
    note = Note()
    note.places = {None: CountPlace(slot, "none"), ask: CountPlace(slot, "cgi")}
    return note


def test_nobody_has_answered_what_comes_to_no_host():
    assert Note().take() is NOWHERE
    assert show(NOWHERE) == (0, "none")


def test_before_a_responder_is_asked_it_is_the_host_that_refuses():
    assert show(note_for(3).take()) == (3, "none")


def test_who_was_asked_last_has_answered_and_only_once():
    note = note_for(3)
    note.responder = ask
    assert show(note.take()) == (3, "cgi")
    assert note.take() is NOWHERE


def test_a_responder_that_nobody_knows_is_none():
    note = note_for(3)
    note.responder = len
    assert note.take() is NOWHERE


def test_an_answer_that_needs_a_judgement_gets_its_place_when_it_is_there():
    note = note_for(3)
    held = note.hold()
    assert note.take() is held
    assert show(held) == (3, "none")
    note.places, note.responder = {ask: CountPlace(3, "cgi")}, ask
    note.settle(held)
    assert show(held) == (3, "cgi")
    assert note.take() is NOWHERE


def test_a_judgement_that_needs_another_one():
    note = note_for(3)
    first = note.hold()
    note.take()
    note.places, note.responder = {ask: CountPlace(3, "root")}, ask
    note.hold()
    note.settle(first)
    assert show(first) == (3, "root")


def test_places_of_a_configuration_are_never_changed():
    note = note_for(3)
    places, note.responder = note.places, ask
    held = note.hold()
    note.places, note.responder = {ask: CountPlace(3, "root")}, ask
    note.settle(held)
    assert {show(place) for place in places.values()} == {(3, "none"), (3, "cgi")}
