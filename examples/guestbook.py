"""A guestbook: entries are signed by the client's certificate and kept in sqlite, which all workers read and write.

    [[host.location]]
    path = "/guestbook"
    app = "guestbook:build()"
    app-path = "/srv/apps"
    app-options = { database = "/var/lib/guestbook/entries.sqlite" }

Each request opens the database and closes it again, so that nothing is shared between threads, however many there are.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

from gemd.app import Application, Request, Response, Status

LONGEST = 500  # characters of an entry
TABLE = "CREATE TABLE IF NOT EXISTS entry (at TEXT, name TEXT, fingerprint TEXT, text TEXT)"


def build(database: str = "guestbook.sqlite") -> Application:
    """The application, with its entries in this file."""
    app = Application()

    def connect() -> closing[sqlite3.Connection]:
        return closing(sqlite3.connect(database, timeout=10, isolation_level=None))

    with connect() as entries:
        entries.execute(TABLE)

    @app.route("/guestbook")
    def show(request: Request) -> Response:
        def lines() -> Iterator[str]:
            yield "# Guestbook\n\n=> /guestbook/sign Sign it\n"
            with connect() as entries:
                rows = entries.execute("SELECT at, name, text FROM entry ORDER BY rowid DESC LIMIT 100").fetchall()
            for at, name, text in rows:
                yield f"\n## {at}, {name}\n> {text}\n"

        return Response(Status.SUCCESS, "text/gemini", lines())

    @app.route("/guestbook/sign")
    def sign(request: Request) -> Response:
        certificate = request.environ["client_certificate"]
        if certificate is None:
            return Response(Status.CLIENT_CERTIFICATE_REQUIRED, "Sign with a certificate of your own")
        text = " ".join(request.query.split())
        if not text:
            return Response(Status.INPUT, "What do you want to say?")
        if len(text) > LONGEST:
            return Response(Status.INPUT, f"At most {LONGEST} characters, please")
        name = " ".join(str(request.environ["REMOTE_USER"]).split()) or "somebody"
        at = f"{datetime.now(UTC):%Y-%m-%d %H:%M}"
        entry = at, name, request.environ["TLS_CLIENT_HASH"], text
        with connect() as entries:
            entries.execute("INSERT INTO entry VALUES (?, ?, ?, ?)", entry)
        return Response(Status.REDIRECT_TEMPORARY, "/guestbook")

    return app
