"""What runs in the master: it keeps workers alive, obeys signals and never reads a byte from a client."""
