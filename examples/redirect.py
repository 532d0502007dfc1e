"""Addresses that have moved: for a while, for good, and with what follows them.

gemd --app redirect:app --reload
"""

from urllib.parse import quote

from gemd.app import Application, GeminiServer, Request, Response, Status

app = Application()


@app.route("/new(?P<rest>/.*)?")
def new(request: Request, rest: str | None) -> Response:
    """Where everything is now."""
    return Response(Status.SUCCESS, "text/plain", f"This is {rest or 'all'}\n")


@app.route("/old(?P<rest>/.*)?")
def old(request: Request, rest: str | None) -> Response:
    """Moved for good, with all that is below."""
    return Response(Status.REDIRECT_PERMANENT, quote(f"/new{rest or ''}"))


@app.route("/today")
def today(request: Request) -> Response:
    """Somewhere else tomorrow."""
    return Response(Status.REDIRECT_TEMPORARY, "/new/today")


@app.route("/gone")
def gone(request: Request) -> Response:
    """No more."""
    return Response(Status.GONE, "It was here until last year")


if __name__ == "__main__":
    GeminiServer(app).run()
