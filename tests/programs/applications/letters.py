"""A thread in the background that files what visitors have posted."""

import os
import queue
import threading

from gemd.app import JetforceApplication, Response, Status

app = JetforceApplication()
posted: "queue.Queue[str]" = queue.Queue()
filed: list[str] = []


def file_them():
    while True:
        filed.append(posted.get().upper())


threading.Thread(target=file_them, daemon=True).start()


@app.route("/post")
def post(request):
    posted.put(request.query)
    return Response(Status.SUCCESS, "text/plain", str(os.getpid()))


@app.route("/filed")
def show(request):
    return Response(Status.SUCCESS, "text/plain", "\n".join([str(os.getpid()), *filed]))
