"""What applications do with the process that they are in, with others, and with files."""

from collections import defaultdict

import pytest

from tests.support.waiting import wait_for

from .serving import (
    EVERYWHERE,
    IN_THE_WORKERS,
    IN_THEIR_OWN,
    complain,
    copy_application,
    name_combination,
    serve_programs,
)

TRIES = 12
NAMES = ("journal", "shelf", "sorting", "forks", "elsewhere", "forgetful")


@pytest.fixture(scope="module", params=EVERYWHERE, ids=name_combination)
def programs(request, tmp_path_factory):
    """All at once: in the workers, what one does to the process happens to the others too, and to gemd."""
    names = NAMES if request.param[0] == IN_THE_WORKERS else (*NAMES, "alarms")
    with serve_programs(tmp_path_factory.mktemp("programs"), request.param, *names) as programs:
        programs.daemon.expect("the application journal:app failed", "Traceback", "LookupError")
        programs.daemon.expect("DeprecationWarning: .*multi-threaded, use of fork")  # of Python 3.12 and later
        yield programs


@pytest.mark.parametrize("programs", IN_THEIR_OWN, ids=name_combination, indirect=True)
def test_signals_that_it_catches(programs):
    assert set(programs.ask_all("alarms", *["/"] * TRIES)) == {"SIGALRM"}


def test_in_the_workers_signals_are_refused_and_where_they_work_is_said(tmp_path):
    copy_application("alarms", tmp_path)
    said = complain(
        tmp_path, '[[host]]\nname = "localhost"\napp = "alarms:app"\napp-path = "{tmp}"\napp-process = false\n'
    )
    assert "the application alarms:app can't be loaded" in said
    assert "app-process" in said


@pytest.mark.parametrize("combination", EVERYWHERE, ids=name_combination)
def test_what_it_writes_down_at_its_end(combination, tmp_path):
    noted = defaultdict(set)
    with serve_programs(tmp_path, combination, "farewell") as programs:
        for number in range(TRIES):
            noted[programs.ask("farewell", f"/note?{number}").text].add(str(number))
    for pid, notes in noted.items():
        assert set((programs.data / f"farewell-{pid}").read_text().split()) == {"begun", *notes}
    assert len(list(programs.data.glob("farewell-*"))) == (programs.workers if programs.is_in_workers else 1)


def test_a_log_of_its_own_takes_nothing_from_gemds(programs):
    programs.ask_all("journal", *(f"/log?line{number}" for number in range(TRIES)))
    assert programs.ask("journal", "/boom").status == 42
    lines = (programs.data / "journal").read_text().splitlines()
    assert sorted(lines) == sorted(f"DEBUG visits line{number}" for number in range(TRIES))
    wait_for(lambda: "LookupError: lost in the journal" in programs.daemon.errors, "the reason in gemd's log")


def test_a_connection_to_a_database_made_at_import(programs):
    answers = [programs.ask("shelf", f"/add?book{number:02}") for number in range(TRIES)]
    assert {answer.header for answer in answers} == {"30 "}  # to where one is
    assert programs.ask("shelf").text.split() == [f"book{number:02}" for number in range(TRIES)]


def test_other_programs(programs):
    assert set(programs.ask_all("sorting", *["/sort?b,c,a"] * TRIES)) == {"a\nb\nc\n"}
    assert programs.ask_all("sorting", *(f"/code?{code}" for code in range(4))) == ["0", "1", "2", "3"]
    lines = "".join(f"{number}\n" for number in range(1, 20_001))
    assert set(programs.ask_all("sorting", *["/lines?20000"] * 4)) == {lines}


def test_processes_made_of_this_one(programs):
    assert set(programs.ask_all("forks", *["/squares"] * TRIES)) == {"[0, 1, 4, 9] [0, 0, 0, 0]"}
    assert set(programs.ask_all("forks", *["/leave"] * TRIES)) == {"3"}


def test_another_working_directory(programs):
    texts = programs.ask_all("elsewhere", *(f"/write?{number}" for number in range(TRIES)))
    assert set(texts) == {str(programs.data)}
    assert sorted((programs.data / "notes.txt").read_text().split()) == sorted(map(str, range(TRIES)))


def test_an_environment_that_is_emptied(programs):
    assert set(programs.ask_all("forgetful", *["/"] * TRIES)) == {"hello\n"}
    assert programs.daemon.ask("/").text == "# A capsule\n"
