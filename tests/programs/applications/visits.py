"""A counter in a global variable."""

import os

from gemd.app import JetforceApplication, Response, Status

app = JetforceApplication()
number = 0


@app.route("")
def count(request):
    global number
    number += 1
    return Response(Status.SUCCESS, "text/plain", f"{os.getpid()} {number}")
