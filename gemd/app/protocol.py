"""In place of `jetforce.protocol`, whose GeminiProtocol is Twisted's side of a connection: there is none here."""

from typing import TYPE_CHECKING

from gemd.app.missing import missing_names_of

if not TYPE_CHECKING:
    __getattr__ = missing_names_of(__name__)
