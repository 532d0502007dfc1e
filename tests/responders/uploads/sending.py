"""What the event loop does for the body of an upload, for a test."""

from types import SimpleNamespace

WAITING = SimpleNamespace(descriptors=(), deadline=float("inf"))


def give(pump, intake, body, size=1000):
    """Begin, and let it take all of the body; what is answered."""
    intake.begin(pump)
    for at in range(0, len(body), size):
        pump.wait_for(WAITING, lambda: intake.is_ready or None)
        intake.take(body[at : at + size])
    return intake.finish()


def upload(pump, intake, body):
    """The response to all of it, and the body of that."""
    try:
        response = pump.settle(give(pump, intake, body))
        return response, response.body if isinstance(response.body, bytes) else pump.read(response.body)
    finally:
        intake.close()
