"""An environment that is emptied, and filled again."""

import os
import subprocess

from gemd.app import JetforceApplication, Response, Status

app = JetforceApplication()


@app.route("")
def forget(request):
    path = os.defpath
    os.environ.clear()
    os.environ["GREETING"] = "hello"
    shown = subprocess.run(
        ["sh", "-c", "echo $GREETING $DATA"], capture_output=True, text=True, env={"PATH": path, **os.environ}
    )
    return Response(Status.SUCCESS, "text/plain", shown.stdout)
