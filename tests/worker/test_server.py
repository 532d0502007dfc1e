"""The request handler's frame, with an event loop that only takes down what it is told."""

import itertools
import socket
from collections import deque
from types import SimpleNamespace

import pytest

from gemd.protocol.errors import BadRequest, GeminiError, NotFound, Overloaded, SlowDown
from gemd.protocol.peer import ClientCertificate, Peer
from gemd.protocol.response import Response
from gemd.responders.own_texts import leave_words
from gemd.shared.scoreboard import Scoreboard
from gemd.system.access_log import AccessLog
from gemd.worker.connection import Connection
from gemd.worker.incoming import IncomingBody
from gemd.worker.server import GeminiServer, loss_reporter
from tests.support.answers import ScriptedPending
from tests.support.intakes import STORED, ScriptedIntake
from tests.worker.conftest import URL

PAGE = Response(20, "text/gemini", b"# Hello\n")


class ScriptedLoop:
    """`turns` are called one after the other, as the loop waits."""

    def __init__(self):
        self.ready, self.ended = deque(), deque()
        self.answered, self.given_up, self.stopped, self.turns = [], [], [], []
        self.error = None
        self.is_due = True

    def wait(self, timeout):
        assert timeout == 1.0
        self.turns.pop(0)()
        return self.is_due

    def is_idle(self):
        return not (self.ready or self.ended or self.turns)

    def answer(self, connection, answer):
        if self.error is not None:
            raise self.error
        self.answered.append((connection, answer))

    def give_up(self, connection):
        self.given_up.append(connection)

    def stop_listening(self, *, is_urgent):
        self.stopped.append(is_urgent)


@pytest.fixture
def loop():
    return ScriptedLoop()


@pytest.fixture
def lines():
    return []


@pytest.fixture
def make_server(loop, lines):
    def make(respond=lambda _: PAGE, max_pending=2, check_rate=None, word_refusal=leave_words):
        row = Scoreboard(1).row(0)
        log = AccessLog(SimpleNamespace(write=lines.append), "common", "full", b"")
        server = GeminiServer(loop, respond, log, row, max_pending, lambda: None, check_rate, word_refusal)
        server.row = row
        return server

    return make


@pytest.fixture
def make_connection():
    """One whose request is complete, and whose answer was sent."""
    made = []

    def make(address="127.0.0.1", line=URL, *, status=20, sent=100, complete=True, certificate=None):
        sockets = socket.socketpair()
        made.extend(sockets)
        tls = SimpleNamespace(client_certificate=certificate)
        connection = Connection(sockets[0], tls, Peer(address, 1, "127.0.0.1", 1965, tls), 0.0)
        try:
            connection.request = connection.reader.feed(line)
        except BadRequest as refusal:
            connection.refusal = refusal
        connection.status, connection.meta = status, "text/gemini"
        connection.sent, connection.complete = sent, complete
        return connection

    yield make
    for sock in made:
        sock.close()


def serve(loop, server, *turns):
    """These turns, and an end."""
    loop.turns += [*turns, lambda: server.stop(is_urgent=False)]
    server.serve_forever()


def test_a_request_is_answered_and_logged_when_its_answer_is_over(loop, make_server, make_connection, lines):
    server, connection = make_server(), make_connection()
    serve(loop, server, lambda: loop.ready.append(connection), lambda: loop.ended.append(connection))
    assert loop.answered == [(connection, PAGE)]
    (line,) = lines
    assert "127.0.0.1" in line
    assert '"gemini://localhost/" 20 100' in line
    assert server.row.requests == 1


def test_there_is_a_line_for_each_answer(loop, make_server, make_connection, lines):
    server = make_server()
    connections = [make_connection(), make_connection(status=51), make_connection(complete=False)]
    serve(loop, server, lambda: loop.ready.extend(connections), lambda: loop.ended.extend(connections))
    assert len(lines) == 3
    assert server.row.requests == 3


def test_who_asked_is_logged(loop, make_server, make_connection, monkeypatch):
    entries = []
    monkeypatch.setattr(AccessLog, "write", lambda _, entry, request: entries.append(entry))
    server = make_server()
    certificate = ClientCertificate(b"", "abc", common_name="Ann")
    server.shutdown_request(make_connection(certificate=certificate))
    server.shutdown_request(make_connection(line=b"no url\r\n"))
    assert [(entry.user, entry.certificate, entry.host) for entry in entries] == [
        ("Ann", "abc", "localhost"),
        ("", "", ""),
    ]
    assert {entry.port for entry in entries} == {make_connection().peer.port} != {0}


def test_a_request_that_is_none_is_answered_with_why(loop, make_server, make_connection):
    connection = make_connection(line=b"no url\r\n")
    serve(loop, make_server(respond=pytest.fail), lambda: loop.ready.append(connection))
    (_, answer), *_ = loop.answered
    assert answer.status == 59
    assert answer.meta == connection.refusal.meta


