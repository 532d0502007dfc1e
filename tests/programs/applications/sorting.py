"""Other programs, waited for and read from."""

import subprocess

from gemd.app import JetforceApplication, Response, Status

app = JetforceApplication()


@app.route("/sort")
def sort(request):
    words = request.query.replace(",", "\n")
    result = subprocess.run(["sort"], input=words, capture_output=True, text=True, check=True)
    return Response(Status.SUCCESS, "text/plain", result.stdout)


@app.route("/code")
def tell_code(request):
    return Response(Status.SUCCESS, "text/plain", str(subprocess.call(["sh", "-c", f"exit {int(request.query)}"])))


@app.route("/lines")
def read_lines(request):
    def body():
        with subprocess.Popen(["seq", request.query], stdout=subprocess.PIPE, text=True) as program:
            yield from program.stdout

    return Response(Status.SUCCESS, "text/plain", body())
