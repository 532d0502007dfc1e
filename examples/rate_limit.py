"""Limits that hold over all workers: one for the whole application, one for a single page, one by certificate.

gemd --app rate_limit:app --reload
"""

from gemd.app import Application, GeminiServer, RateLimiter, Request, Response, Status


class ByCertificate(RateLimiter):
    """Counts by certificate; who comes without one is not counted."""

    def get_key(self, request: Request) -> object:
        """None is exempt."""
        return request.environ.get("TLS_CLIENT_HASH")


app = Application(rate_limiter=RateLimiter("100/m"))
few = RateLimiter("3/10m")
by_certificate = ByCertificate("5/2h")


@app.route("")
def index(request: Request) -> Response:
    """As often as the application allows."""
    return Response(Status.SUCCESS, "text/gemini", "=> /dice\n=> /vote\n")


@app.route("/dice")
@few.apply
def dice(request: Request) -> Response:
    """Three times in ten minutes."""
    return Response(Status.SUCCESS, "text/plain", "4\n")


@app.route("/vote")
@by_certificate.apply
def vote(request: Request) -> Response:
    """Five times in two hours with the same certificate."""
    return Response(Status.SUCCESS, "text/plain", "Counted\n")


if __name__ == "__main__":
    GeminiServer(app).run()