@pytest.mark.parametrize("line", [URL, b"no url\r\n", b"gemini://foreign/\r\n"])
def test_whatever_comes_is_counted_before_anything_else(loop, make_server, make_connection, line):
    counted = []

    def check_rate(peer):
        counted.append(peer.address)
        raise SlowDown("3")

    server = make_server(respond=pytest.fail, check_rate=check_rate)
    serve(loop, server, lambda: loop.ready.append(make_connection("192.0.2.5", line)))
    assert loop.answered[0][1] == Response(44, "3")
    assert counted == ["192.0.2.5"]


def test_an_error_is_an_answer(loop, make_server, make_connection):
    def respond(_):
        raise NotFound("Not found")

    serve(loop, make_server(respond), lambda: loop.ready.append(make_connection()))
    assert loop.answered[0][1] == Response(51, "Not found")


def test_what_is_refused_has_the_words_of_where_it_leads(loop, make_server, make_connection):
    """What comes of no request has not: nobody knows where that leads."""

    def word_refusal(request, refusal):
        return GeminiError(f"{request.url.host}: {refusal.meta}", refusal.status)

    pending = ScriptedPending(None)
    server = make_server(lambda _: pending, max_pending=0, word_refusal=word_refusal)
    lines = (URL, b"no url\r\n")
    serve(loop, server, *(lambda line=line: loop.ready.append(make_connection(line=line)) for line in lines))
    overloaded, none = (answer for _, answer in loop.answered)
    assert overloaded == Response(41, f"localhost: {Overloaded.text}")
    assert (none.status, "localhost" in none.meta) == (59, False)
    assert pending.closed == 1


@pytest.mark.parametrize("where", ["respond", "loop"])
def test_a_fault_ends_one_request_and_is_logged_once(loop, make_server, make_connection, caplog, where):
    answers = [ValueError("a fault"), None] if where == "respond" else [None, None]

    def respond(_):
        error = answers.pop(0)
        if error is not None:
            raise error
        return PAGE

    connections = [make_connection(), make_connection()]
    if where == "loop":
        loop.error = ValueError("a fault")
    server = make_server(respond)
    server_turn = [lambda: loop.ready.append(connections[0]), lambda: loop.ready.append(connections[1])]
    if where == "loop":
        server_turn[1] = lambda: (setattr(loop, "error", None), loop.ready.append(connections[1]))
    serve(loop, server, *server_turn)
    assert loop.given_up == connections[:1]
    assert loop.answered == [(connections[1], PAGE)]
    (record,) = caplog.records
    assert record.exc_info[0] is ValueError
    assert "gemini://localhost/" in record.getMessage()


@pytest.mark.parametrize("fault", [None, ValueError("a fault")])
def test_what_is_asked_for_is_shown_while_it_is_answered(loop, make_server, make_connection, caplog, fault):
    shown = []

    def respond(_):
        shown.append(server.row.under_way.read())
        if fault is not None:
            raise fault
        return PAGE

    server = make_server(respond)
    serve(loop, server, lambda: loop.ready.append(make_connection(line=b"gemini://localhost/a?b\r\n")))
    assert shown == [["localhost/a"]]
    assert server.row.under_way.read() == []


# What takes its time


def ask(loop, server, connection):
    """Have it answered, and say with what."""
    loop.ready.append(connection)
    server.handle_request()
    return loop.answered[-1][1]


def test_one_client_has_so_many_answers_that_take_their_time(loop, make_server, make_connection):
    pending = [ScriptedPending() for _ in range(4)]
    given = iter(pending)
    server = make_server(lambda _: next(given))
    connections = [make_connection() for _ in range(3)]
    assert [ask(loop, server, connection) for connection in connections[:2]] == pending[:2]
    assert ask(loop, server, connections[2]).status == 41
    server.shutdown_request(connections[0])
    assert ask(loop, server, make_connection()) is pending[3]


def test_an_answer_that_is_not_taken_is_closed(loop, make_server, make_connection):
    pending = ScriptedPending()
    server = make_server(lambda _: pending, max_pending=0)
    assert ask(loop, server, make_connection()).status == 41
    assert pending.closed == 1


@pytest.mark.parametrize(("other", "status"), [("192.0.2.1", None), ("2001:db8::2", 41), ("2001:db8:1::1", None)])
def test_another_client_has_as_many(loop, make_server, make_connection, other, status):
    server = make_server(lambda _: ScriptedPending(), max_pending=1)
    ask(loop, server, make_connection("2001:db8::1"))
    assert getattr(ask(loop, server, make_connection(other)), "status", None) == status


def test_a_page_is_not_counted(loop, make_server, make_connection):
    server = make_server(max_pending=1)
    assert [ask(loop, server, make_connection()) for _ in range(3)] == [PAGE] * 3


