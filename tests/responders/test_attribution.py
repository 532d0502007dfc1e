from gemd.protocol.counters import CLASSES, DURATIONS, RESPONDERS
from gemd.responders.attribution import NOWHERE, CountPlace, Note


def show(place):
    slot, rest = divmod(place.host, len(CLASSES))
    number, other_rest = divmod(place.responder, DURATIONS)
    assert rest == other_rest == 0
    return slot, RESPONDERS[number]


def note_for(slot, responder="none"):
    note = Note()
    note.place = CountPlace(slot, responder)
    return note


def test_nobody_has_answered_what_comes_to_no_host():
    assert Note().take() is NOWHERE
    assert show(NOWHERE) == (0, "none")


def test_who_was_asked_last_has_answered_and_only_once():
    note = note_for(3)
    note.place = CountPlace(3, "cgi")
    assert show(note.take()) == (3, "cgi")
    assert note.take() is NOWHERE


def test_an_answer_that_needs_a_judgement_gets_its_place_when_it_is_there():
    note = note_for(3)
    held = note.hold()
    assert note.take() is held
    assert show(held) == (3, "none")
    note.place = CountPlace(3, "cgi")
    note.settle(held)
    assert show(held) == (3, "cgi")
    assert note.take() is NOWHERE


def test_places_of_a_configuration_are_never_changed():
    note = note_for(3, "cgi")
    place = note.place
    held = note.hold()
    note.place = CountPlace(3, "root")
    note.settle(held)
    assert (show(place), show(held)) == ((3, "cgi"), (3, "root"))
