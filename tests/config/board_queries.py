"""What can be wrong with the dashboards' queries, as Prometheus' own parser sees them: each check tells what it found.

The rules of grafana/dashboard-linter, restated. Left out, with the reasons:

- template-job, target-job with `.+`: ours match `.*`, as a host has no `job` of the service.
- target-logql, target-logql-auto: there are no logs here.
- uneditable-dashboard: `allowUiUpdates: false` protects the files already, and a reader may look at a query.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from functools import cache
from math import isclose
from typing import Any

from grafana.boards import texts
from tests.config.board_faults import Check
from tests.config.boards import WINDOWS, Boards, expressions, filled_in
from tests.config.metrics import CONTRACT_SERIES, faults, label_names_of, recorded_series
from tests.config.server import Server, nodes, selectors
from tests.config.vectors import matching_faults

_CHOSEN, _TWO = "chosen", "embedding|similarity"
_FEWEST_OF_PERCENTILE = 20
_COMPARISONS = {">", ">=", "<", "<=", "=="}
_RATES = {"rate", "irate"}
_OF_COUNTERS = {*_RATES, "increase", "changes"}

OTHER_WINDOW = {
    ("inside", "seconds per 1000 tokens"): "the cost of a few computations swings; 5 min, as GTE_WorseAfterRelease has",
}
"""Lines whose rates are of another window than the step's, with the reasons."""
RAW_COUNTER = {
    ("stack", "failed"): "only whether a notification has ever been sent this way",
}
"""Panels that show a counter as it is, with the reasons."""
ALL_TASKS = {
    ("capacity", "clients"): "a machine's room is left for any task",
    ("capacity", "flow"): "a machine's room is left for any task",
    ("inside", "p95 by phase"): "phases are recorded for all tasks together",
}
"""Panels that show all tasks whatever is chosen, with the reasons."""
UNGUARDED = {
    ("capacity", "compare machine"): "a figure that is there is above 0",
}
"""Divisions by what is never 0, with the reasons."""
NO_REQUESTS = {
    ("inside", "batch"): "a percentile of batches, whose number needs no bound: one batch has one size",
    ("capacity", "clients"): "job:gte_capacity_use is there from 50 requests on",
}
"""Percentiles without a least number of requests, with the reasons."""
OTHER_PROGRAMS = {
    "node-exporter": (
        "node_cpu_seconds_total", "node_disk_io_time_seconds_total", "node_filefd_allocated", "node_filefd_maximum",
        "node_filesystem_avail_bytes", "node_filesystem_readonly", "node_filesystem_size_bytes", "node_load1",
        "node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes", "node_time_seconds", "node_vmstat_pswpin",
        "node_vmstat_pswpout",
    ),
    "prometheus": (
        "process_resident_memory_bytes", "prometheus_notifications_dropped_total",
        "prometheus_rule_evaluation_failures_total", "prometheus_rule_group_iterations_missed_total",
        "prometheus_rule_group_last_duration_seconds", "prometheus_tsdb_head_samples_appended_total",
        "prometheus_tsdb_head_series", "prometheus_tsdb_retention_limit_bytes", "prometheus_tsdb_storage_blocks_bytes",
        "prometheus_tsdb_wal_storage_size_bytes", "prometheus_tsdb_head_chunks_storage_size_bytes",
        "scrape_duration_seconds", "scrape_samples_scraped",
    ),
    "alertmanager": (
        "alertmanager_alerts", "alertmanager_notifications_failed_total", "alertmanager_notifications_total",
        "process_resident_memory_bytes",
    ),
    "alert-inbox": (
        "alert_inbox_notifications_total", "alert_inbox_refused_notifications_total",
        "alert_inbox_stored_notifications", "alert_inbox_watchdog_heard_timestamp_seconds",
    ),
    "grafana": ("grafana_http_request_duration_seconds_count", "process_resident_memory_bytes"),
}  # fmt: skip
"""Series of other programs that the dashboards ask for, by the job that has them; the stack has them all."""
ALERT_LINES = {
    "GTE_ErrorRateHigh", "GTE_TaskLatencyHigh", "GTE_TextsTruncated", "GTE_CapacityLow", "HostMemoryLow", "HostDiskLow",
}  # fmt: skip
"""Alerts whose threshold is a line in a panel that shows the series they compare."""
RED_FROM = {
    ("overview", "slowest"): ("GTE_TaskLatencyHigh", "le"),
    ("overview", "since"): ("GTE_TaskLatencyHigh", "le"),
    ("overview", "tasks"): ("GTE_TaskLatencyHigh", "le"),
    ("overview", "failing"): ("GTE_ErrorRateHigh", ">"),
    ("inside", "slowest"): ("GTE_TaskLatencyHigh", "le"),
    ("stack", "memory now"): ("HostMemoryLow", "<"),
    ("stack", "disk now"): ("HostDiskLow", "<"),
}
"""Stats and tables that turn red where an alert compares: at its bound of a bucket, or at what it compares with."""


