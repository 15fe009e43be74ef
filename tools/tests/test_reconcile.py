"""The comparison of log and counters: a made-up service behind a `docker` of our own and a Prometheus of our own."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tools import cli
from tools.reconcile.__main__ import read_options
from tools.reconcile.comparison import Comparison, compare
from tools.reconcile.sources import ERRORS, LATENCIES, REQUESTS, Key, Line, Scrape, read_scrapes, rfc_3339
from tools.tests.made_up_stack import run_tool, running_prometheus

NOW = 1_764_000_000.0
ONE, OTHER = "172.20.0.5:9090", "172.20.0.6:9090"
INTERVAL = 5.0


def scrapes_of(
    lines: list[Line], first: float, last: float, *, start: float | None = 0.0, instance: str = ONE, since: float = 0.0
) -> list[Scrape]:
    """What Prometheus reads from a replica that counts these lines, those before `since` being lost."""
    times = [first + number * INTERVAL for number in range(int((last - first) / INTERVAL) + 1)]
    counted = [line for line in lines if line.time >= since]
    return [
        Scrape(
            at, instance, start, dict(Counter(key for line in counted if line.time <= at for key in line.counters()))
        )
        for at in times
    ]


def requests(*times: float, task: str = "ner", status: str = "success", reason: str = "") -> list[Line]:
    return [Line(at, task, status, reason) for at in times]


def compared(scrapes: list[Scrape], lines: list[Line], since: float = 1000.0, log_begin: float = 0.0) -> Comparison:
    return compare(sorted(scrapes, key=lambda scrape: scrape.time), sorted(lines), since, log_begin)


def differences(found: Comparison) -> dict[Key, int]:
    return {row.key: row.difference for row in found.rows if row.difference}


QUIET = requests(1021, 1022.5, 1031)


def test_both_agree_exactly_when_nothing_is_logged_at_the_edges() -> None:
    lines = QUIET + requests(1025, status="error", reason="internal")
    found = compared(scrapes_of(lines, 940, 1060), lines)
    assert (found.equal, found.exact, found.begin, found.end) == (True, True, 1000, 1060)
    assert {(row.key, row.lines, row.counter, row.edges) for row in found.rows} == {
        (Key(REQUESTS, "ner", "success"), 3, 3, 0),
        (Key(REQUESTS, "ner", "error"), 1, 1, 0),
        (Key(ERRORS, "ner", "internal"), 1, 1, 0),
        (Key(LATENCIES, "ner", ""), 4, 4, 0),
    }


@pytest.mark.parametrize(("place", "difference"), [("log", -1), ("counter", 1)])
def test_one_request_too_many_on_either_side_is_a_difference(place: str, difference: int) -> None:
    more = [*QUIET, *requests(1026)]
    counted, logged = (QUIET, more) if place == "log" else (more, QUIET)
    found = compared(scrapes_of(counted, 940, 1060), logged)
    assert (found.equal, found.exact) == (False, True)
    assert set(differences(found).values()) == {difference}


def test_the_same_request_with_another_reason_is_a_difference() -> None:
    counted, logged = (requests(1026, status="error", reason=reason) for reason in ("internal", "overloaded"))
    found = compared(scrapes_of(counted, 940, 1060), logged)
    assert differences(found) == {Key(ERRORS, "ner", "internal"): 1, Key(ERRORS, "ner", "overloaded"): -1}


def test_an_edge_moves_inwards_to_a_scrape_around_which_nothing_was_logged() -> None:
    lines = [*requests(999, 1004, 1058), *QUIET]
    found = compared(scrapes_of(lines, 940, 1060), lines)
    assert (found.begin, found.end, found.exact) == (1010, 1055, True)


def busy(begin: float, end: float) -> list[Line]:
    return requests(*(begin + number / 2 for number in range(int(2 * (end - begin)))))


@pytest.mark.parametrize(("missing", "equal"), [(0, True), (10, True), (60, False)])
def test_a_difference_up_to_the_requests_at_the_edges_agrees_and_a_larger_one_does_not(
    missing: int, equal: bool
) -> None:
    lines = busy(930, 1070)
    counted = [line for line in lines if not 1020 <= line.time < 1020 + missing / 2]
    found = compared(scrapes_of(counted, 940, 1060), lines)
    assert (found.begin, found.end, found.exact) == (1000, 1060, False)
    (row,) = (row for row in found.rows if row.key.metric == REQUESTS)
    assert (row.lines, row.difference, row.agrees) == (120, -missing, equal)
    assert 20 <= row.edges <= 24


def test_replicas_are_added_up_though_they_are_scraped_at_different_moments() -> None:
    lines = busy(930, 1070)
    mine, others = lines[::2], lines[1::2]
    scrapes = scrapes_of(mine, 940, 1060) + scrapes_of(others, 942, 1060, start=1.0, instance=OTHER)
    assert compared(scrapes, lines).equal
    assert not compared(scrapes_of(mine, 940, 1060), lines).equal


def test_an_edge_reaches_back_to_the_last_scrape_of_a_replica_that_missed_one() -> None:
    lines = busy(1010, 1060)
    scrapes = scrapes_of([], 940, 1060) + scrapes_of(lines, 942, 1047, start=1.0, instance=OTHER)
    found = compared(scrapes, lines)
    assert (found.end, found.equal, found.restarts) == (1060, True, [])


def test_a_restart_whose_counters_go_on_costs_nothing_at_whatever_address() -> None:
    lines = [*QUIET, *requests(1023)]
    scrapes = scrapes_of(lines, 940, 1020) + scrapes_of(lines, 1040, 1060, instance=OTHER)
    found = compared(scrapes, lines)
    assert (found.equal, found.exact, found.total("counter")) == (True, True, 4)


def test_counters_that_begin_anew_are_told_and_requests_in_between_are_a_bound() -> None:
    lines = [*requests(1011, 1022, 1023, 1027)]
    scrapes = scrapes_of(lines, 940, 1020) + scrapes_of(lines, 1027, 1060, start=1025.0, since=1025.0)
    found = compared(scrapes, lines)
    assert (found.equal, found.exact, found.total("edges"), found.total("counter")) == (True, False, 2, 2)
    assert re.search(
        r"The counters of 172\.20\.0\.5:9090 don't go on from .*:17:00\.000Z to .*:17:05\.000Z", found.restarts[0]
    )
    assert not compared(scrapes, lines + requests(1029, 1030, 1031)).equal


def test_a_replica_that_is_gone_or_seen_late_makes_it_inexact() -> None:
    lines = [*QUIET, *requests(1012)]
    gone = scrapes_of(lines, 940, 1060) + scrapes_of([], 940, 1015, start=1.0, instance=OTHER)
    late = scrapes_of(lines, 940, 1060) + scrapes_of([], 1040, 1060, start=1.0, instance=OTHER)
    for scrapes in (gone, late):
        found = compared(scrapes, lines)
        assert (found.equal, found.exact, len(found.restarts)) == (True, False, 1)


def test_a_counter_that_went_back_is_told_and_its_later_rise_counts() -> None:
    lines = [*requests(1011), *requests(1041)]
    scrapes = scrapes_of([*requests(1, 2), *lines], 940, 1030) + scrapes_of(lines[1:], 1035, 1060)
    found = compared(scrapes, lines)
    assert (found.equal, found.exact, found.total("counter")) == (True, False, 2)


def test_the_range_begins_no_earlier_than_the_log() -> None:
    found = compared(scrapes_of(QUIET, 940, 1060), QUIET, log_begin=1012)
    assert (found.begin, found.total("counter"), found.exact) == (1020, 3, True)


@pytest.mark.parametrize(
    ("last", "lines", "log_begin", "words"),
    [(1000, QUIET, 0, "fewer than two"), (1060, QUIET, 1058, "fewer than two"), (1060, [], 0, "no task request")],
)
def test_a_range_with_nothing_to_compare_is_an_error(
    last: float, lines: list[Line], log_begin: float, words: str
) -> None:
    with pytest.raises(cli.ToolError, match=words):
        compared(scrapes_of(lines, 940, last), lines, log_begin=log_begin)


# The command line


def test_moments_are_durations_before_now_or_times_with_an_offset() -> None:
    assert read_options([], NOW) == (NOW - 600, NOW, False)
    assert read_options(["--since", "2h", "--until", "90s", "--json"], NOW) == (NOW - 7200, NOW - 90, True)
    assert read_options(["--since", "2025-11-24T15:00:00.5Z"], NOW).since == NOW - 3600 + 0.5
    assert read_options(["--since", "2025-11-24T16:00:00+01:00", "--until", rfc_3339(NOW + 60)], NOW).until == NOW


@pytest.mark.parametrize(
    "arguments", [["--since", "1m", "--until", "2m"], ["--since", "noon"], ["--since", "2025-11-24"]]
)
def test_a_range_that_is_none_is_wrong_usage(arguments: list[str]) -> None:
    with pytest.raises(cli.UsageError):
        read_options(arguments, NOW)


# Both sides as they are read

SERIES = {
    REQUESTS: ("gte_task_requests_total", "status"),
    ERRORS: ("gte_task_errors_total", "reason"),
    LATENCIES: ("gte_task_latency_seconds_count", ""),
}


@dataclass
class Stack:
    """What `docker` and Prometheus answer."""

    folder: Path
    port: int = 0
    lines: list[Line] = field(default_factory=list)
    scrapes: list[Scrape] = field(default_factory=list)
    log_begin: str = "2020-01-01T00:00:00.123456789Z starting"
    refusal: str = ""

    def answer(self, target: str) -> dict[str, Any]:
        if self.refusal:
            return {"status": "error", "error": self.refusal}
        asked = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
        names, milliseconds = re.findall(r'__name__=~"([^"]+)",job="gte-service"}\[(\d+)ms\]', asked["query"])[0]
        end = float(asked["time"])
        result = []
        for scrape in self.scrapes:
            if end - int(milliseconds) / 1000 < scrape.time <= end:
                samples = [({"__name__": "gte_counters_start_time_seconds"}, scrape.start or 0)]
                for key, value in scrape.counts.items():
                    name, label = SERIES[key.metric]
                    samples.append(({"__name__": name, "task_type": key.task, label: key.label}, value))
                for labels, count in samples:
                    assert labels["__name__"] in names.split("|")
                    metric = {**labels, "instance": scrape.instance}
                    result.append({"metric": metric, "values": [[scrape.time, str(count)]]})
        return {"status": "success", "data": {"resultType": "matrix", "result": result}}

    def reconcile(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        names = ("time", "task_type", "status", "reason")
        entries = [(rfc_3339(line.time), line.task, line.status, line.reason or None) for line in self.lines]
        log = [json.dumps(dict(zip(names, entry, strict=True))) for entry in entries]
        (self.folder / "log").write_text("\n".join(["no JSON", '{"path": "/"}', *log]), encoding="utf-8")
        cases = (
            f'*"compose logs"*) cat {self.folder}/log ;;\n*"compose ps"*) echo c1 ;;\n'
            f"\"logs --timestamps c1\") echo '{self.log_begin}' ;;\n"
        )
        return run_tool("tools.reconcile", arguments, self.folder, self.port, cases)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path)
    with running_prometheus(stack.answer) as stack.port:
        yield stack


def test_a_long_range_is_read_in_pieces_without_a_gap_or_a_double(stack: Stack) -> None:
    stack.scrapes = scrapes_of(busy(1000, 1100), 1000, 4600)
    assert read_scrapes(f"127.0.0.1:{stack.port}", 1000, 4600) == stack.scrapes


def test_the_command_compares_the_log_with_prometheus(stack: Stack) -> None:
    now = time.time()
    stack.lines = requests(now - 120, now - 119) + requests(now - 110, status="error", reason="internal")
    stack.scrapes = scrapes_of(stack.lines, now - 360, now - 5)
    done = stack.reconcile("--since", "5m")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"task +status +log +counter +edges +difference\n +ner +error +1 +1 +0 +0\n", done.stdout)
    assert done.stdout.endswith(
        "Equal: 3 requests in the log and 3 in Prometheus, the same by task, status and reason.\n"
    )
    stack.lines += requests(now - 100)
    done = stack.reconcile("--since", "5m", "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert (found["equal"], found["exact"], found["verdict"][:10]) == (False, True, "Different:")
    assert {"task_type": "ner", "status": "success", "lines": 3, "counter": 2, "edges": 0, "difference": -1} in found[
        "requests"
    ]


def test_the_begin_of_the_log_is_told(stack: Stack) -> None:
    now = time.time()
    stack.lines = requests(now - 60)
    stack.scrapes = scrapes_of(stack.lines, now - 360, now - 5)
    stack.log_begin = f"{rfc_3339(now - 100)} starting"
    done = stack.reconcile("--since", "5m")
    assert done.returncode == 0
    assert f"The log begins at {rfc_3339(now - 100)}" in done.stdout


@pytest.mark.parametrize(
    ("change", "words"),
    [({"refusal": "too many samples"}, "too many samples"), ({"log_begin": "Error: no such driver"}, "no such driver"),
     ({"port": 1}, "doesn't answer")],
)  # fmt: skip
def test_a_side_that_can_not_be_read_ends_with_3(stack: Stack, change: dict[str, Any], words: str) -> None:
    for name, value in change.items():
        setattr(stack, name, value)
    done = stack.reconcile()
    assert (done.returncode, done.stdout) == (3, "")
    assert words in done.stderr
