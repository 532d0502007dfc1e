"""Several applications behind one, told apart by the URL's host."""

from collections.abc import Awaitable, Mapping

from gemd.app.request import Request
from gemd.app.response import App, Body, Environ, Response, SendStatus, Status
from gemd.app.sending import Sent, send_response, send_result

ApplicationMap = Mapping[str | None, App]


class CompositeApplication:
    """`application_map` has an application for each host name, and perhaps one for None: for every other host.

    The daemon asks an application only for the hosts that its [[host]] names, so they belong into its `aliases`.
    """

    def __init__(self, application_map: ApplicationMap) -> None:
        self.application_map = application_map

    def __call__(self, environ: Environ, send_status: SendStatus) -> Sent | Awaitable[Body | None]:
        """Answer as the host's application does, which finds its name in environ["HOSTNAME"]: 53 without one."""
        try:
            request = Request(environ)
        except (ValueError, KeyError, TypeError):
            return send_response(Response(Status.BAD_REQUEST, "Invalid URL"), send_status)
        application = self.application_map.get(request.hostname)
        if application is not None:
            environ["HOSTNAME"] = request.hostname
        else:
            application = self.application_map.get(None)
        if application is None:
            return send_response(Response(Status.PROXY_REQUEST_REFUSED, "Invalid hostname"), send_status)
        return send_result(application(environ, send_status))