PanelCheck = Callable[[str, str, str, Any], Iterator[str]]
"""Tells what is wrong with a query: of which dashboard and key, in which type of panel, and its parts."""


class QueryChecks:
    """The checks that ask Prometheus' parser; `all` has them by name.

    Args:
        server: takes the queries apart.
        boards: whose queries it does so with in one go, ahead of the checks.
    """

    def __init__(self, server: Server, boards: Boards) -> None:
        self._server = server
        rules = [rule["query"] for rule in server.alerts() + server.recordings()]
        asked = [expression for model in boards.models.values() for expression in expressions(model)]
        server.parse_ahead([*rules, *(filled_in(one, choice) for one in asked for choice in (".*", _CHOSEN, _TWO))])
        recorded = [(rule["name"], server.parse(rule["query"])) for rule in server.recordings()]
        self._alerts: dict[str, list[Any]] = {}
        for rule in server.alerts():
            self._alerts.setdefault(rule["name"], []).append(server.parse(rule["query"]))
        self._series = {**CONTRACT_SERIES, **recorded_series(server)}
        self._label_names = label_names_of(server)
        self._faults = cache(lambda expression: faults(server, expression))
        # Series that are percentiles of any number of requests.
        self._bare = {name for name, rule in recorded if any(_bare_percentiles(rule))}

    @property
    def all(self) -> dict[str, Check]:
        """The checks by name."""
        whole: tuple[Check, ...] = (self.known, self.variables, self.others, self.alert_lines, self.red_from)
        each: tuple[PanelCheck, ...] = (
            self.windows, self.counters, self.scope, self.guards, self.sides, self.percentiles,
        )  # fmt: skip
        return {check.__name__: check for check in whole} | {check.__name__: self._of_panels(check) for check in each}

    def known(self, boards: Boards) -> list[str]:
        """PromQL that parses, and asks for metrics, labels and values that exist: linter's target-promql."""
        found = []
        for (language, name), model in boards.models.items():
            for expression in expressions(model):
                try:
                    found += [f"{language} {name}: {fault}" for fault in self._faults(filled_in(expression))]
                    self._server.parse(filled_in(expression, _TWO))
                except ValueError as error:
                    found.append(f"{language} {name}: {error}")
        return found

    def variables(self, boards: Boards) -> list[str]:
        """Each variable that a query names can be chosen."""
        found = []
        for (language, name), model in boards.models.items():
            defined = {variable["name"] for variable in model["templating"]["list"]}
            for expression in expressions(model):
                used = set(re.findall(r"\$\{?([a-z]\w*)", expression))
                found += [f"{language} {name}: no variable {one}" for one in used - defined]
        return found

    def others(self, boards: Boards) -> list[str]:
        """Every series of another program is on the list that is compared with the targets of a running stack."""
        listed = {metric for metrics in OTHER_PROGRAMS.values() for metric in metrics}
        asked = {
            selector.metric for model in boards.models.values() for expression in expressions(model)
            for selector in selectors(self._parsed(filled_in(expression)))
        }  # fmt: skip
        unlisted = asked - {*self._series, "up", "ALERTS", "ALERTS_FOR_STATE"}
        return [f"{metric} is in one of list and dashboards" for metric in sorted(unlisted ^ listed)]

    def alert_lines(self, boards: Boards) -> list[str]:
        """A dashed line stands where an alert compares the very series that the panel shows, and the text names it."""
        found, drawn = [], set()
        for language, name, key, panel in boards.panels():
            defaults = panel["fieldConfig"]["defaults"]
            if defaults.get("custom", {}).get("thresholdsStyle", {}).get("mode") != "dashed":
                continue
            shown = [self._parsed(filled_in(target["expr"])) for target in panel["targets"]]
            metrics = {selector.metric for parsed in shown for selector in selectors(parsed)}
            step = defaults["thresholds"]["steps"][-1]
            named = [alert for alert in self._alerts if alert in panel["description"]]
            fitting = [alert for alert in named for rule in self._alerts[alert]
                       if _compares(rule, metrics, step["value"])]  # fmt: skip
            if step["color"] != "red" or not fitting:
                found.append(f"{language} {name} {key}: the line at {step['value']} is that of none of {named}")
            drawn |= {(language, alert) for alert in fitting}
        wanted = {(language, alert) for language, _ in boards.models for alert in ALERT_LINES}
        return found + [f"{missing} has no line in a panel" for missing in sorted(wanted - drawn)]

    def red_from(self, boards: Boards) -> list[str]:
        """Stats and tables are red from where the alert compares."""
        found = []
        for language, name, key, panel in boards.panels():
            if (name, key) in RED_FROM:
                bounds = set(self._bounds(*RED_FROM[name, key]))
                red = {step["value"] for steps in _thresholds(panel) for step in steps if step["color"] == "red"}
                if not any(isclose(value, bound) for value in red for bound in bounds):
                    found.append(f"{language} {name} {key}: red from {red}, and {RED_FROM[name, key][0]} from {bounds}")
        # Not a colour but a line of its own, as the limit differs from replica to replica.
        ((_, _, share),) = [one for rule in self._alerts["GTE_MemoryNearLimit"] for one in _comparisons(rule)]
        for language in texts.LANGUAGES:
            drawn = self._parsed(filled_in(boards.panel("inside", "memory", language)["targets"][1]["expr"]))
            if {float(node["val"]) for node in nodes(drawn) if node["type"] == "numberLiteral"} != {share}:
                found.append(f"{language} inside memory: the line is not at {share} of the limit")
        return found

    def _bounds(self, alert: str, how: str) -> Iterator[float]:
        """Where an alert's condition begins, at the end where a panel is red."""
        for rule in self._alerts[alert]:
            if how == "le":
                matchers = [matcher for selector in selectors(rule) for matcher in selector.matchers]
                yield from (float(value.split("(")[0]) for label, _, value in matchers if label == "le")
            yield from (1 - value if how == "<" else value for _, op, value in _comparisons(rule) if op == how)

    def _of_panels(self, fault: PanelCheck) -> Check:
        """A check of every query of every panel."""

        @cache
        def found(name: str, key: str, kind: str, expression: str) -> list[str]:
            return list(fault(name, key, kind, self._parsed(filled_in(expression, _CHOSEN))))

        return lambda boards: [
            f"{language} {name} {key} {target['refId']}: {one}"
            for language, name, key, panel in boards.panels()
            for target in panel["targets"]
            for one in found(name, key, panel["type"], target["expr"])
        ]

    def windows(self, name: str, key: str, kind: str, parsed: Any) -> Iterator[str]:
        """Linter's target-rate-interval, for lines: a fixed window shows other figures than the step's."""
        if kind == "timeseries" and (name, key) not in OTHER_WINDOW:
            step = float(WINDOWS["$__rate_interval"][:-1])
            yield from (f"a rate of {seconds:.0f} s" for seconds in _ranges(parsed, _RATES) if seconds != step)
        if float(WINDOWS["$__interval"][:-1]) in _ranges(parsed, {*_RATES, "increase"}):
            yield "a rate of one step, which may hold a single scrape"

    def counters(self, name: str, key: str, kind: str, parsed: Any) -> Iterator[str]:
        """Linter's target-counter-agg."""
        if (name, key) not in RAW_COUNTER:
            yield from (f"{metric} is shown as it is" for metric in _raw_counters(parsed))

    def scope(self, name: str, key: str, kind: str, parsed: Any) -> Iterator[str]:
        """Linter's target-job and target-instance: what was chosen holds for every series that has the label."""
        chosen = {"instance"} if name in ("inside", "stack") else set()
        chosen |= {"job", "task_type"} - ({"task_type"} if (name, key) in ALL_TASKS else set())
        for selector in selectors(parsed):
            if name == "stack":
                has = {"instance"} if selector.metric.startswith("node_") else set()
            else:
                has = set(self._series.get(selector.metric, ()))
            matched = {label for label, operator, value in selector.matchers if (operator, value) == ("=~", _CHOSEN)}
            yield from (f"{selector.metric} of every {label}" for label in sorted((chosen & has) - matched))

    def guards(self, name: str, key: str, kind: str, parsed: Any) -> Iterator[str]:
        """No division by 0, which is NaN where there is no traffic."""
        if (name, key) not in UNGUARDED:
            yield from ("a division by what may be 0" for node in nodes(parsed) if _may_divide_by_zero(node))

    def sides(self, name: str, key: str, kind: str, parsed: Any) -> Iterator[str]:
        """Both sides of an operation have the labels by which they are matched."""
        yield from matching_faults(parsed, self._label_names)

    def percentiles(self, name: str, key: str, kind: str, parsed: Any) -> Iterator[str]:
        """No percentile of fewer than 20 requests: neither in a query nor in a rule whose series it shows."""
        if (name, key) not in NO_REQUESTS:
            yield from _bare_percentiles(parsed, self._bare)

    def _parsed(self, expression: str) -> Any:
        """An expression's parts; none if it is no PromQL, which `known` tells."""
        try:
            return self._server.parse(expression)
        except ValueError:
            return {}


