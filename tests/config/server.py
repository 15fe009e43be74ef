"""A real Prometheus that has loaded this folder: it says what it read, and takes PromQL apart."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tests.config.containers import DockerError, docker, image_of, unique, wait_for
from tests.config.promtool import FOLDER


@dataclass(frozen=True)
class Selector:
    """One series selector of an expression.

    Attributes:
        metric: the metric's name, "" if it is not selected by name.
        matchers: the label names that are matched, with operator and value.
        seconds: length of the range, 0 for an instant.
    """

    metric: str
    matchers: tuple[tuple[str, str, str], ...]
    seconds: float


class Server:
    """Asks a Prometheus in a container; from inside, so no port is needed."""

    def __init__(self, container: str) -> None:
        self._container = container
        self._parsed: dict[str, Any] = {}

    def get(self, path: str, **parameters: str) -> Any:
        """The `data` of an answer of the HTTP API.

        Args:
            path: below /api/v1/.
            parameters: of the query.

        Raises:
            DockerError: the answer was an error, for example an expression that can't be parsed.
        """
        url = f"http://127.0.0.1:9090/api/v1/{path}?{urlencode(parameters)}"
        return json.loads(docker("exec", self._container, "wget", "-q", "-O", "-", url))["data"]

    def alerts(self) -> list[dict[str, Any]]:
        """Every alerting rule that is loaded."""
        return [rule for group in self.get("rules", type="alert")["groups"] for rule in group["rules"]]

    def recordings(self) -> list[dict[str, Any]]:
        """Every recording rule that is loaded."""
        return [rule for group in self.get("rules", type="record")["groups"] for rule in group["rules"]]

    def parse_ahead(self, expressions: Iterable[str]) -> None:
        """Take many expressions apart in one go, for `parse`; those that are no PromQL are left to it."""
        asked = [each for each in dict.fromkeys(expressions) if each not in self._parsed]
        urls = [f"http://127.0.0.1:9090/api/v1/parse_query?{urlencode({'query': each})}" for each in asked]
        script = 'for url; do wget -q -O - "$url" 2>/dev/null; echo; done'
        answers = docker("exec", self._container, "sh", "-c", script, "sh", *urls).splitlines()
        for expression, answer in zip(asked, answers, strict=True):
            if answer:
                self._parsed[expression] = json.loads(answer)["data"]

    def parse(self, expression: str) -> Any:
        """An expression as Prometheus' own parser sees it.

        Raises:
            ValueError: it is no PromQL.
        """
        if expression not in self._parsed:
            try:
                self._parsed[expression] = self.get("parse_query", query=expression)
            except DockerError as error:
                raise ValueError(f"Prometheus can't parse: {expression}") from error
        return self._parsed[expression]


@contextmanager
def running_server() -> Iterator[Server]:
    """Start Prometheus with this folder's configuration and no network; it is gone afterwards."""
    name = unique("prometheus")
    docker(
        "run", "--detach", "--rm", f"--name={name}", "--network=none", "--read-only", "--cap-drop=ALL",
        "--tmpfs=/prometheus:uid=65534", f"--volume={FOLDER}:/etc/prometheus:ro", image_of("prometheus"),
    )  # fmt: skip
    try:
        server = Server(name)
        wait_for("Prometheus has loaded its rules", lambda: server.get("rules")["groups"])
        yield server
    finally:
        docker("rm", "--force", name)


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    """Every node of an expression that `Server.parse` gave, itself included."""
    if isinstance(node, list):
        for item in node:
            yield from nodes(item)
    elif isinstance(node, dict):
        if "type" in node:
            yield node
        for child in node.values():
            yield from nodes(child)


def selectors(expression: Any) -> Iterator[Selector]:
    """Every series selector of an expression."""
    for node in nodes(expression):
        if node["type"] in ("vectorSelector", "matrixSelector"):
            matchers = tuple((m["name"], m["type"], m["value"]) for m in node["matchers"] if m["name"] != "__name__")
            yield Selector(node["name"], matchers, node.get("range", 0) / 1000)


def subqueries(expression: Any) -> Iterator[tuple[float, float]]:
    """The range and the resolution of every subquery of an expression, in seconds; 0 for the default resolution."""
    for node in nodes(expression):
        if node["type"] == "subquery":
            yield node["range"] / 1000, node["step"] / 1000


def groupings(expression: Any) -> Iterator[str]:
    """Every label that an aggregation or a binary operation of an expression goes by."""
    for node in nodes(expression):
        if node["type"] == "aggregation":
            yield from node["grouping"]
        if node["type"] == "binaryExpr" and node["matching"]:
            yield from node["matching"]["labels"] or ()


def made_labels(expression: Any) -> Iterator[str]:
    """Every label that an expression makes itself."""
    for node in nodes(expression):
        if node["type"] == "call" and node["func"]["name"] == "label_replace":
            yield node["args"][1]["val"]
