"""Accounts whose password is changed in two steps; what was said in the first is kept in memory."""

import os

from gemd.app import JetforceApplication, Response, Status

app = JetforceApplication()
sessions: dict[str, dict[str, str]] = {}


@app.route("/password")
def change_password(request):
    who = request.environ.get("TLS_CLIENT_HASH")
    if who is None:
        return Response(Status.CLIENT_CERTIFICATE_REQUIRED, "Who are you?")
    session = sessions.setdefault(who, {})
    first = session.pop("password", None)
    if not request.query:
        return Response(Status.SENSITIVE_INPUT, "New password")
    if first is None:
        session["password"] = request.query
        return Response(Status.SENSITIVE_INPUT, f"Again, by {os.getpid()}")
    if first != request.query:
        return Response(Status.BAD_REQUEST, "They are not the same")
    return Response(Status.SUCCESS, "text/plain", f"changed by {os.getpid()}")
