"""In place of `jetforce.tls`: certificates are the daemon's, and what a client's says is in the environ."""

from typing import TYPE_CHECKING

from gemd.app.missing import missing_names_of

if not TYPE_CHECKING:
    __getattr__ = missing_names_of(__name__)
