"""Asks the running service for its model's state."""

from __future__ import annotations

from dataclasses import dataclass

from tools import cli
from tools.launcher.compose import Stack

_API_PORT = 5000


@dataclass(frozen=True)
class ModelState:
    """The model's state, as /readyz gives it."""

    status: str = ""  # `ready`, or a stage on the way there; "" where the service gives no answer
    detail: str = ""  # the same for people
    model: str = ""  # its name
    revision: str = ""  # the hash of its weights
    demo: bool = False  # whether it is the demo model

    @property
    def line(self) -> str:
        """One line for people while it starts."""
        return self.status if self.status == "ready" else self.detail or self.status


def ask_model(stack: Stack, timeout_seconds: float = 3.0) -> ModelState:
    """The model's state at this moment; an empty one while the service doesn't answer."""
    # Of the gateway, where there is one: then the service publishes no port.
    address = next((found for service in stack.services.values() if (found := service.address(_API_PORT))), "")
    if not address:
        return ModelState()
    try:
        answer = cli.ask(f"http://{address}/readyz", timeout_seconds=timeout_seconds).body
    except cli.NoAnswerError:
        return ModelState()
    if not isinstance(answer, dict) or "status" not in answer:
        return ModelState()
    texts = {name: str(answer.get(name) or "") for name in ("status", "detail", "model", "revision")}
    return ModelState(**texts, demo=bool(answer.get("demo")))
