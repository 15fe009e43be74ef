"""The commands of the runbooks in faults that take a minute each; `make test-faults` runs this beside faults.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.stack.boards import load
from tests.stack.faults import both, compose, dead, hung, in_service, starved, stuck
from tests.stack.runbooks import begin, change, wait_until_shown
from tests.stack.running import PROJECT, Stack, wait_for

LONG_TEXTS = {"task_type": "embedding", "input_text": ["张三在北京参加了奥运会，" * 40] * 40}
QUESTION = {"task_type": "embedding", "input_text": "张三在北京参加了奥运会"}


@dataclass(frozen=True)
class Fault:
    """A fault that a page is for.

    Attributes:
        make: begins and ends it.
        shown: what the page's diagnosis prints then, as regular expressions.
        mend: the command of the page that mends it; empty: it mends itself.
        by_hand: what the page has one do before.
        over: a query that has an answer once it is mended.
    """

    make: Callable[[Stack], AbstractContextManager[object]]
    shown: tuple[str, ...]
    mend: str = ""
    by_hand: Callable[[Stack], object] = lambda _: None
    over: str = 'gte_workers > 1 and on () gte_probe_success{task_type="embedding"} == 1'


@contextmanager
def out_of_memory(stack: Stack) -> Iterator[None]:
    """The container has too little memory for a worker; then somebody kills it."""
    container = f"{PROJECT}-gte-service-1"
    compose(stack, "stop", "-t", "5", "gte-service")
    stack.must("docker", "update", "--memory=150m", "--memory-swap=150m", container)
    try:
        compose(stack, "start", "gte-service")
        wait_for(lambda: stack.containers()["gte-service"]["State"]["OOMKilled"], "the kernel kills a worker", 60)
        compose(stack, "kill", "gte-service")
    finally:
        stack.must("docker", "update", "--memory=8g", "--memory-swap=8g", container)
    yield


@contextmanager
def worker_killed(stack: Stack) -> Iterator[None]:
    """One worker was killed, by somebody and not by the kernel."""
    compose(stack, *in_service("kill -KILL $(grep -l gunicor[n] /proc/[0-9]*/cmdline | tail -n 1 | cut -d/ -f3)"))
    yield


@contextmanager
def damaged_counts(stack: Stack) -> Iterator[None]:
    """Something has written into a metric file."""
    compose(stack, *in_service("printf damaged-damaged-damaged | dd of=/metrics/replica-0/counter_0.db conv=notrunc"))
    yield


@contextmanager
def offline(stack: Stack) -> Iterator[None]:
    """A model is named that is not on this host, and ModelScope can't be reached."""
    cut_off = {"GTE_MODEL": "org/none", "MODELSCOPE_ENDPOINT": "http://127.0.0.1:9"}
    anew = ("up", "-d", "--no-deps", "--no-build", "gte-service")
    compose(replace(stack, environ={**stack.environ, **cut_off}), *anew)
    try:
        yield
    finally:
        compose(stack, *anew)


def invalid_file(stack: Stack) -> Path:
    """A file of rules in the stack's own checkout."""
    return stack.root / "prometheus" / "rules" / "invalid-for-a-test.yml"


@contextmanager
def invalid_rule(stack: Stack) -> Iterator[None]:
    """Prometheus was told to read a file of rules with a mistake."""
    invalid_file(stack).write_text(
        "groups: [{name: invalid, rules: [{record: 'a:b', expr: 'sum('}]}]\n", encoding="utf-8"
    )
    try:
        compose(stack, "kill", "--signal=HUP", "prometheus")
        yield
    finally:
        invalid_file(stack).unlink(missing_ok=True)


@contextmanager
def paused(stack: Stack, service: str) -> Iterator[None]:
    """Somebody has paused a container."""
    begin(stack, "pause", service)
    try:
        yield
    finally:
        # An error once it is mended.
        stack.run("docker", "compose", "unpause", service)


RESTART = "docker compose restart -t 10 gte-service"
# By page and fault.
LONG_FAULTS: Mapping[str, Fault] = {
    "GTE_NotAnswering hung": Fault(
        hung, (r"heartbeat_age_seconds\{.* => ([5-9]|\d\d)", "does not answer: timed out", r"(?m)^\d+ +T"), RESTART
    ),
    "GTE_NotAnswering dead": Fault(
        dead, (r"gte_workers\{.*\} => 0 ", "does not answer: .*Connection refused"), RESTART
    ),
    "GTE_TaskStuck stuck": Fault(
        lambda stack: both(load(stack, QUESTION, 8), stuck(stack)),
        (r"gte_queue_depth\{.*\} => [1-9]", r'task_type="embedding"\} => [1-9]'), "docker compose restart gte-service",
    ),
    "GTE_LatencyBudget starved": Fault(
        lambda stack: both(starved(stack), load(stack, LONG_TEXTS, 2)),
        ('"task_type": "embedding".* "latency_ms": [0-9]{4,}',),
    ),
    "GTE_WorkersDying killed": Fault(
        worker_killed, ("was sent SIGKILL! Perhaps out of memory", "running exit=0 oom=false"),
    ),
    "GTE_CountsDamaged damaged": Fault(
        damaged_counts, ("metric file /metrics/replica-0/counter_0.db is damaged", r"_gte-metrics \d"),
        "docker compose kill --signal HUP gte-service",
    ),
    "GTE_ModelNotReady offline": Fault(offline, ("(?m)^retrying: ", "(?m)^org/none$")),
    "GTE_ModelDownloadStuck offline": Fault(offline, ("(?m)^retrying: ", "URLError: .*Connection refused")),
    "GTE_ServiceDown oom": Fault(out_of_memory, ("exited exit=137 oom=true",), "docker compose start gte-service"),
    "HostOomKill oom": Fault(out_of_memory, ("exited oom=true", "CONSTRAINT_MEMCG"), "docker compose start"),
    "TargetDown paused": Fault(
        lambda stack: paused(stack, "node-exporter"), (r"\(Paused\)", r"node-exporter \S+ down .*deadline exceeded"),
        'docker compose unpause "$SERVICE"', over='up{job="node-exporter"} == 1',
    ),
    "Watchdog hung": Fault(
        lambda stack: paused(stack, "prometheus"), (r"\(Paused\)", "is paused"), 'docker compose restart "$SERVICE"',
        over='up{job="prometheus"} == 1',
    ),
    "ConfigReloadFailed invalid": Fault(
        invalid_rule, ("FAILED:", "invalid-for-a-test.yml", r'job="prometheus"\} => 0'),
        "make reload", lambda stack: invalid_file(stack).unlink(),
        "prometheus_config_last_reload_successful == 1",
    ),
}  # fmt: skip


def answered(stack: Stack, query: str) -> bool:
    """Whether a query has an answer; Prometheus itself may be away."""
    with suppress(OSError):
        return bool(stack.query(query))
    return False


@pytest.mark.parametrize("name", LONG_FAULTS)
def test_a_page_shows_the_fault_that_it_is_for_and_mends_it(name: str, stack: Stack) -> None:
    fault, alert = LONG_FAULTS[name], name.split(maxsplit=1)[0]
    wait_for(lambda: answered(stack, fault.over), "a healthy stack", 120)
    with fault.make(stack):
        container = stack.containers()["gte-service"]["Id"]
        print(wait_until_shown(stack, alert, fault.shown, 90))
        fault.by_hand(stack)
        if fault.mend:
            change(stack, alert, fault.mend)
        # Nothing was made anew, so the model is the same.
        assert stack.containers()["gte-service"]["Id"] == container
    wait_for(lambda: answered(stack, fault.over), "the fault is over", 120)
