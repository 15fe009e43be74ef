"""Which of the service's metrics a text or a program speaks of, and what is wrong with them."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping

from tests.config.metrics import Labels, Matcher, matcher_faults
from tools.metric_contract import CONTRACT

# Stands for what a program fills in.
GAP = "…"
# A name; or the beginning of several: gte_model_(ready|load), gte_process_*, gte_…; or no metric at all: gte_x.py.
_NAME = re.compile(
    r"""(?<![\w:.])(?P<name>(?:\w+:)?(?:gte|flask)_\w*(?::\w+)?)
    (?:
        (?<=_)\((?P<ends>\w+(?:\|\w+)*)\)
      | (?P<more>\*(?!\*)|\.[*+]|…)
      | (?P<file>\.[a-zA-Z])
      | \{(?P<matchers>(?:[^{}"']|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')*)\}
    )?""",
    re.ASCII | re.VERBOSE,
)
_PYTHON = re.compile(r"^```python\n(.+?)^```", re.M | re.S)
_MATCHER = re.compile(r"""(\w+)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')?""", re.ASCII)
_METRICS: Mapping[str, Labels] = {metric.name: {label.name: (label,) for label in metric.labels} for metric in CONTRACT}


def text_faults(text: str, series: Mapping[str, Labels], modules: Collection[str]) -> list[str]:
    """What is wrong with the metrics that a text names; empty if nothing is.

    Args:
        text: of a document, or a string of a program.
        series: every series there is, with its labels.
        modules: names of Python modules, which are no metrics.
    """
    # A document may also speak of a histogram as a whole.
    known = {**_METRICS, **series}
    return [fault for found in _NAME.finditer(text) for fault in _name_faults(found, known, modules)]


def document_faults(text: str, series: Mapping[str, Labels], modules: Collection[str]) -> list[str]:
    """The same for a Markdown page, where Python is judged as such: a variable's name is no metric."""
    programs = [found[1] for found in _PYTHON.finditer(text)]
    return text_faults(_PYTHON.sub("", text), series, modules) + [
        fault for program in programs for fault in source_faults(program, series, modules)
    ]


def source_faults(source: str, series: Mapping[str, Labels], modules: Collection[str]) -> list[str]:
    """The same for a Python program: in its strings, and in calls like `one("gte_workers", instance="a:9090")`."""
    tree = ast.parse(source)
    found = [fault for text in _strings(tree) for fault in text_faults(text, series, modules)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and (metric := _text(node.args[0])) in series:
            matchers = tuple(_matcher(keyword.arg, keyword.value) for keyword in node.keywords if keyword.arg)
            found += matcher_faults(metric, series[metric], matchers)
    return found


def _name_faults(found: re.Match[str], known: Mapping[str, Labels], modules: Collection[str]) -> Iterator[str]:
    name = found["name"]
    if found["file"] or any(part in modules for part in name.split(":")):
        return
    if found["more"] or name.endswith("_"):
        for begin in (name + end for end in (found["ends"] or "").split("|")):
            if not any(each.startswith(begin) for each in known):
                yield f"no metric begins with {begin}"
    elif name not in known:
        yield f"{name} is in no contract and recorded by no rule"
    elif found["matchers"]:
        matchers = tuple(_written_matcher(*each) for each in _MATCHER.findall(found["matchers"]))
        yield from matcher_faults(name, known[name], matchers)


def _written_matcher(label: str, operator: str, quoted: str) -> Matcher:
    return (label, operator, re.sub(r"\\(.)", r"\1", quoted[1:-1])) if quoted else _any_value(label)


def _matcher(label: str, value: ast.expr) -> Matcher:
    text = _text(value)
    return _any_value(label) if GAP in text else (label, "=", text)


def _any_value(label: str) -> Matcher:
    return label, "=~", ".*"


def _strings(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant | ast.JoinedStr):
        yield _text(node)
    for child in ast.iter_child_nodes(node):
        # The pieces of an f-string are no strings of their own; what is filled in may hold some.
        if not (isinstance(node, ast.JoinedStr) and isinstance(child, ast.Constant)):
            yield from _strings(child)


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return "".join(map(_text, node.values)) if isinstance(node, ast.JoinedStr) else GAP
