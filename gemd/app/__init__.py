"""The framework for applications: routes, requests and responses, with the names and meanings that Jetforce gave them.

An application written for Jetforce 1.0 is ported by changing its imports: `jetforce` is `gemd.app`, `jetforce.app.base`
is `gemd.app.base`, and so on. What differs is said where it does, and in gemd.conf(5), APPLICATIONS.
"""

from typing import TYPE_CHECKING

from gemd import __version__
from gemd.app.application import Application, JetforceApplication
from gemd.app.composite import CompositeApplication
from gemd.app.missing import missing_names_of
from gemd.app.rate_limiter import RateLimiter
from gemd.app.request import Request
from gemd.app.response import DeferredResponse, Response, Status
from gemd.app.route import RoutePattern
from gemd.app.server import GeminiServer
from gemd.app.static import StaticDirectoryApplication
from gemd.app.upload import UploadedFile

__all__ = [
    "Application",
    "CompositeApplication",
    "DeferredResponse",
    "GeminiServer",
    "JetforceApplication",
    "RateLimiter",
    "Request",
    "Response",
    "RoutePattern",
    "StaticDirectoryApplication",
    "Status",
    "UploadedFile",
    "__version__",
]

if not TYPE_CHECKING:
    __getattr__ = missing_names_of(__name__)
