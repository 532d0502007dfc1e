"""Files by names that begin where the application has gone to."""

import os

from gemd.app import JetforceApplication, Response, Status

app = JetforceApplication()
os.chdir(os.environ["DATA"])


@app.route("/write")
def write(request):
    with open("notes.txt", "a") as file:  # noqa: PTH123, as people write it
        file.write(request.query + "\n")
    return Response(Status.SUCCESS, "text/plain", os.getcwd())
