"""A room where those who listen get each line when it is said: an answer that waits for the next, and so on."""

from twisted.internet.defer import Deferred

from gemd.app import JetforceApplication, Response, Status

app = JetforceApplication()
waiting: list[Deferred] = []
said: list[str] = []
left: list[str] = []


@app.route("/say")
def say(request):
    if request.query:
        said.append(request.query)
        woken = waiting[:]
        waiting.clear()
        for deferred in woken:
            deferred.callback("")
    return Response(Status.INPUT, "Say")


@app.route("/left")
def show(request):
    return Response(Status.SUCCESS, "text/plain", "\n".join(left))


@app.route("/listen/(?P<name>[a-z]+)")
def listen(request, name):
    position = len(said)

    def wait():
        def leave(failure):
            waiting.remove(deferred)
            left.append(name)
            return failure

        waiting.append(deferred := Deferred())
        return deferred.addErrback(leave)

    def body():
        nonlocal position
        yield f"welcome, {name}\n"
        while True:
            while position < len(said):
                line = said[position]
                position += 1
                yield f"{line}\n"
                if line == "goodnight":
                    return
            yield wait()

    return Response(Status.SUCCESS, "text/plain", body())
