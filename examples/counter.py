"""A counter of visits that all workers share, because it is made before they are forked.

    python examples/counter.py

In a configuration file it needs `preload = true`; without it each worker would count for itself.
"""

from multiprocessing import Value

from gemd.app import Application, GeminiServer, Request, Response, Status

app = Application()
visits = Value("Q", 0)


@app.route("")
def count(request: Request) -> Response:
    """One visit more."""
    with visits.get_lock():
        visits.value += 1
        number = visits.value
    return Response(Status.SUCCESS, "text/gemini", f"# Visitor number {number}\n")


if __name__ == "__main__":
    GeminiServer(app).run()
