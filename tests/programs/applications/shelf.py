"""A database whose connection is made at import, by one thread for all requests."""

import os
import sqlite3

from gemd.app import JetforceApplication, Response, Status

app = JetforceApplication()
database = sqlite3.connect(f"{os.environ['DATA']}/shelf.sqlite", timeout=10)
database.execute("CREATE TABLE IF NOT EXISTS book (title TEXT)")


@app.route("/add")
def add(request):
    with database:
        database.execute("INSERT INTO book VALUES (?)", [request.query])
    return Response(Status.REDIRECT_TEMPORARY, "")


@app.route("")
def show(request):
    rows = database.execute("SELECT title FROM book ORDER BY title")
    return Response(Status.SUCCESS, "text/plain", "\n".join(title for (title,) in rows))
