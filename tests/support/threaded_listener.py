"""A listening socket of a server that a test is itself."""

import socket
import threading

from tests.support.waiting import LONGEST


class ThreadedListener:
    """Has `serve` called with each connection to a listening socket, in a thread of its own."""

    def __init__(self, listener, serve):
        self._listener, self._serve = listener, serve
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._serve, args=(sock,)))
            self._threads[-1].start()

    def close(self):
        """No more connections, and none is left."""
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:  # the first one, which adds no other any more when it has ended
            thread.join(LONGEST)
            assert not thread.is_alive()
        self._listener.close()
