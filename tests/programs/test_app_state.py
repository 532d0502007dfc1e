"""What applications keep in memory. In one process it is one thing, whichever worker asks; in the workers each has its
own, which holds for who comes to it again."""

import random
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.serve.certificates import make_certificate
from tests.support.waiting import wait_for

from .serving import EVERYWHERE, IN_THE_WORKERS, name_combination, serve_programs

TRIES = 20


@pytest.fixture(scope="module", params=EVERYWHERE, ids=name_combination)
def programs(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("programs")
    with serve_programs(folder, request.param, "accounts", "visits", "letters", "dice") as programs:
        yield programs


def test_a_change_in_two_steps(programs, tmp_path):
    """Twenty, by four people at once: all are made where one process remembers the first step. Each of the workers
    remembers those that it has heard itself, so that some changes take more steps there."""
    assert programs.ask("accounts", "/password").header == "60 Who are you?"

    def change(visitor):
        cert = tmp_path / f"{visitor}.pem"
        make_certificate(cert, f"visitor {visitor}")
        return [programs.ask("accounts", "/password?secret", cert=cert) for _ in range(2 * TRIES // 4)]

    with ThreadPoolExecutor(4) as pool:
        visits = list(pool.map(change, range(4)))
    changed = 0
    for answers in visits:
        waiting = set()  # the processes that have heard the first step of this visitor's
        for answer in answers:
            pid = (answer.text if answer.status == 20 else answer.meta).rpartition(" ")[2]
            if pid in waiting:
                assert answer.header == "20 text/plain"
                waiting.remove(pid)
                changed += 1
            else:
                assert answer.status == 11
                waiting.add(pid)
    assert changed == TRIES or programs.way == IN_THE_WORKERS


def group(texts):
    """What follows the process's number in each answer, by that."""
    found = defaultdict(list)
    for text in texts:
        pid, *words = text.split()
        found[pid].append(words)
    return found


def test_a_counter(programs):
    found = group(programs.ask_all("visits", *["/"] * TRIES))
    for numbers in found.values():
        assert sorted(int(number) for (number,) in numbers) == list(range(1, len(numbers) + 1))
    assert sum(map(len, found.values())) == TRIES
    assert len(found) == 1 or programs.way == IN_THE_WORKERS


def test_a_thread_in_the_background(programs):
    posted = defaultdict(set)
    for number in range(TRIES):
        posted[programs.ask("letters", f"/post?letter{number}").text].add(f"LETTER{number}")
    assert len(posted) == 1 or programs.way == IN_THE_WORKERS
    found = set()

    def is_all_filed():  # in one of them
        pid, *letters = programs.ask("letters", "/filed").text.split("\n")
        found.update(letters)
        assert set(letters) <= posted[pid]
        return letters and set(letters) == posted[pid]

    wait_for(is_all_filed, "the thread to have filed what was posted there")
    assert found == set.union(*posted.values()) or programs.way == IN_THE_WORKERS


def test_random_numbers(programs):
    found = group(programs.ask_all("dice", *["/"] * TRIES))
    for throws in found.values():
        game = random.Random(1965)
        assert {int(number) for number, _, _ in throws} == {game.randint(1, 1_000_000) for _ in throws}
    throws = [throw for throws in found.values() for throw in throws]
    assert len({token for _, token, _ in throws}) == TRIES  # no two processes begin with the same
    assert len({number for _, _, number in throws}) == TRIES
