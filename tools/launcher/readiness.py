"""Asks the running service for its model's state."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass

from tools.launcher.compose import Stack
from tools.launcher.model import SERVICE

_API_PORT = 5000


@dataclass(frozen=True)
class ModelState:
    """What /readyz says.

    Attributes:
        status: `ready`, or how far it is; "" where the service gives no answer.
        detail: the same for people.
        model: the model's name.
        revision: the hash of its weights.
        demo: whether it is the demo model.
    """

    status: str = ""
    detail: str = ""
    model: str = ""
    revision: str = ""
    demo: bool = False

    @property
    def line(self) -> str:
        """One line for people while it starts."""
        return self.status if self.status == "ready" else self.detail or self.status


def ask_model(stack: Stack, timeout: float = 3.0) -> ModelState:
    """The model's state as the service tells it now; never fails, for nobody need answer yet."""
    address = stack.services[SERVICE].address(_API_PORT)
    if not address:
        return ModelState()
    connection = http.client.HTTPConnection(address, timeout=timeout)
    try:
        connection.request("GET", "/readyz")
        return parse_readiness(connection.getresponse().read())
    except (OSError, http.client.HTTPException):
        return ModelState()
    finally:
        connection.close()


def parse_readiness(body: bytes) -> ModelState:
    """Read the body of /readyz; what is no such body is no answer."""
    try:
        said = json.loads(body)
    except ValueError:
        return ModelState()
    if not isinstance(said, dict) or "status" not in said:
        return ModelState()
    return ModelState(
        status=str(said["status"]),
        detail=str(said.get("detail") or ""),
        model=str(said.get("model") or ""),
        revision=str(said.get("revision") or ""),
        demo=bool(said.get("demo")),
    )
