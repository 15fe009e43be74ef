"""Which metrics rules and dashboards may ask for: the service's contract, and those of upstream programs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache

from tests.config.containers import ROOT
from tests.config.patterns import IntricateError, overlap, paths, written
from tests.config.server import Server, groupings, made_labels, selectors
from tests.config.vectors import Names, label_names
from tools.metric_contract import CONTRACT, Label, bound_label

# What a label of a series can be: of a recorded series, what any of its sources says; nothing where nobody knows.
Labels = Mapping[str, tuple[Label, ...]]
Matcher = tuple[str, str, str]

# Made by Prometheus itself, or by programs that are not ours.
_UPSTREAM = {"up", "ALERTS", "ALERTS_FOR_STATE"}
_UPSTREAM_PREFIXES = (
    "node_", "prometheus_", "alertmanager_", "alert_inbox_", "grafana_", "process_", "scrape_",
)  # fmt: skip


def _target_labels() -> Labels:
    """What Prometheus gives to each target."""
    jobs = re.findall(r"^ *- job_name: (\S+)$", (ROOT / "prometheus" / "prometheus.yml").read_text(), re.M)
    return {"job": (Label("job", tuple(jobs)),), "instance": ()}


def _contract_series() -> dict[str, Labels]:
    series: dict[str, Labels] = {}
    for metric in CONTRACT:
        labels = {label.name: (label,) for label in metric.labels} | dict(_target_labels())
        if metric.kind == "histogram":
            series[f"{metric.name}_bucket"] = labels | {"le": (bound_label(metric),)}
            series |= {f"{metric.name}_sum": labels, f"{metric.name}_count": labels}
        else:
            series[metric.name] = labels
    return series


CONTRACT_SERIES = _contract_series()


def faults(server: Server, expression: str) -> list[str]:
    """What is wrong with the metrics, labels and label values that an expression asks for; empty if nothing is.

    Raises:
        ValueError: it is no PromQL.
    """
    parsed = server.parse(expression)
    recorded = recorded_series(server)
    found: list[str] = []
    known_labels = set(made_labels(parsed))
    upstream = False
    for selector in selectors(parsed):
        labels = CONTRACT_SERIES.get(selector.metric) or recorded.get(selector.metric)
        if labels is None:
            upstream = True
            if selector.metric not in _UPSTREAM and not selector.metric.startswith(_UPSTREAM_PREFIXES):
                found.append(f"{selector.metric or selector.matchers} is in no contract and recorded by no rule")
            continue
        known_labels |= labels.keys()
        found += matcher_faults(selector.metric, labels, selector.matchers)
    if not upstream:
        found += [f"no metric here has a label {name}" for name in groupings(parsed) if name not in known_labels]
    return found


def matcher_faults(metric: str, labels: Labels, matchers: tuple[Matcher, ...]) -> Iterator[str]:
    """What is wrong with the matchers on a metric.

    Args:
        metric: its name.
        labels: what its labels can be.
        matchers: label, operator and value of each.
    """
    for name, operator, value in matchers:
        if name not in labels:
            yield f"{metric} has no label {name}"
        elif operator in ("=~", "!~"):
            # "2" or "2.0": a bound of the contract is written in one way.
            pattern = re.sub(r"\((\\|\[)\.\]?0\)\?", "[.]0", value) if name == "le" else value
            yield from (f"{metric}: no {name} matches {each}" for each in _matching_nothing(labels[name], pattern))
        elif labels[name] and not any(label.allows(value) for label in labels[name]):
            yield f"{metric}: {name} is never {value!r}"


def _matching_nothing(labels: tuple[Label, ...], pattern: str) -> Iterator[str]:
    """The alternatives of a pattern that match no value a label can have."""
    if not labels:
        return
    values = {value for label in labels for value in label.values}
    possible = [path for label in labels if label.pattern for path in paths(label.pattern)]
    possible += [path for value in values for path in paths(re.escape(value))]
    try:
        asked = paths(pattern)
    except IntricateError as error:
        yield str(error)
        return
    yield from (repr(written(path)) for path in asked if not any(overlap(path, each) for each in possible))


def label_names_of(server: Server) -> Callable[[str], Names]:
    """Tells the names of the labels of a series of the contract or of the rules; None for those of other programs."""
    series = CONTRACT_SERIES | recorded_series(server) | {"up": _target_labels()}
    return lambda metric: frozenset(series[metric]) if metric in series else None


@cache
def recorded_series(server: Server) -> dict[str, Labels]:
    """The labels of each series that the rules record, by name."""
    rules = server.recordings()
    parsed = {rule["name"]: server.parse(rule["query"]) for rule in rules}

    @cache
    def labels_of(metric: str) -> Labels:
        if metric not in parsed:
            return CONTRACT_SERIES.get(metric, {})
        sources = [labels_of(selector.metric) for selector in selectors(parsed[metric]) if selector.metric != metric]
        names = label_names(parsed[metric], known_names)
        labels = {
            name: tuple(dict.fromkeys(label for source in sources for label in source.get(name, ())))
            for name in (frozenset(groupings(parsed[metric])) - {"le"} if names is None else names)
        }
        # Rules may record one series together, each with a value of its own in a label.
        for rule in rules:
            if rule["name"] == metric:
                for name, value in rule.get("labels", {}).items():
                    labels[name] = (*labels.get(name, ()), Label(name, (value,)))
        return labels

    def known_names(metric: str) -> Names:
        known = metric in parsed or metric in CONTRACT_SERIES
        return frozenset(labels_of(metric)) if known else None

    return {name: labels_of(name) for name in parsed}
