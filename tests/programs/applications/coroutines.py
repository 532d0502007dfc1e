"""Routes that are coroutine functions, and a body that is an asynchronous generator."""

import asyncio

from gemd.app import JetforceApplication, Response, Status

app = JetforceApplication()


async def count():
    for number in range(3):
        await asyncio.sleep(0)
        yield f"{number}\n"


@app.route("/hello")
async def hello(request):
    first, second = await asyncio.gather(asyncio.sleep(0, "hello"), asyncio.sleep(0, request.query))
    return Response(Status.SUCCESS, "text/plain", f"{first} {second}")


@app.route("/numbers")
async def numbers(request):
    return Response(Status.SUCCESS, "text/plain", count())
