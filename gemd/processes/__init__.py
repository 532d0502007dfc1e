"""Who does it, and who is alive? The only place where processes fork, signals mean something and epoll is used."""
