"""Waiting for something that happens elsewhere: always for a condition, never for a time."""

import time

LONGEST = 30.0  # seconds that anything may take


def wait_for(condition, what: str, seconds: float = LONGEST):
    """Poll until `condition()` is true and return that; fail after a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.01)
    raise AssertionError(f"waited {seconds} s in vain for {what}")
