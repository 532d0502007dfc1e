"""Who has to go when there are too many connections beside those that are read."""

import pytest

from gemd.worker.room import Room


class ScriptedState:
    """So many connections; `gone` is a list that all share."""

    def __init__(self, name, number, gone):
        self.name, self.number, self.gone = name, number, gone

    def __len__(self):
        return self.number

    def leave(self):
        self.number -= 1
        self.gone.append(self.name)

    def drop_oldest(self):
        if not self.number:
            return False
        self.leave()
        return True

    def give_place(self, number):
        return self.number > number and self.drop_oldest()


class ScriptedWriting(ScriptedState):
    """Of whom so many are blocked."""

    def __init__(self, name, number, gone, blocked, most):
        super().__init__(name, number, gone)
        self.blocked = Blocked(blocked)
        self.room = most
        self.take_place = None

    def drop(self, connection, reason):
        assert (connection, reason) == ("the oldest", "too many read too slowly")
        self.blocked.number -= 1
        self.leave()


class Blocked:
    def __init__(self, number):
        self.number = number

    def __len__(self):
        return self.number

    def oldest(self):
        return "the oldest"


@pytest.fixture
def gone():
    return []


@pytest.fixture
def make_room(gone):
    def make(most, *, writing=0, blocked=0, closing=0, **guests):
        states = [ScriptedState(name, number, gone) for name, number in guests.items()]
        answered = ScriptedWriting("writing", writing, gone, blocked, most)
        room = Room(answered, ScriptedState("closing", closing, gone), most)
        for state in states:
            room.add(state)
        room.count()
        return room, answered

    return make


def test_what_guests_have_is_missing_for_answers(make_room):
    room, writing = make_room(10, passing=3, uploading=2)
    assert writing.room == 5
    room._guests[0].number = 1
    room.count()
    assert writing.room == 7


def test_nobody_goes_while_there_is_a_place(make_room, gone):
    room, _ = make_room(10, writing=2, closing=2, passing=3, uploading=2)
    room.make_place()
    assert gone == []


@pytest.mark.parametrize(
    ("numbers", "first"),
    [
        ({"writing": 2, "closing": 2, "passing": 3, "uploading": 3}, "closing"),
        ({"writing": 2, "passing": 3, "uploading": 5}, "uploading"),
        ({"writing": 2, "passing": 5, "uploading": 3}, "passing"),
        ({"writing": 5, "blocked": 1, "passing": 3, "uploading": 2}, "writing"),
        ({"writing": 5, "passing": 3, "uploading": 2}, "passing"),
    ],
)
def test_who_goes(make_room, gone, numbers, first):
    room, writing = make_room(10, **numbers)
    room.make_place()
    assert gone[:1] == [first]
    room.count()
    assert writing.room == 10 - sum(map(len, room._guests))


def test_it_ends_where_nobody_can_go(make_room, gone):
    room, _ = make_room(2, writing=5)
    room.make_place()
    assert gone == []


def test_an_answer_takes_the_place_of_the_most_numerous_if_they_are_more(make_room, gone):
    _, writing = make_room(10, writing=3, passing=3, uploading=4)
    assert not writing.take_place(4)
    assert writing.take_place(3)
    assert gone == ["uploading"]


def test_without_guests_there_is_nothing_to_take(make_room):
    _, writing = make_room(10, writing=3)
    assert not writing.take_place(0)
