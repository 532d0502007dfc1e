"""What is to be written down at the end."""

import atexit
import os

from gemd.app import JetforceApplication, Response, Status

app = JetforceApplication()
notes = ["begun"]


@atexit.register
def write_down():
    with open(f"{os.environ['DATA']}/farewell-{os.getpid()}", "w") as file:  # noqa: PTH123, as people write it
        file.write("\n".join(notes))


@app.route("/note")
def note(request):
    notes.append(request.query)
    return Response(Status.SUCCESS, "text/plain", str(os.getpid()))
