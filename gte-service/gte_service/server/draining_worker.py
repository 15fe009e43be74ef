"""gunicorn's threaded worker, made to answer the connections that wait in the kernel's queue when it is stopped.

gunicorn stops accepting but keeps the listening socket open until its last request has ended. Clients go on
connecting meanwhile, send their requests, and are all reset in the end. This worker takes over what has queued up and
closes the socket at once: who comes later is refused and knows that nothing was begun.
"""

from __future__ import annotations

from types import FrameType

from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]


class DrainingThreadWorker(ThreadWorker):  # type: ignore[misc]
    """A threaded worker that resets no connection when the service is stopped or reloaded."""

    _told_to_stop = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note that somebody wants this worker gone, as opposed to a worker that recycles itself."""
        self._told_to_stop = True
        super().handle_exit(sig, frame)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Empty and close the listening sockets when accepting ends for good."""
        super().set_accept_enabled(enabled)
        if enabled or not self._told_to_stop:
            return
        for listener in self.sockets:
            accepted = -1
            # `accept` takes one connection, or none when the queue is empty.
            while self.nr_conns < self.worker_connections and accepted != self.nr_conns:
                accepted = self.nr_conns
                self.accept(listener)
            listener.close()
