"""The dashboards and the provisioning files as the tests look at them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "grafana"
FILES = sorted((FOLDER / "dashboards").glob("*.json"))
NAMES = [path.name for path in FILES]


def board(name: str) -> dict[str, Any]:
    """A dashboard's model, by the name of its file."""
    model: dict[str, Any] = json.loads((FOLDER / "dashboards" / name).read_text(encoding="utf-8"))
    return model


def panels(name: str) -> list[dict[str, Any]]:
    """The panels of a dashboard, without the rows that group them."""
    return [panel for panel in board(name)["panels"] if panel["type"] != "row"]


def panel(name: str, title: str) -> dict[str, Any]:
    """The panel of a dashboard that has this title."""
    (found,) = [shown for shown in panels(name) if shown["title"] == title]
    return found


def expressions(name: str) -> list[str]:
    """Every PromQL expression of a dashboard's panels, as written, with Grafana's variables."""
    return [target["expr"] for shown in panels(name) for target in shown["targets"]]


def filled_in(expression: str, tasks: str = ".*") -> str:
    """An expression as Prometheus gets it: with the shortest window, and with all tasks or the named ones."""
    return expression.replace("$__rate_interval", "20s").replace("$task_type", tasks)


def provisioned(kind: str, key: str) -> list[str]:
    """The values of a key in the provisioning files of a kind."""
    texts = "\n".join(path.read_text() for path in (FOLDER / "provisioning" / kind).glob("*.yml"))
    return re.findall(rf"^[ -]*{key}: *(.*)$", texts, re.M)


def sources(node: Any) -> Iterator[str]:
    """The uid of every data source that is named anywhere below a node."""
    if isinstance(node, list):
        for item in node:
            yield from sources(item)
    elif isinstance(node, dict):
        if "datasource" in node:
            yield node["datasource"]["uid"]
        for child in node.values():
            yield from sources(child)


def texts(node: Any) -> Iterator[str]:
    """Every text anywhere below a node."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, list | dict):
        for child in node.values() if isinstance(node, dict) else node:
            yield from texts(child)
