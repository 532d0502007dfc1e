"""An answer that comes little by little: the generator sleeps until there is more."""

import os
import time

from gemd.app import JetforceApplication, Response, Status

app = JetforceApplication()
FOLDER = os.environ["DATA"]


def tell(name):
    for number in range(1, 4):
        yield f"{number}\n"
        while not os.path.exists(f"{FOLDER}/{name}-{number}"):
            time.sleep(0.01)
    yield "over\n"


@app.route("/(?P<name>[a-z]+)")
def stream(request, name):
    return Response(Status.SUCCESS, "text/plain", tell(name))
