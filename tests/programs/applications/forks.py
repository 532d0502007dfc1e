"""Processes made of this one."""

import multiprocessing
import os
import sys

from gemd.app import JetforceApplication, Response, Status

app = JetforceApplication()
forking = multiprocessing.get_context("fork")


def square(number, results):
    results.put(number * number)


@app.route("/squares")
def squares(request):
    results = forking.SimpleQueue()
    processes = [forking.Process(target=square, args=(number, results)) for number in range(4)]
    for process in processes:
        process.start()
    found = sorted(results.get() for _ in processes)
    for process in processes:
        process.join()
    return Response(Status.SUCCESS, "text/plain", f"{found} {[process.exitcode for process in processes]}")


@app.route("/leave")
def leave(request):
    pid = os.fork()
    if pid == 0:
        sys.exit(3)
    _, status = os.waitpid(pid, 0)
    return Response(Status.SUCCESS, "text/plain", str(os.waitstatus_to_exitcode(status)))