def _ranges(node: Any, functions: set[str]) -> Iterator[float]:
    """The windows, in seconds, of what these functions are applied to."""
    for one in nodes(node):
        if one["type"] == "call" and one["func"]["name"] in functions:
            yield from (argument["range"] / 1000 for argument in one["args"] if "range" in argument)


def _raw_counters(node: Any, inside: bool = False) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _raw_counters(item, inside)
    elif isinstance(node, dict):
        name = node.get("name", "")
        if node.get("type") in ("vectorSelector", "matrixSelector") and not inside and ":" not in name:
            if name.endswith(("_total", "_sum", "_count", "_bucket")):
                yield name
            return
        # How many series there are doesn't depend on their values.
        inside |= node.get("op") in ("count", "group")
        inside |= node.get("type") == "call" and node["func"]["name"] in _OF_COUNTERS
        for child in node.values():
            yield from _raw_counters(child, inside)


def _plain(node: Any) -> Any:
    while node["type"] in ("parenExpr", "unaryExpr"):
        node = node["expr"]
    return node


def _compared_with(node: Any) -> tuple[str, float] | None:
    """The operator and the number where a vector is compared with one."""
    node = _plain(node)
    if node["type"] != "binaryExpr" or node["op"] not in _COMPARISONS or node["rhs"]["type"] != "numberLiteral":
        return None
    return node["op"], float(node["rhs"]["val"])


