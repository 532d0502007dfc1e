"""What runs in a worker: it accepts connections, reads requests, has them answered and delivers the answers."""
