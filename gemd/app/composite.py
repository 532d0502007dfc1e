"""Several applications behind one, told apart by the URL's host."""

from collections.abc import Iterator, Mapping

from gemd.app.request import Request
from gemd.app.response import App, Environ, SendStatus, Status, send_body


class CompositeApplication:
    """`application_map` has an application for each host name, and perhaps one for None: for every other host.

    The daemon asks an application only for the hosts that its [[host]] names, so they belong into its `aliases`.
    """

    def __init__(self, application_map: Mapping[str | None, App]) -> None:
        self.application_map = application_map

    def __call__(self, environ: Environ, send_status: SendStatus) -> Iterator[bytes | str | None]:
        """Answer as the host's application does, which finds its name in environ["HOSTNAME"]: 53 without one."""
        try:
            request = Request(environ)
        except (ValueError, KeyError, TypeError):
            send_status(Status.BAD_REQUEST, "Invalid URL")
            return
        application = self.application_map.get(request.hostname)
        if application is not None:
            environ["HOSTNAME"] = request.hostname
        else:
            application = self.application_map.get(None)
        if application is None:
            send_status(Status.PROXY_REQUEST_REFUSED, "Invalid hostname")
            return
        yield from send_body(application(environ, send_status))
