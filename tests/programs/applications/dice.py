"""Random numbers of generators that were made once: one with a seed, one without."""

import os
import random

from gemd.app import JetforceApplication, Response, Status

app = JetforceApplication()
game = random.Random(1965)
tokens = random.Random()


@app.route("")
def throw(request):
    text = f"{os.getpid()} {game.randint(1, 1_000_000)} {tokens.getrandbits(64)} {random.getrandbits(64)}"
    return Response(Status.SUCCESS, "text/plain", text)
