"""An application for Gemini by the package scgi, in processes of its own: python scgi_pages.py DESCRIPTOR."""

import hashlib
import socket
import sys

from scgi.scgi_server import SCGIHandler, SCGIServer


class Pages(SCGIHandler):
    def produce(self, env, bodysize, body, output):
        if env["PATH_INFO"] == "/upload":
            digest = hashlib.sha256(body.read(bodysize)).hexdigest()
            said = f"{env['SERVER_PROTOCOL']} {bodysize} {env['CONTENT_TYPE']} {digest}"
            output.write(b"20 text/plain\r\n" + said.encode())
        elif bodysize:
            raise ValueError("nothing is to be uploaded here")
        elif env["PATH_INFO"] == "/ask":
            output.write(b"10 Your name\r\n")
        elif env["PATH_INFO"] == "/raises":
            raise ValueError("out of order")
        else:
            names = ("SERVER_PROTOCOL", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "SCGI")
            output.write(b"20 text/plain\r\n" + "|".join(env[name] for name in names).encode("latin-1") + b"\n")


if __name__ == "__main__":
    listener = socket.socket(fileno=int(sys.argv[1]))
    SCGIServer(Pages, max_children=2).serve_on_socket(listener)
