"""What can be said of an expression without data: the labels of its result, how far it looks back, and what is odd.

The checks are those of cloudflare/pint that concern this project: promql/vector_matching, promql/range_query,
alerts/absent, alerts/template.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from tests.config.server import nodes

# The names of a vector's labels; None where nobody knows them, because an upstream program makes them.
Names = frozenset[str] | None

_KEEP_LABELS = {"topk", "bottomk", "limitk", "limit_ratio"}
_SET_OPERATORS = {"and", "or", "unless"}


def label_names(node: Any, known: Callable[[str], Names]) -> Names:
    """The names of the labels of an expression's result; none for a scalar.

    Args:
        node: an expression as `Server.parse` gives it.
        known: tells those of a series by its name.
    """
    kind = node["type"]
    if kind in ("vectorSelector", "matrixSelector"):
        return known(node["name"])
    if kind in ("parenExpr", "unaryExpr", "subquery"):
        return label_names(node["expr"], known)
    if kind == "aggregation":
        return _of_aggregation(node, known)
    if kind == "call":
        return _of_call(node, known)
    if kind == "binaryExpr":
        return _of_operation(node, known)
    return frozenset()


def matching_faults(node: Any, known: Callable[[str], Names]) -> list[str]:
    """Operations between vectors whose sides can't be matched, or only by chance."""
    found = []
    for each in nodes(node):
        if each["type"] != "binaryExpr" or not each["matching"]:
            continue
        matching = each["matching"]
        sides = [label_names(each[side], known) for side in ("lhs", "rhs")]
        named = frozenset(matching["labels"] or ())
        if matching["on"]:
            found += [f"{each['op']} on {label}: one side has no such label" for label in sorted(named)
                      if any(side is not None and label not in side for side in sides)]  # fmt: skip
            matched: Names = named
        else:
            left, right = (side if side is None else side - named for side in sides)
            if left != right:
                found.append(f"{each['op']} between {_written(left)} and {_written(right)} without on or ignoring")
            matched = left
        if each["op"] != "or":
            fixed = [_fixed(each[side]) for side in ("lhs", "rhs")]
            found += [
                f"{each['op']}: {label} is {fixed[0][label]!r} on one side and {fixed[1][label]!r} on the other"
                for label in sorted(fixed[0].keys() & fixed[1].keys())
                if (matched is None or label in matched) and fixed[0][label] != fixed[1][label]
            ]
    return found


def reach_seconds(node: Any) -> float:
    """How far back an expression looks at most: ranges and offsets, those of subqueries added to what they hold."""
    return max((seconds for _, seconds in reaches(node)), default=0.0)


def reaches(node: Any, seconds: float = 0.0) -> Iterator[tuple[str, float]]:
    """The name of each series that an expression selects, with how far back it is looked at there.

    Args:
        node: an expression as `Server.parse` gives it, or a part of one.
        seconds: added to each.
    """
    if isinstance(node, list):
        for item in node:
            yield from reaches(item, seconds)
    elif isinstance(node, dict):
        if "type" in node:
            seconds += max(0.0, (node.get("range", 0) + node.get("offset", 0)) / 1000)
        if node.get("type") in ("vectorSelector", "matrixSelector"):
            yield node["name"], seconds
        for child in node.values():
            yield from reaches(child, seconds)


def uses_absent(node: Any) -> bool:
    """Whether an expression fires because something is missing."""
    return any(
        each["type"] == "call" and each["func"]["name"] in ("absent", "absent_over_time") for each in nodes(node)
    )


def changing_part(label: str) -> str:
    """The part of a label that a rule sets which differs from one evaluation to the next, "" if there is none.

    Only labels of the series itself stay the same: with `$value` in a label each evaluation begins a new alert.
    """
    return "".join(re.findall(r"\{\{(?! \$(?:labels|externalLabels)\.\w+ \}\}).*?\}\}", label))


def _of_aggregation(node: Any, known: Callable[[str], Names]) -> Names:
    inner = label_names(node["expr"], known)
    if node["op"] in _KEEP_LABELS:
        return inner
    grouping = frozenset(node["grouping"] or ())
    if node["without"]:
        return None if inner is None else inner - grouping
    return grouping


def _of_call(node: Any, known: Callable[[str], Names]) -> Names:
    name, arguments = node["func"]["name"], node["args"]
    if name in ("absent", "absent_over_time"):
        # Prometheus takes the labels from the matchers.
        return frozenset(_fixed(arguments[0]))
    vectors = [each for each in arguments if each["type"] not in ("numberLiteral", "stringLiteral")]
    if not vectors or name in ("vector", "scalar"):
        return frozenset()
    # The quantile comes before the vector, and may be an expression too.
    inner = label_names(vectors[-1] if name in ("histogram_quantile", "quantile_over_time") else vectors[0], known)
    if inner is not None and name == "histogram_quantile":
        return inner - {"le"}
    if inner is not None and name in ("label_replace", "label_join"):
        return inner | {arguments[1]["val"]}
    return inner


def _of_operation(node: Any, known: Callable[[str], Names]) -> Names:
    left, right = (label_names(node[side], known) for side in ("lhs", "rhs"))
    matching = node["matching"]
    if not matching:
        return right if node["lhs"]["type"] == "numberLiteral" or left == frozenset() else left
    if node["op"] in _SET_OPERATORS:
        return left if node["op"] != "or" or left == right else None
    named = frozenset(matching["labels"] or ())
    if matching["card"] != "one-to-one":
        many = left if matching["card"] == "many-to-one" else right
        return None if many is None else many | frozenset(matching["include"] or ())
    if matching["on"]:
        return named
    return None if left is None else left - named


def _fixed(node: Any) -> dict[str, str]:
    """The labels that have one value in all of a vector's series, as far as selectors say so."""
    kind = node["type"]
    if kind in ("vectorSelector", "matrixSelector"):
        equal = [each for each in node["matchers"] if each["type"] == "=" and each["name"] != "__name__"]
        return {each["name"]: each["value"] for each in equal}
    if kind in ("parenExpr", "unaryExpr", "subquery"):
        return _fixed(node["expr"])
    if kind == "aggregation" and not node["without"]:
        return {name: value for name, value in _fixed(node["expr"]).items() if name in (node["grouping"] or ())}
    if kind == "binaryExpr" and (node["op"] in ("and", "unless") or not node["matching"]):
        return _fixed(node["lhs"])
    if kind == "call" and node["func"]["name"] not in ("label_replace", "label_join") and node["args"]:
        return _fixed(node["args"][0])
    return {}


def _written(names: Names) -> str:
    return "unknown labels" if names is None else f"{{{', '.join(sorted(names))}}}"
