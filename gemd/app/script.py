"""Scripts that an application runs: gemd's own runner, with its limits and time-outs as they are by default."""

import os

from gemd.app.response import Environ, Response, Status
from gemd.config.settings import TLS, CGISettings, Config, Limits, Log, Service, Timeouts
from gemd.protocol.characters import percent_encode
from gemd.responders.cgi.environ import own_variables
from gemd.responders.cgi.scripts import ScriptRun
from gemd.system.log import error_log
from gemd.system.script import Script, ScriptError, ScriptLimits

_DEFAULTS = Config(
    listen=(),
    hosts=(),
    workers=1,
    service=Service(),
    tls=TLS(),
    timeouts=Timeouts(),
    limits=Limits(),
    log=Log(),
    cgi=CGISettings(),
)


def run_script(path: str, environ: Environ) -> Response:
    """Run the program at `path` and give what it answers: 42 when it fails, and the error log says why.

    Its environment is the upper-case entries of `environ`, and PATH, LANG and GATEWAY_INTERFACE.
    """
    given = {key: percent_encode(str(value)) for key, value in environ.items() if key.isupper()}
    nobody = os.eventfd(0)  # in place of the client's socket, which an application does not see: it never hangs up
    try:
        script = Script(path, {**own_variables(_DEFAULTS.cgi), **given}, ScriptLimits(), nobody)
    except ScriptError as error:
        os.close(nobody)
        return _fail(path, error)
    run = ScriptRun(script, path, _DEFAULTS, lambda: os.close(nobody))
    try:
        answer = run.answer()
    except ScriptError as error:
        run.close()
        return _fail(path, error)
    return Response(answer.status, answer.meta, answer.body if answer.body != b"" else None)


def _fail(path: str, error: ScriptError) -> Response:
    error_log.error("script %s %s", path, error)
    return Response(Status.CGI_ERROR, "The script failed")