def test_one_whose_answer_failed_is_counted_no_more_once_it_is_over(loop, make_server, make_connection):
    server, connection = make_server(lambda _: ScriptedPending(), max_pending=1), make_connection()
    loop.error = ValueError("a fault")
    loop.ready.append(connection)
    server.handle_request()
    loop.error = None
    server.shutdown_request(connection)
    assert isinstance(ask(loop, server, make_connection()), ScriptedPending)
    assert len(server._per_client) == 1


# Uploads


@pytest.fixture
def uploaded(make_connection):
    """One whose upload is here as a whole."""

    def uploaded(intake, **options):
        connection = make_connection(**options)
        connection.upload = IncomingBody(intake, b"")
        intake.begin(None)
        return connection

    return uploaded


def test_an_upload_comes_first_and_is_answered_by_who_took_it(loop, make_server, uploaded):
    intake = ScriptedIntake(0)
    server = make_server(lambda _: intake)
    connection = uploaded(intake)
    upload, connection.upload = connection.upload, None
    assert ask(loop, server, connection) is intake
    assert server._pending == {}
    connection.upload = upload
    assert ask(loop, server, connection) is STORED
    assert intake.finished == 1


def test_what_comes_of_an_upload_is_counted_by_rate_once(loop, make_server, uploaded):
    server = make_server(pytest.fail, check_rate=pytest.fail)
    assert ask(loop, server, uploaded(ScriptedIntake(0))) is STORED


def test_a_refusal_of_what_is_whole_is_an_answer(loop, make_server, uploaded):
    assert ask(loop, make_server(), uploaded(ScriptedIntake(0, NotFound("Not found")))) == Response(51, "Not found")


def test_uploads_are_not_counted_as_answers_that_take_their_time_but_what_they_lead_to_is(loop, make_server, uploaded):
    pending = ScriptedPending()
    server = make_server(lambda _: ScriptedIntake(0), max_pending=1)
    for _ in range(3):
        assert isinstance(ask(loop, server, uploaded(ScriptedIntake(0, pending))), ScriptedPending)
        server.shutdown_request(loop.answered[-1][0])
    ask(loop, server, uploaded(ScriptedIntake(0, pending)))
    other = ScriptedPending()
    assert ask(loop, server, uploaded(ScriptedIntake(0, other))).status == 41
    assert other.closed == 1


def test_an_answer_that_becomes_an_upload_is_counted_no_more(loop, make_server, make_connection):
    server = make_server(lambda _: ScriptedPending(), max_pending=1)
    connection = make_connection()
    assert isinstance(ask(loop, server, connection), ScriptedPending)
    assert ask(loop, server, make_connection()).status == 41
    loop.upload_begun(connection)
    assert isinstance(ask(loop, server, make_connection()), ScriptedPending)


# Turns


def test_there_is_a_sign_of_life_before_the_first_turn_and_when_one_is_due(loop, make_server):
    server = make_server()
    assert server.row.last_tick is None
    ticks = []

    def note():
        ticks.append(server.row.last_tick)
        loop.is_due = len(ticks) == 2

    serve(loop, server, *[note] * 4)
    assert ticks[0] is not None
    assert ticks[1] == ticks[0]
    assert ticks[2] > ticks[1]
    assert ticks[3] == ticks[2] == server.row.last_tick


@pytest.mark.parametrize("is_urgent", [True, False])
def test_stopping_ends_when_all_are_answered(loop, make_server, make_connection, is_urgent):
    server, connection = make_server(), make_connection()
    loop.turns += [
        lambda: server.stop(is_urgent=is_urgent),
        lambda: loop.ready.append(connection),
        lambda: loop.ended.append(connection),
    ]
    server.serve_forever()
    assert loop.stopped == [is_urgent]
    assert loop.answered == [(connection, PAGE)]
    assert server.row.requests == 1


def test_a_loss_is_logged_with_the_address_as_the_access_log_has_it(make_connection, caplog):
    caplog.set_level("INFO")
    log = AccessLog(SimpleNamespace(write=pytest.fail), "common", "truncated", b"")
    loss_reporter(log)(make_connection("192.0.2.77"), "timed out")
    assert caplog.messages == ["192.0.2.0: timed out"]


def test_what_takes_time_is_shown_at_once_when_it_begins_and_when_it_ends(loop, make_server, make_connection):
    server = make_server(lambda _: ScriptedPending())
    connection = make_connection()
    ticks = []

    def note(act):
        ticks.append(server.row.last_tick)
        act()

    loop.is_due = False
    begin, end = (lambda: loop.ready.append(connection)), (lambda: loop.ended.append(connection))
    serve(loop, server, *[lambda act=act: note(act) for act in (begin, lambda: None, end, lambda: None)])
    ticks.append(server.row.last_tick)
    assert [after > before for before, after in itertools.pairwise(ticks)] == [True, False, True, False]
