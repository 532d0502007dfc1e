"""A long list in pages, the number of the page being a part of the path.

gemd --app pagination:app --reload
"""

from gemd.app import Application, GeminiServer, Request, Response, Status

app = Application()
PAGE = 10
NUMBERS = range(1, 96)


@app.route("")
def begin(request: Request) -> Response:
    """The first page has an address of its own."""
    return Response(Status.REDIRECT_TEMPORARY, "/page/1")


@app.route(r"/page/(?P<number>[1-9][0-9]{0,5})")
def page(request: Request, number: str) -> Response:
    """Named groups of the pattern are arguments."""
    nr, last = int(number), -(-len(NUMBERS) // PAGE)
    if nr > last:
        return Response(Status.NOT_FOUND, f"There are {last} pages")
    lines = [f"# Squares, page {nr} of {last}", ""]
    lines += [f"* {n} times {n} is {n * n}" for n in NUMBERS[(nr - 1) * PAGE : nr * PAGE]]
    if nr > 1:
        lines.append(f"=> /page/{nr - 1} Back")
    if nr < last:
        lines.append(f"=> /page/{nr + 1} On")
    return Response(Status.SUCCESS, "text/gemini", "\n".join(lines) + "\n")


if __name__ == "__main__":
    GeminiServer(app).run()
