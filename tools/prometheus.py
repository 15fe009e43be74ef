"""Asks the Prometheus of the running stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from tools import cli
from tools.launcher.compose import Compose

_PROXY, _PORT = "reverse-proxy", 9091


def address(compose: Compose) -> str:
    """Where it answers on this host, as host:port.

    Raises:
        ToolError: compose.yaml publishes no port for it.
    """
    found = compose.read().services[_PROXY].address(_PORT)
    if not found:
        raise cli.ToolError(f"{_PROXY} publishes no port of Prometheus. Restore its `ports` in compose.yaml.")
    return found


def ask(address: str, query: Mapping[str, str]) -> Sequence[Any]:
    """The series that an instant query returns.

    Args:
        address: host:port.
        query: the parameters of the HTTP API, such as `query` and `time`.

    Raises:
        ToolError: Prometheus doesn't answer, or refuses the query.
    """
    try:
        answer = cli.ask(f"http://{address}/api/v1/query?{urlencode(query)}")
    except cli.NoAnswerError as error:
        raise cli.ToolError(
            f"Prometheus doesn't answer at {address} ({error.__cause__}). Does the stack run (make status)? The port "
            "is PROMETHEUS_PORT, of .env or the environment."
        ) from error
    body = answer.body if isinstance(answer.body, dict) else {}
    if body.get("status") != "success":
        raise cli.ToolError(
            f"{address} refuses a query: {body.get('error', f'HTTP {answer.status}')}. Is it Prometheus? The port is "
            "PROMETHEUS_PORT, of .env or the environment. Its log: make logs SERVICE=prometheus"
        )
    series: Sequence[Any] = body["data"]["result"]
    return series
