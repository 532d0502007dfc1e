"""A signal that is caught: a timer's."""

import signal
import time

from gemd.app import JetforceApplication, Response, Status

app = JetforceApplication()
rings: list[int] = []
signal.signal(signal.SIGALRM, lambda number, frame: rings.append(number))


@app.route("")
def ring(request):
    before = len(rings)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    while len(rings) == before:
        time.sleep(0.01)
    return Response(Status.SUCCESS, "text/plain", signal.Signals(rings[-1]).name)
