"""From the command line to a running master, and again at each reload."""
