"""An application for the web by flup: python wsgi.py fastcgi|scgi PATH."""

import hashlib
import sys
from importlib import import_module
from wsgiref.util import application_uri


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/away":
        start_response("303 See Other", [("Location", application_uri(environ) + "/hello?again")])
        return []
    if path == "/hello":
        start_response("200 OK", [("Content-Type", "text/gemini; lang=en")])
        return [f"# Hello by {environ['wsgi.url_scheme']}\n".encode(), environ["QUERY_STRING"].encode()]
    if path == "/pieces":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (b"%d\n" % number for number in range(20_000))
    if path == "/raises":
        raise ValueError("out of order")
    if path == "/upload":
        start_response("200 OK", [("Content-Type", "text/plain")])
        size = environ["CONTENT_LENGTH"]
        digest = hashlib.sha256(environ["wsgi.input"].read(int(size))).hexdigest()
        return [f"{environ['REQUEST_METHOD']} {size} {environ['CONTENT_TYPE']} {digest}".encode()]
    start_response("404 Not Found", [("Content-Type", "text/html")])
    return [b"<h1>No such page</h1>"]


if __name__ == "__main__":
    kind, path = sys.argv[1:]
    server = import_module({"fastcgi": "flup.server.fcgi", "scgi": "flup.server.scgi"}[kind])
    server.WSGIServer(app, bindAddress=path, debug=False).run()
