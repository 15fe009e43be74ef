"""Asks the running service over HTTP.

`http.client` instead of `urllib.request`: no proxy of the environment and no redirect may come between.
"""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tools.evaluation.errors import AnswerError, ServiceError, UsageError

# The service gives up after its own deadline, 30 s by default: this is for one that hangs.
TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True)
class Model:
    """Which model answers.

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

    def __init__(self, url: str, api_key: str = "", timeout: float = TIMEOUT_SECONDS) -> None:
        """Ask `url`, for example http://127.0.0.1:5000, and wait `timeout` seconds at most for an answer.

        Raises:
            UsageError: the address or the key can't be used.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise UsageError(f"--url {url}: {error}. {_EXAMPLE}") from error
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise UsageError(f"--url {url} is no address of a service. {_EXAMPLE}")
        if parts.username is not None:
            raise UsageError("--url holds a name or password, which is not used. Set GTE_API_KEY to the key instead.")
        if not (api_key.isascii() and (api_key.isprintable())):
            raise UsageError("GTE_API_KEY holds characters that no HTTP header can carry. Use printable ASCII.")
        self.url = url.rstrip("/")
        self._host = parts.hostname
        self._port = port
        self._base = parts.path.rstrip("/")
        self._kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._timeout = timeout
        self._model: Model | None = None

    def model(self) -> Model:
        """The model that answers from now on.

        Raises:
            ServiceError: nothing answers, or something else does, or it isn't ready.
        """
        status, answer = self._ask("GET", "/readyz")
        if status == http.HTTPStatus.UNAUTHORIZED:
            raise ServiceError(f"{self.url} wants an API key: {_message(answer)} Set GTE_API_KEY.")
        if not isinstance(answer, dict) or not {"status", "model", "revision", "demo"} <= answer.keys():
            raise ServiceError(f"what answers at {self.url} is not gte-service (HTTP {status}). Correct --url.")
        if status != http.HTTPStatus.OK:
            detail = f": {answer['detail']}" if answer.get("detail") else ""
            raise ServiceError(
                f"the service at {self.url} is not ready ({answer['status']}{detail}). Wait until /readyz says "
                "ready; `make status` shows it, `make logs` why."
            )
        self._model = Model(str(answer["model"]), str(answer["revision"]), bool(answer["demo"]))
        return self._model

    def predict(self, task_type: str, **fields: object) -> Any:
        """The `result` of POST /predict.

        Raises:
            AnswerError: it answered with an error, or not as agreed.
            ServiceError: it can't be reached any more, or has another model than `model()` told.
        """
        body = json.dumps({"task_type": task_type, **fields}).encode()
        status, answer = self._ask("POST", "/predict", body)
        if status != http.HTTPStatus.OK:
            raise AnswerError(f"HTTP {status}: {_message(answer)}")
        if not isinstance(answer, dict) or not {"result", "model", "revision"} <= answer.keys():
            raise AnswerError("HTTP 200 without result, model and revision. Is the service of the same version?")
        now = (answer["model"], answer["revision"])
        if self._model and now != (self._model.name, self._model.revision):
            raise ServiceError(
                f"the model changed during the run, from {self._model.name} {self._model.revision} to "
                f"{now[0]} {now[1]}. Figures of two models don't mix: start again."
            )
        return answer["result"]

    def _ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
        headers = dict(self._headers)
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection = self._kind(self._host, self._port, timeout=self._timeout)
        try:
            connection.request(method, self._base + path, body, headers)
            response = connection.getresponse()
            status, data = response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise ServiceError(
                f"{self.url} gives no answer ({error or type(error).__name__}). Is the service started (`make up`), "
                "and is this its address? --url or GTE_PORT names another one."
            ) from error
        finally:
            connection.close()
        try:
            return status, json.loads(data)
        except (ValueError, RecursionError):
            return status, None


_EXAMPLE = "Write for example --url http://127.0.0.1:5000."


def _message(answer: object) -> str:
    error = answer.get("error") if isinstance(answer, dict) else None
    return describe(error) if isinstance(error, dict) else "no word of why."


def describe(error: dict[str, Any]) -> str:
    """An error of the service, as a line: its code, and the message it has for people."""
    return f"{error.get('code')}: {error.get('message')}"
