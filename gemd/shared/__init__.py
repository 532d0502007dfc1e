"""What crosses the fork, and nothing else: made in the master, used in the workers."""
