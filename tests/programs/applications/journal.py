"""A log as the application wants it, and no other."""

import logging
import logging.config
import os

from gemd.app import JetforceApplication, Response, Status

app = JetforceApplication()
logging.config.dictConfig(
    {
        "version": 1,
        "disable_existing_loggers": True,
        "formatters": {"short": {"format": "%(levelname)s %(name)s %(message)s"}},
        "handlers": {
            "file": {"class": "logging.FileHandler", "filename": f"{os.environ['DATA']}/journal", "formatter": "short"}
        },
        "root": {"level": "DEBUG", "handlers": ["file"]},
    }
)
log = logging.getLogger("visits")


@app.route("/log")
def write(request):
    log.debug("%s", request.query)
    return Response(Status.SUCCESS, "text/plain", "written")


@app.route("/boom")
def fail(request):
    raise LookupError("lost in the journal")
