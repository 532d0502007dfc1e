"""A directory of files and scripts, with routes before it."""

import os

from gemd.app import Response, StaticDirectoryApplication, Status

FOLDER = os.environ["DATA"]
app = StaticDirectoryApplication(FOLDER)


@app.route("/old/(?P<rest>.*)")
def redirect(request, rest):
    return Response(Status.REDIRECT_PERMANENT, f"/new/{rest}")


@app.route("/script")
def run(request):
    return app.run_cgi_script(f"{FOLDER}/elsewhere.sh", request.environ)


@app.route("/members/.*")
def show(request):
    if request.environ.get("TLS_CLIENT_HASH"):
        return app.serve_static_file(request)
    return Response(Status.CLIENT_CERTIFICATE_REQUIRED, "Members only")