def _may_divide_by_zero(node: Any) -> bool:
    """Whether a node divides by a vector of rates, sums or counts that nothing keeps from being 0."""
    if node["type"] != "binaryExpr" or node["op"] != "/":
        return False
    below = _plain(node["rhs"])
    compared = _compared_with(below["rhs"] if below.get("op") == "and" else below)
    if compared:
        return not (compared[0] in (">", ">=", "<") and (compared[1] > 0 or compared[0] in (">", "<")))
    called = {one["func"]["name"] for one in nodes(below) if one["type"] == "call"}
    return bool(called & {"rate", "increase", "sum_over_time", "deriv"})


def _bare_percentiles(node: Any, bare: Collection[str] = (), guarded: bool = False) -> Iterator[str]:
    """Percentiles of requests that no bound on their number guards; `bare` names series that are such ones."""
    if isinstance(node, list):
        for item in node:
            yield from _bare_percentiles(item, bare, guarded)
    elif isinstance(node, dict):
        if node.get("type") == "call" and node["func"]["name"] == "histogram_quantile" and not guarded:
            yield "a percentile of any number of requests"
        if node.get("type") == "vectorSelector" and node["name"] in bare and not guarded:
            yield f"{node['name']} is of any number of requests"
        bound = _compared_with(node["rhs"]) if node.get("op") == "and" else None
        enough = bound is not None and bound[0] == ">=" and bound[1] >= _FEWEST_OF_PERCENTILE
        for key, child in node.items():
            yield from _bare_percentiles(child, bare, guarded or (enough and key == "lhs"))


def _comparisons(node: Any) -> Iterator[tuple[set[str], str, float]]:
    """Each comparison with a number: the metrics compared, the operator, the number."""
    for one in nodes(node):
        if one["type"] == "binaryExpr" and (compared := _compared_with(one)):
            yield {selector.metric for selector in selectors(one["lhs"])}, *compared


def _compares(rule: Any, metrics: set[str], value: float) -> bool:
    """Whether a rule compares all of these metrics, or what is left to 1 of them, with a value."""
    asked = {selector.metric for selector in selectors(rule)}
    return metrics <= asked and any(
        compared <= metrics and isclose(bound if op == ">" else 1 - bound, value)
        for compared, op, bound in _comparisons(rule) if op in "<>"
    )  # fmt: skip


def _thresholds(panel: Any) -> Iterator[list[Any]]:
    """The steps of each set of thresholds of a panel."""
    yield panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    for override in panel["fieldConfig"]["overrides"]:
        yield from (one["value"]["steps"] for one in override["properties"] if one["id"] == "thresholds")
