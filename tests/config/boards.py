"""The dashboards and the provisioning files as the tests look at them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grafana.boards.texts import table

FOLDER = Path(__file__).resolve().parents[2] / "grafana"
NAMES = ("overview", "inside", "capacity", "stack")

Json = dict[str, Any]
# Of lengths that nobody writes, so that a window that was filled in can be told from one that was written.
WINDOWS = {"$__rate_interval": "23s", "$__interval": "61s", "$__range": "1801s"}


@dataclass(frozen=True)
class Boards:
    """The dashboards, and the table of their texts.

    Attributes:
        models: by language and name.
        table: as texts.toml has it.
    """

    models: dict[tuple[str, str], Json]
    table: Json

    def panels(self) -> Iterator[tuple[str, str, str, Json]]:
        """Language, dashboard, key in the table of texts, and model of each panel; without rows."""
        for (language, name), model in self.models.items():
            keys = self.keys(name)
            for panel in model["panels"]:
                if panel["type"] != "row":
                    yield language, name, keys.get(panel["id"], ""), panel

    def keys(self, name: str) -> dict[int, str]:
        """The key of each panel and row of a dashboard, by its id."""
        return {entry["id"]: key for key, entry in self.table[name].items() if "id" in entry}

    def panel(self, name: str, key: str, language: str = "en") -> Json:
        """A panel, by its key in the table of texts."""
        (found,) = [panel for tongue, board, at, panel in self.panels() if (tongue, board, at) == (language, name, key)]
        return found


def read() -> Boards:
    """The files as they are."""
    models = {
        (path.parent.name, path.stem.removeprefix("gte-")): json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((FOLDER / "dashboards").glob("*/*.json"))
    }
    return Boards(models, table())


def expressions(model: Json) -> list[str]:
    """Every PromQL expression of a dashboard, as written: of panels, annotations and variables."""
    asked = [target["expr"] for panel in model["panels"] for target in panel.get("targets", ())]
    asked += [annotation["expr"] for annotation in model["annotations"]["list"]]
    for variable in model["templating"]["list"]:
        if variable["type"] == "query":
            asked += re.findall(r"^query_result\((.+)\)$|^label_values\((.+), \w+\)$", variable["definition"])[0]
    return [expression for expression in asked if expression]


def filled_in(expression: str, chosen: str = ".*", windows: dict[str, str] = WINDOWS) -> str:
    """An expression as Prometheus gets it.

    Args:
        expression: with Grafana's variables.
        chosen: the value of those that a reader chooses.
        windows: the lengths of those that Grafana makes.
    """
    for variable, length in windows.items():
        expression = expression.replace(variable, length)
    return re.sub(r"\$[a-z]\w*", lambda _: chosen, expression)


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


def leaves(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every value anywhere below a node that is no list and no object, with the way to it.

    A property of an override is named by its id.
    """
    if isinstance(node, dict) and node.keys() == {"id", "value"}:
        yield from leaves(node["value"], (*path, node["id"]))
    elif isinstance(node, list | dict) and node:
        for key, child in node.items() if isinstance(node, dict) else enumerate(node):
            yield from leaves(child, (*path, key))
    else:
        yield path, node
