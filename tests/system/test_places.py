import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemd.system.places import Places, find_share

A, B, C = "192.0.2.1", "192.0.2.2", "192.0.2.3"


@pytest.fixture
def request_place():
    """Ask for places, and note in `granted` who has got one, in order."""
    granted = []

    def request_place(places, client):
        return places.request(client, granted.append)

    request_place.granted = granted
    request_place.clients = lambda: [place.client for place in granted]
    return request_place


def test_a_free_place_is_had_at_once(request_place):
    place = request_place(Places(5, find_share(5)), A)
    assert request_place.granted == [place]
    assert place.is_taken


@pytest.mark.parametrize(("number", "share"), [(1, 1), (2, 1), (3, 1), (4, 1), (5, 2), (32, 15), (64, 31)])
def test_two_clients_never_have_all(number, share):
    assert find_share(number) == share
    assert number < 3 or 2 * share < number


def test_a_client_has_its_share_alone_and_the_others_theirs(request_place):
    places = Places(5, find_share(5))
    for client in (A, A, A, A, B, B, B, C, C):
        request_place(places, client)
    assert request_place.clients() == [A, A, B, B, C]
    assert places.are_taken
    assert places.waiting == 4


@pytest.mark.parametrize("most", [1, 2, 5])
def test_a_client_may_have_so_many(request_place, most):
    places = Places(5, most)
    for _ in range(5):
        request_place(places, A)
    assert request_place.clients() == [A] * most


def test_clients_take_turns_however_much_they_want(request_place):
    places = Places(1, find_share(1))
    for client in (A, A, A, A, B, B, C):
        request_place(places, client)
    for _ in range(6):
        request_place.granted[-1].leave()
    assert request_place.clients() == [A, A, B, C, A, B, A]


def test_who_has_fewest_is_next(request_place):
    places = Places(5, find_share(5))
    held = [request_place(places, client) for client in (A, A, B, B, "192.0.2.9", A, B, C)]
    held[4].leave()
    assert request_place.clients()[5:] == [C]


def test_who_has_its_share_does_not_hold_up_the_next(request_place):
    places = Places(3, find_share(3))
    first = request_place(places, A)
    request_place(places, A)
    request_place(places, B)
    request_place(places, C)
    assert request_place.clients() == [A, B, C]
    first.leave()
    assert request_place.clients() == [A, B, C, A]


def test_who_waits_no_longer_is_not_called(request_place):
    places = Places(1, find_share(1))
    first = request_place(places, A)
    second, third = request_place(places, B), request_place(places, C)
    second.leave()
    assert places.waiting == 1
    first.leave()
    assert request_place.granted == [first, third]


def test_a_turn_that_has_not_come_can_be_given_up(request_place):
    places = Places(1, 1)
    first, second, third = (request_place(places, client) for client in (A, B, B))
    second.withdraw()
    second.withdraw()
    first.withdraw()  # it has its place, and keeps it
    assert (places.waiting, places.taken) == (1, 1)
    first.leave()
    assert request_place.granted == [first, third]
    third.leave()
    third.withdraw()
    assert (places.waiting, places.taken) == (0, 0)


def test_has_share_left(request_place):
    places = Places(5, find_share(5))
    held = request_place(places, A)
    assert places.has_share_left(A)
    request_place(places, A)
    assert not places.has_share_left(A)
    assert places.has_share_left(B)
    held.leave()
    assert places.has_share_left(A)


def test_who_waits_counts_too(request_place):
    places = Places(1, find_share(1))
    request_place(places, B)
    assert places.has_share_left(A)
    request_place(places, A)
    assert not places.has_share_left(A)


def test_who_is_called_may_leave_at_once_and_ask_again():
    places, called = Places(1, find_share(1)), []

    def call(place):
        called.append(place)
        if len(called) < 5:
            places.request(A, call)
        place.leave()

    places.request(A, call)
    assert len(called) == 5
    assert (places.waiting, places.are_taken) == (0, False)


@given(
    st.integers(1, 6),
    st.lists(st.tuples(st.sampled_from((A, B, C)), st.integers(0, 20)), max_size=40),
)
def test_whatever_happens_the_limits_hold_and_nobody_is_forgotten(number, events):
    places, asked = Places(number, find_share(number)), []
    for client, nr in events:
        if nr < len(asked):
            asked.pop(nr).leave()
        else:
            asked.append(places.request(client, lambda _: None))
        taken = [place.client for place in asked if place.is_taken]
        assert len(taken) <= number
        assert all(taken.count(client) <= places.max_per_client for client in taken)
        assert places.are_taken == (len(taken) == number)
        assert places.waiting == len(asked) - len(taken)
        if not places.are_taken:  # whoever waits has its share
            assert all(taken.count(place.client) == places.max_per_client for place in asked if not place.is_taken)


def test_any_thread_may_ask_and_leave():
    places, most, inside, lock = Places(3, find_share(3)), [0], [0], threading.Lock()
    done = threading.Semaphore(0)

    def call(place):
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        with lock:
            inside[0] -= 1
        place.leave()
        done.release()

    threads = [
        threading.Thread(target=lambda client=client: [places.request(client, call) for _ in range(200)])
        for client in (A, B, C)
    ]
    for thread in threads:
        thread.start()
    for _ in range(600):
        assert done.acquire(timeout=15)
    for thread in threads:
        thread.join()
    assert (places.waiting, places.are_taken, most[0] <= 3) == (0, False, True)
