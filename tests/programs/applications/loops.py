"""Ordinary routes that need asyncio for a moment."""

import asyncio

from gemd.app import JetforceApplication, Response, Status

app = JetforceApplication()


async def say(text):
    await asyncio.sleep(0)
    return text


first = asyncio.run(say("at import"))


@app.route("/loop")
def by_the_threads_loop(request):
    return Response(Status.SUCCESS, "text/plain", asyncio.get_event_loop().run_until_complete(say("by the loop")))


@app.route("/run")
def by_one_of_its_own(request):
    return Response(Status.SUCCESS, "text/plain", asyncio.run(say("by one of its own")))


@app.route("")
def show(request):
    return Response(Status.SUCCESS, "text/plain", first)
