"""Asks the running service over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from tools import cli
from tools.evaluation.errors import AnswerError, ServiceError

# The service gives up after its own deadline, 30 s by default: this is for a service that hangs.
TIMEOUT_SECONDS = 120.0
_EXAMPLE = "Write for example --url http://127.0.0.1:5000."


@dataclass(frozen=True)
class Model:
    """The model that answers.

    Attributes:
        name: its id or folder.
        revision: the beginning of its weights' SHA-256.
        demo: whether it is the built-in demo model.
    """

    name: str
    revision: str
    demo: bool


class Service:
    """A running service."""

    def __init__(self, url: str, api_key: str = "") -> None:
        """Check the address, for example http://127.0.0.1:5000, and the key; nothing is sent yet.

        Raises:
            UsageError: the address or the key can't be used.
        """
        try:
            parts = urlsplit(url)
            usable = parts.scheme in {"http", "https"} and parts.port != 0
        except ValueError as error:
            raise cli.UsageError(f"--url {url}: {error}. {_EXAMPLE}") from error
        if not usable or not parts.hostname or parts.query or parts.fragment:
            raise cli.UsageError(f"--url {url} is no address of a service. {_EXAMPLE}")
        if parts.username is not None:
            raise cli.UsageError("--url holds a name or password, which is not used. Set GTE_API_KEY instead.")
        if not (api_key.isascii() and api_key.isprintable()):
            raise cli.UsageError("GTE_API_KEY holds characters that no HTTP header can carry. Use printable ASCII.")
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._model: Model | None = None

    def model(self) -> Model:
        """The model that answers; from now on a change of it is an error.

        Raises:
            NoAnswerError: the address doesn't answer, or not in JSON.
            ServiceError: it is not gte-service, or it isn't ready.
        """
        status, body = self._ask("/readyz")
        if status == HTTPStatus.UNAUTHORIZED:
            raise ServiceError(f"{self.url} wants an API key: {_message(body)} Set GTE_API_KEY.")
        if not isinstance(body, dict) or not {"status", "model", "revision", "demo"} <= body.keys():
            raise ServiceError(f"{self.url} is not gte-service (HTTP {status}). Correct --url.")
        if status != HTTPStatus.OK:
            detail = f": {body['detail']}" if body.get("detail") else ""
            raise ServiceError(
                f"the service at {self.url} is not ready ({body['status']}{detail}). Wait until /readyz says "
                "ready; `make status` shows it, `make logs` why."
            )
        self._model = Model(str(body["model"]), str(body["revision"]), bool(body["demo"]))
        return self._model

    def predict(self, task_type: str, **fields: object) -> Any:
        """The `result` of POST /predict.

        Raises:
            AnswerError: the service answers with an error, or in another format than agreed.
            NoAnswerError: it can't be reached any more.
            ServiceError: another model answers than `model()` returned.
        """
        try:
            status, body = self._ask("/predict", {"task_type": task_type, **fields})
        except cli.NoAnswerError as error:
            if isinstance(error.__cause__, (ValueError, RecursionError)):
                raise AnswerError(str(error)) from error
            raise
        if status != HTTPStatus.OK:
            raise AnswerError(f"HTTP {status}: {_message(body)}")
        if not isinstance(body, dict) or not {"result", "model", "revision"} <= body.keys():
            raise AnswerError("HTTP 200 without result, model and revision. Is the service of the same version?")
        model = self._model
        if model and (body["model"], body["revision"]) != (model.name, model.revision):
            raise ServiceError(
                f"the model changed during the run, from {model.name} {model.revision} to {body['model']} "
                f"{body['revision']}. Figures of two models don't mix: start again."
            )
        return body["result"]

    def _ask(self, path: str, content: object = None) -> cli.Answer:
        return cli.ask(self.url + path, content, headers=self._headers, timeout_seconds=TIMEOUT_SECONDS)


def describe(error: dict[str, Any]) -> str:
    """An error of the service as one line: its code and its message."""
    return f"{error.get('code')}: {error.get('message')}"


def _message(body: object) -> str:
    error = body.get("error") if isinstance(body, dict) else None
    return describe(error) if isinstance(error, dict) else "the answer gives no reason."
