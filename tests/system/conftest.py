"""OpenSSL reads its configuration when it is first loaded: gemd.system has to come before any other user of it."""

import gemd.system  # noqa: F401
