"""A notebook: everybody who shows a certificate has a page of their own, that everybody may read.

What an application of several processes looks like: state is in a database that all of them open, never in a variable;
who somebody is, is their certificate; and a change is one transaction. Mounted by etc/capsule.conf.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from gemd.app import Application, Request, Response, Status

LONGEST_NAME = 40  # characters
_TABLES = """
CREATE TABLE IF NOT EXISTS pages (
    owner TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    text TEXT NOT NULL DEFAULT '',
    changed TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
)
"""


def build(database: str = "") -> Application:
    """The application, with its pages in this SQLite file; without one, in the user's data directory."""
    path = Path(database) if database else _data_directory() / "notebook.sqlite3"
    path.parent.mkdir(parents=True, exist_ok=True)
    notebook = Notebook(path)
    notebook.create()
    return notebook.application()


def _data_directory() -> Path:
    data = os.environ.get("XDG_DATA_HOME", "")
    return (Path(data) if data.startswith("/") else Path.home() / ".local/share") / "gemd"


class Notebook:
    """The pages, and the routes that show and change them."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def create(self) -> None:
        """Make the database, unless there is one. All workers do this at once."""
        self._ask(_TABLES)

    def application(self) -> Application:
        """Its routes. The path that it is mounted at comes with each request."""
        app = Application()
        app.route(".*/page/(?P<name>[^/]+)")(self.page)
        app.route(".*/name")(self.name)
        app.route(".*/write")(self.write)
        app.route("/[^/]+")(self.index)
        return app

    def index(self, request: Request) -> Response:
        """All pages, the last changed first."""
        if not request.path.endswith("/"):
            return Response(Status.REDIRECT_PERMANENT, quote(request.path) + "/")  # links are relative to it
        rows = self._ask("SELECT name, changed FROM pages ORDER BY changed DESC LIMIT 100")
        links = [f"=> page/{quote(name, safe='')} {name}, {changed}" for name, changed in rows]
        head = ["# Notebook", "", "A page for everybody who shows a certificate.", "", "=> write Write your page"]
        return _page([*head, "", "## Pages", "", *(links or ["None yet."])])

    def page(self, request: Request, name: str) -> Response:
        """One page."""
        rows = self._ask("SELECT text FROM pages WHERE name = ?", name)
        if not rows:
            return Response(Status.NOT_FOUND, "There is no such page")
        return _page([f"# {name}", "", rows[0][0] or "Nothing here yet.", "", "=> ../ All pages"])

    def name(self, request: Request) -> Response:
        """Ask somebody new for a name."""
        owner = request.environ.get("TLS_CLIENT_HASH")
        if owner is None:
            return _need_certificate()
        name = " ".join(request.query.split())
        if not name or len(name) > LONGEST_NAME or "/" in name:
            return Response(Status.INPUT, f"Your name, up to {LONGEST_NAME} characters and no slash")
        try:
            self._ask("INSERT INTO pages (owner, name) VALUES (?, ?)", owner, name)
        except sqlite3.IntegrityError:
            if not self._name_of(owner):
                return Response(Status.INPUT, "Somebody has that name already; another one, please")
        return Response(Status.REDIRECT_TEMPORARY, "write")

    def write(self, request: Request) -> Response:
        """Ask for a text, and keep it as the page of whoever shows this certificate."""
        owner = request.environ.get("TLS_CLIENT_HASH")
        if owner is None:
            return _need_certificate()
        name = self._name_of(owner)
        if name is None:
            return Response(Status.REDIRECT_TEMPORARY, "name")
        if not request.query:
            return Response(Status.INPUT, f"{name}, what shall your page say?")
        self._ask("UPDATE pages SET text = ?, changed = CURRENT_TIMESTAMP WHERE owner = ?", request.query, owner)
        return Response(Status.REDIRECT_TEMPORARY, f"page/{quote(name, safe='')}")

    def _name_of(self, owner: object) -> str | None:
        rows = self._ask("SELECT name FROM pages WHERE owner = ?", owner)
        return str(rows[0][0]) if rows else None

    def _ask(self, statement: str, *values: object) -> list[tuple[str, ...]]:
        """One statement, which is a transaction of its own. A writer waits 5 seconds for its turn.

        A connection takes some 50 microseconds to open, and one that is closed at once holds nothing between requests
        and belongs to no thread.
        """
        with closing(sqlite3.connect(self._path, timeout=5, isolation_level=None)) as db:
            return db.execute(statement, values).fetchall()


def _page(lines: list[str]) -> Response:
    return Response(Status.SUCCESS, "text/gemini", "\n".join(lines) + "\n")


def _need_certificate() -> Response:
    return Response(Status.CLIENT_CERTIFICATE_REQUIRED, "Your page is kept under your certificate: please choose one")
