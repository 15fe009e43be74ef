"""The worker's model as the routes need it; `serving` provides it."""

from __future__ import annotations

from typing import Protocol

from gte_service.serving.status import Readiness
from gte_service.tasks.model import Model


class ServedModel(Protocol):
    """A model that may still be loading.

    Attributes:
        revision: the revision of the loaded model, "" until one is loaded.
        prepared_at: when its files were prepared, in Unix seconds; 0 until one is loaded.
    """

    revision: str
    prepared_at: int

    def for_request(self, deadline: float) -> Model:
        """The model for one request, which is given up at the `time.monotonic()` of the deadline.

        Raises:
            ModelNotReady: it is not loaded; the message has its state.
        """

    def readiness(self) -> Readiness:
        """The state of the service: of the model's files and of all workers."""
