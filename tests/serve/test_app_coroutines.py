"""Routes of gemd.app that are coroutine functions, and bodies that are asynchronous generators."""

from tests.support.waiting import wait_for

from .applications import serve_app, write  # noqa: F401, fixtures

PAGES = """
import asyncio, os
from gemd.app import Application, RateLimiter, Response, Status

app = Application()
limiter = RateLimiter("2/d")
queue = asyncio.Queue()

@app.route("/hello/(?P<name>[a-z]+)")
async def hello(request, name):
    await queue.put(name)
    return Response(Status.SUCCESS, "text/plain", await queue.get())

@app.route("/limited")
@limiter.apply
async def limited(request):
    await asyncio.sleep(0)
    return Response(Status.SUCCESS, "text/plain", "ok")

@app.route("/numbers")
def numbers(request):
    return Response(Status.SUCCESS, "text/plain", count(1000))

@app.route("/endless")
async def endless(request):
    return Response(Status.SUCCESS, "text/plain", count(10**9))

@app.route("/fails")
async def fail(request):
    await asyncio.sleep(0)
    raise LookupError("no such thing")

async def count(end):
    try:
        for number in range(end):
            await asyncio.sleep(0 if end == 1000 else 0.01)
            yield f"{number}\\n"
    finally:
        await asyncio.sleep(0)
        with open(os.environ["TRACE"], "a") as file:
            file.write("closed\\n")
"""


def test_coroutines(serve_app, write, tmp_path):
    write("pages.py", PAGES)
    daemon = serve_app("pages:app")
    daemon.expect("the application pages:app failed", "Traceback", "LookupError")
    assert [daemon.ask(f"/hello/{name}").text for name in ("ada", "bob", "cy")] == ["ada", "bob", "cy"]
    assert [daemon.ask("/limited").status for _ in range(3)] == [20, 20, 44]
    answer = daemon.ask("/numbers")
    assert (answer.text, answer.complete) == ("".join(f"{number}\n" for number in range(1000)), True)
    assert daemon.ask("/fails").header == "42 An unexpected error occurred"
    assert "LookupError: no such thing" in daemon.errors
    trace = tmp_path / "trace"
    assert trace.read_text() == "closed\n"
    with daemon.tls() as tls:
        tls.sendall(daemon.url("/endless").encode() + b"\r\n")
        assert tls.recv(100).startswith(b"20 text/plain\r\n")
    wait_for(lambda: trace.read_text() == "closed\n" * 2, "the generator to be closed")
