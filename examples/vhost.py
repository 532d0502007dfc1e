"""Two capsules behind one application, told apart by the host that the URL names.

    [[host]]
    name = "apples.example"
    aliases = ["pears.example"]
    app = "vhost:app"
    app-path = "/srv/apps"

gemd asks an application for the names of its [[host]] alone. As a program, `python examples/vhost.py`, all those are
taken that the application knows.
"""

from gemd.app import Application, CompositeApplication, GeminiServer, Request, Response, Status

apples, pears, others = Application(), Application(), Application()


@apples.route()
def show_apples(request: Request) -> Response:
    """Any path."""
    return Response(Status.SUCCESS, "text/gemini", "# Apples\n")


@pears.route()
def show_pears(request: Request) -> Response:
    """Any path."""
    return Response(Status.SUCCESS, "text/gemini", "# Pears\n")


@others.route(strict_hostname=False)
def show_others(request: Request) -> Response:
    """Any path of any other host."""
    return Response(Status.SUCCESS, "text/gemini", f"# No fruit at {request.hostname}\n")


app = CompositeApplication({"apples.example": apples, "pears.example": pears, None: others})

if __name__ == "__main__":
    GeminiServer(app).run()
