"""Deferreds of Twisted for a body, or its pieces."""

import threading

from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from gemd.app import JetforceApplication, Response, Status

app = JetforceApplication()


@app.route("/thread")
def in_a_thread(request):
    is_main = deferToThread(lambda: str(threading.current_thread() is threading.main_thread()))
    return Response(Status.SUCCESS, "text/plain", is_main)


@inlineCallbacks
def find_words():
    first = yield deferToThread(lambda: "by")
    second = yield deferLater(reactor, 0, lambda: "callbacks")
    return f"{first} {second}"


@app.route("/inline")
def inline(request):
    return Response(Status.SUCCESS, "text/plain", find_words())


@app.route("/pieces")
def pieces(request):
    def body():
        for number in range(3):
            yield deferLater(reactor, 0, lambda n=number: f"{n}\n")
        yield "over\n"

    return Response(Status.SUCCESS, "text/plain", body())
