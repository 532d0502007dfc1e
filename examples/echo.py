"""Asks for a line of text, and says it again.

gemd --app echo:app --reload
"""

from gemd.app import Application, GeminiServer, Request, Response, Status

app = Application()


@app.route("")
def echo(request: Request) -> Response:
    """What was typed in is the query, decoded."""
    if not request.query:
        return Response(Status.INPUT, "Say something")
    return Response(Status.SUCCESS, "text/plain", f"You said: {request.query}\n")


if __name__ == "__main__":
    GeminiServer(app).run()
