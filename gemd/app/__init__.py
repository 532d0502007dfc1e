"""The framework for applications: routes, requests and responses, with the names and meanings that Jetforce gave them.

An application written for Jetforce 1.0 is ported by changing its import. What differs is said where it does, and in
gemd.conf(5), APPLICATIONS.
"""

from gemd.app.application import Application, JetforceApplication
from gemd.app.composite import CompositeApplication
from gemd.app.rate_limiter import RateLimiter
from gemd.app.request import Request
from gemd.app.response import Response, Status
from gemd.app.route import RoutePattern
from gemd.app.server import GeminiServer
from gemd.app.static import StaticDirectoryApplication

__all__ = [
    "Application",
    "CompositeApplication",
    "GeminiServer",
    "JetforceApplication",
    "RateLimiter",
    "Request",
    "Response",
    "RoutePattern",
    "StaticDirectoryApplication",
    "Status",
]
