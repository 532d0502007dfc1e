"""Five applications by Jetforce's contract, for gemd and Jetforce alike; run as a program, one of them on Jetforce.

Rule: nothing but the standard library is imported, so that the application costs next to nothing of its own.
As a program: `python echo.py PORT CERTIFICATE KEY`, with a Python that has jetforce.
"""

import sys
import time


def echo(environ, send_status):
    """The URL that was asked for."""
    send_status(20, "text/gemini")
    return [environ["GEMINI_URL"]]


def apart(environ, send_status):
    """The same, by a name of its own: to be run in another way beside it."""
    return echo(environ, send_status)


def work(environ, send_status):
    """The URL, after as many milliseconds of computing as the query says."""
    end = time.thread_time() + int(environ["QUERY_STRING"]) / 1e3
    while time.thread_time() < end:
        sum(range(1000))
    return echo(environ, send_status)


def nap(environ, send_status):
    """The URL, after a second without computing."""
    time.sleep(1.0)
    return echo(environ, send_status)


def tick(environ, send_status):
    """A line a second, as many as the query says; each tells when it was made, on the monotonic clock."""
    send_status(20, "text/plain")
    began = time.monotonic()
    for number in range(int(environ["QUERY_STRING"])):
        time.sleep(max(0.0, began + number - time.monotonic()))
        yield f"{time.monotonic():.6f}\n"


if __name__ == "__main__":
    from jetforce import GeminiServer

    port, certificate, key = sys.argv[1:]
    GeminiServer(echo, port=int(port), hostname="localhost", certfile=certificate, keyfile=key).run()
