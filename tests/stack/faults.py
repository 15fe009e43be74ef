"""Makes the faults that alerts are for, and sees who is told of what, and how soon: `make test-faults`.

No test of the normal run: it takes about an hour and a half, and nothing else may use the machine. A table of the
seconds is printed at the end.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.stack.boards import FAILING_TASK, load, mixed_load
from tests.stack.chat import Chat
from tests.stack.running import MAKE, PROJECT, Stack, pass_time, wait_for

# What the inbox may take to tell the chat.
CHAT_SECONDS = 5
# How long a fault goes on after it was noticed: whatever else would be told of it is told then.
AFTERMATH_SECONDS = 60
RESOLVE_SECONDS = 900
SILENCE_SECONDS = 180


@dataclass(frozen=True)
class Told:
    """A notification in the inbox: when it came, in Unix time, and of which alerts."""

    at: float
    status: str
    alerts: frozenset[str]


@dataclass(frozen=True)
class Row:
    """A line of the table: what was told of a fault, after how many seconds; NaN: nothing."""

    fault: str
    alerts: tuple[str, ...]
    noticed: float
    limit: float
    resolved: float
    messages: int


class Observer:
    """Sees what the inbox and the chat of a stack are told."""

    def __init__(self, stack: Stack, chat: Chat) -> None:
        self.stack = stack
        self.chat = chat
        self.rows: list[Row] = []

    def told(self, since: float) -> list[Told]:
        """The notifications since then, oldest first; without those of the host, which other programs cause."""
        query = urlencode({"from": datetime.fromtimestamp(since, UTC).isoformat(), "limit": 1000})
        found = json.loads(self.stack.get("ALERT_INBOX_PORT", f"/api/notifications?{query}"))["notifications"]
        told = [
            Told(
                datetime.fromisoformat(one["received_at"]).timestamp(),
                one["status"],
                frozenset(each["labels"]["alertname"] for each in one["alerts"]),
            )
            for one in reversed(found)
        ]
        return [one for one in told if not any(name.startswith("Host") for name in one.alerts)]

    def wait_until_quiet(self) -> None:
        """Wait until nothing fires or waits, but for what tells nobody, and the inbox knows it."""
        query = 'ALERTS{severity!~"info|none",alertname!~"Host.+"}'
        wait_for(lambda: not self.stack.query(query), f"nothing fires, not {self.stack.query(query)}", RESOLVE_SECONDS)

        def all_over() -> bool:
            latest = {alert: one.status for one in self.told(0) for alert in one.alerts}
            return set(latest.values()) <= {"resolved"}

        wait_for(all_over, "the inbox knows that nothing fires", 90)

    def observe(
        self,
        name: str,
        fault: AbstractContextManager[object],
        alerts: set[str],
        limit: float,
        *,
        once_noticed: Callable[[], object] = lambda: None,
    ) -> list[Told]:
        """Make a fault until it is told, end it, and check that exactly these alerts were told of it and resolved.

        Args:
            name: of the fault, for the table.
            fault: begins and ends it.
            alerts: their names.
            limit: within how many seconds they must be in the inbox.
            once_noticed: done when the chat knows, before the fault ends.

        Returns:
            what the inbox was told.
        """
        self.wait_until_quiet()
        began = time.time()

        def now_told(status: str) -> set[str]:
            latest = {alert: one.status for one in self.told(began) for alert in one.alerts}
            return {alert for alert, state in latest.items() if state == status}

        with fault:
            wait_for(lambda: alerts <= now_told("firing"), f"{alerts} firing, not {now_told('firing')}", 3 * limit)
            noticed = max(self._first(began, alert) for alert in alerts)
            wait_for(lambda: self.heard("FIRING", alerts, began), "the chat knows", CHAT_SECONDS)
            once_noticed()
            pass_time(AFTERMATH_SECONDS)
        ended = time.time()
        # Without any request the last minutes that had some go on counting.
        with mixed_load(self.stack, 1, 0.5):
            wait_for(lambda: alerts <= now_told("resolved"), f"{alerts} resolved", RESOLVE_SECONDS)
            self.wait_until_quiet()
        told = self.told(began)
        resolved = max(one.at for one in told if one.status == "resolved")
        wait_for(lambda: self.heard("OVER", alerts, began), "the chat knows that it is over", 60)
        self.note(Row(name, tuple(sorted(alerts)), noticed - began, limit, resolved - ended, 0), began)
        assert {alert for one in told for alert in one.alerts} == alerts
        assert noticed - began <= limit
        return told

    def observe_silence(self, name: str, fault: AbstractContextManager[object]) -> None:
        """Break the monitoring itself, and check that the inbox says so, and when it is back, and nothing else."""
        self.wait_until_quiet()
        with fault:
            began = time.time()
            wait_for(lambda: self._said("SILENT", began), "the silence in the chat", 3 * SILENCE_SECONDS)
            noticed = self._said("SILENT", began)
        ended = time.time()
        wait_for(lambda: self._said("BACK", began), "the return in the chat", RESOLVE_SECONDS)
        self.wait_until_quiet()
        row = Row(name, ("(the inbox itself)",), noticed - began, SILENCE_SECONDS, self._said("BACK", began) - ended, 0)
        self.note(row, began)
        assert self.told(began) == []
        assert noticed - began <= SILENCE_SECONDS

    def note(self, row: Row, began: float) -> None:
        """Add a line to the table, with the number of the chat's messages since then, and print what was told."""
        messages = self.chat.messages(began)
        self.rows.append(replace(row, messages=len(messages)))
        print(f"\n{self.rows[-1]}")
        for one in self.told(began):
            print(f"  {one.at - began:6.1f} {one.status} {sorted(one.alerts)}")
        for at, text in messages:
            print(f"  {at - began:6.1f} chat: {text.splitlines()[0]}")

    def _first(self, since: float, alert: str) -> float:
        return next(one.at for one in self.told(since) if alert in one.alerts)

    def _said(self, word: str, since: float) -> float:
        return next((at for at, text in self.chat.messages(since) if word in text.splitlines()[0]), 0.0)

    def heard(self, word: str, alerts: set[str], since: float) -> bool:
        """Whether the chat was told of each of these alerts, with that word."""
        told = [text for _, text in self.chat.messages(since) if word in text]
        return all(any(alert in text for text in told) for alert in alerts)


def compose(stack: Stack, *command: str) -> None:
    """Run a command of Compose on the stack."""
    stack.must("docker", "compose", *command)


@contextmanager
def ended_by(stack: Stack, begin: tuple[str, ...], end: tuple[str, ...]) -> Iterator[None]:
    """A fault that one command of Compose begins and another ends."""
    compose(stack, *begin)
    try:
        yield
    finally:
        compose(stack, *end)


def killed(stack: Stack, service: str = "gte-service") -> AbstractContextManager[None]:
    """Its container is killed."""
    return ended_by(stack, ("kill", service), ("start", service))


def in_service(script: str) -> tuple[str, ...]:
    """The command of Compose that runs a script of the shell in gte-service's container."""
    return ("exec", "-T", "gte-service", "sh", "-c", f"{script}; true")


# Process ids in gte-service's container: gunicorn with its workers, and the program that starts it again.
_SERVER = "$(grep -l gunicor[n] /proc/[0-9]*/cmdline | cut -d/ -f3)"
_SUPERVISOR = "$(grep -la bin/gte-servic[e] /proc/[0-9]*/cmdline | grep -v /proc/1/ | cut -d/ -f3)"


def hung(stack: Stack) -> AbstractContextManager[None]:
    """Every process of the server stands still; the metrics are served."""
    return ended_by(stack, in_service(f"kill -STOP {_SERVER}"), in_service(f"kill -CONT {_SERVER}"))


def dead(stack: Stack) -> AbstractContextManager[None]:
    """No process of the server is there, and nobody starts it again; the metrics are served."""
    begin = in_service(f"kill -STOP {_SUPERVISOR}; kill -KILL {_SERVER}")
    return ended_by(stack, begin, in_service(f"kill -CONT {_SUPERVISOR}"))


@contextmanager
def stuck(stack: Stack) -> Iterator[None]:
    """Every computation waits: somebody holds the lock that workers compute under."""
    holder = "import fcntl, time; f = open('/run/gte/compute-lock/queue', 'rb+'); fcntl.flock(f, 2); time.sleep(900)"
    compose(stack, "exec", "-d", "gte-service", "python", "-c", holder)
    try:
        yield
    finally:
        compose(stack, *in_service("kill $(grep -la time.slee[p].900 /proc/[0-9]*/cmdline | cut -d/ -f3)"))


@contextmanager
def starved(stack: Stack) -> Iterator[None]:
    """The container has a fifth of a CPU, so that long requests take seconds."""
    container = f"{PROJECT}-gte-service-1"
    stack.must("docker", "update", "--cpus=0.2", container)
    try:
        yield
    finally:
        stack.must("docker", "update", f"--cpus={os.cpu_count()}", container)


@contextmanager
def cut_off(stack: Stack, service: str) -> Iterator[None]:
    """It is in no network."""
    container = f"{PROJECT}-{service}-1"
    networks = list(stack.containers()[service]["NetworkSettings"]["Networks"])
    for network in networks:
        stack.must("docker", "network", "disconnect", network, container)
    try:
        yield
    finally:
        for network in networks:
            stack.must("docker", "network", "connect", f"--alias={service}", network, container)


def full_disk(stack: Stack) -> AbstractContextManager[None]:
    """The inbox's files can't grow, as on a full disk."""
    # In its container, because a process may limit others of its own user; not the health check's, which come and go.
    limit = (
        "import pathlib, resource; [resource.prlimit(int(one.parent.name), resource.RLIMIT_FSIZE, ({size}, -1))"
        " for one in pathlib.Path('/proc').glob('[0-9]*/cmdline') if one.read_bytes().endswith(b'-m\\0alert_inbox\\0')]"
    )
    begin, end = (("exec", "-T", "alert-inbox", "python", "-c", limit.format(size=size)) for size in (0, -1))
    return ended_by(stack, begin, end)


SMALL_DISK = """
services:
  prometheus:
    volumes: !override ["./prometheus:/etc/prometheus:ro"]
    tmpfs: ["/prometheus:size=300m,uid=65534,gid=65534"]
"""


@contextmanager
def full_disk_of_prometheus(stack: Stack, folder: Path) -> Iterator[None]:
    """Prometheus has a disk of its own in memory, and that is full."""
    override = folder / "compose.yaml"
    override.write_text(SMALL_DISK, encoding="utf-8")
    anew = ("up", "-d", "--wait", "--no-deps", "--no-build", "prometheus")
    compose(stack, "--project-directory=.", "--file=compose.yaml", f"--file={override}", *anew)
    try:
        fill = "dd if=/dev/zero of=/prometheus/fill bs=64k 2>/dev/null; true"
        compose(stack, "exec", "-T", "prometheus", "sh", "-c", fill)
        yield
    finally:
        compose(stack, *anew)


@contextmanager
def both(*faults: AbstractContextManager[object]) -> Iterator[None]:
    """All of them at once; the last one ends first."""
    with ExitStack() as stack:
        for fault in faults:
            stack.enter_context(fault)
        yield


@contextmanager
def damaged(stack: Stack, folder: Path) -> Iterator[None]:
    """The weights in the model's folder are half a file, and the service is started anew."""
    weights = folder / "pytorch_model.bin"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    compose(stack, "up", "-d", "--no-deps", "--no-build", "--force-recreate", "gte-service")
    try:
        yield
    finally:
        weights.write_bytes(whole)
        compose(stack, "up", "-d", "--no-deps", "--no-build", "--force-recreate", "gte-service")


@pytest.fixture(scope="module")
def observer(stack: Stack, chat: Chat) -> Iterator[Observer]:
    """Watches the stack and its chat; prints the table at the end."""
    chat.open(stack)
    watching = Observer(stack, chat)
    # The rules look back over a minute, and judge nothing of the start.
    with mixed_load(stack, 1, 0.5):
        pass_time(2 * AFTERMATH_SECONDS)
    yield watching
    print("\n| fault | told by | noticed after | at most | resolved after | messages |")
    print("| --- | --- | --- | --- | --- | --- |")
    for row in watching.rows:
        print(
            f"| {row.fault} | {', '.join(row.alerts) or 'nothing'} | {row.noticed:.0f} s | {row.limit:.0f} s"
            f" | {row.resolved:.0f} s | {row.messages} |"
        )


LONG_QUESTION = {"task_type": "qa", "input_text": "。".join(["张三在北京参加了奥运会，" * 40] * 30) + "|张三住在哪里？"}
DOWN = {"GTE_ServiceDown"}
# By name: the fault, who must tell of it, and within how many seconds.
FAULTS: Mapping[str, tuple[Callable[[Stack], AbstractContextManager[object]], set[str], float]] = {
    "container killed": (killed, DOWN, 60),
    "server hung": (lambda stack: both(mixed_load(stack, 1, 0.5), hung(stack)), {"GTE_NotAnswering"}, 60),
    "server dead": (lambda stack: both(mixed_load(stack, 1, 0.5), dead(stack)), {"GTE_NotAnswering"}, 60),
    "errors in one task": (lambda stack: load(stack, FAILING_TASK, 12), {"GTE_ErrorRateHigh"}, 120),
    "errors in all tasks": (
        lambda stack: both(mixed_load(stack, 3, 0.1), load(stack, FAILING_TASK, 40)), {"GTE_ErrorRateHigh"}, 120,
    ),
    "one task slow": (
        lambda stack: both(starved(stack), load(stack, LONG_QUESTION, 4)), {"GTE_TaskLatencyHigh"}, 210,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_by_its_alert_alone_and_in_one_message(observer: Observer, name: str) -> None:
    fault, alerts, limit = FAULTS[name]
    told = observer.observe(name, fault(observer.stack), alerts, limit)
    assert [one.status for one in told] == ["firing", "resolved"]


def test_requests_of_which_none_finishes_are_told_by_one_alert_of_two(observer: Observer) -> None:
    """With the shipped settings they end by their deadline of 30 s, and are errors."""
    stack = observer.stack
    patient = replace(stack, environ={**stack.environ, "GTE_DEADLINE_SECONDS": "300", "GTE_HANG_SECONDS": "3600"})
    anew = ("up", "-d", "--wait", "--no-deps", "--no-build", "gte-service")
    compose(patient, *anew)
    try:
        with mixed_load(stack, 1, 0.5):
            pass_time(2 * AFTERMATH_SECONDS)
            observer.wait_until_quiet()
            began = time.time()
            with stuck(stack):
                wait_for(lambda: observer.told(began), "an alert in the inbox", 300)
                pass_time(AFTERMATH_SECONDS)
            ended = time.time()
            wait_for(lambda: observer.told(began)[-1].status == "resolved", "its end", RESOLVE_SECONDS)
            observer.wait_until_quiet()
    finally:
        compose(stack, *anew)
    told = observer.told(began)
    (alert,) = {alert for one in told for alert in one.alerts}
    noticed, resolved = told[0].at - began, told[-1].at - ended
    observer.note(Row("requests in flight, none finishes", (alert,), noticed, 120, resolved, 0), began)
    assert alert in {"GTE_TaskStuck", "GTE_NotAnswering"}
    assert noticed <= 120


SILENCES: Mapping[str, Callable[[Stack], AbstractContextManager[object]]] = {
    "Prometheus killed": lambda stack: killed(stack, "prometheus"),
    "Alertmanager killed": lambda stack: killed(stack, "alertmanager"),
    "Prometheus in no network": lambda stack: cut_off(stack, "prometheus"),
}


@pytest.mark.parametrize("name", SILENCES)
def test_monitoring_that_is_dead_is_told_by_the_inbox_itself(observer: Observer, name: str) -> None:
    observer.observe_silence(name, SILENCES[name](observer.stack))


def test_a_full_disk_of_prometheus_is_told_by_the_inbox_itself(observer: Observer, tmp_path: Path) -> None:
    observer.observe_silence("Prometheus' disk full", full_disk_of_prometheus(observer.stack, tmp_path))


def test_a_kill_of_alertmanager_while_an_alert_fires_repeats_and_loses_nothing(observer: Observer) -> None:
    def kill() -> None:
        compose(observer.stack, "kill", "alertmanager")
        compose(observer.stack, "start", "alertmanager")

    told = observer.observe("… and Alertmanager killed meanwhile", killed(observer.stack), DOWN, 60, once_noticed=kill)
    assert [one.status for one in told] == ["firing", "resolved"]
    assert observer.rows[-1].messages == 2


def test_an_end_while_the_inbox_is_away_reaches_it_once_it_is_back(observer: Observer) -> None:
    """Alertmanager may have told by then that the inbox didn't answer."""
    stack = observer.stack
    observer.wait_until_quiet()
    began = time.time()

    def told() -> list[str]:
        return [one.status for one in observer.told(began) if one.alerts == DOWN]

    with killed(stack):
        wait_for(told, "the alert in the inbox", 120)
        wait_for(lambda: observer.chat.messages(began), "the alert in the chat", CHAT_SECONDS)
        compose(stack, "kill", "alert-inbox")
    try:
        query = 'ALERTS{alertname="GTE_ServiceDown"}'
        wait_for(lambda: not stack.query(query), "the end in Prometheus", 120)
        pass_time(AFTERMATH_SECONDS)
    finally:
        compose(stack, "start", "alert-inbox")
    back = time.time()
    wait_for(lambda: observer.heard("OVER", DOWN, began), "the end in the chat", 120)
    observer.note(Row("… and the inbox killed meanwhile", tuple(DOWN), math.nan, 60, time.time() - back, 0), began)
    observer.wait_until_quiet()
    assert told() == ["firing", "resolved"]
    assert [any(name in text for name in DOWN) for _, text in observer.chat.messages(began)].count(True) == 2
    assert {alert for one in observer.told(began) for alert in one.alerts} <= DOWN | {"NotificationsFailing"}


def test_a_chat_that_is_away_gets_everything_once_it_is_back(observer: Observer) -> None:
    """Both notices wait, and become one message."""
    observer.wait_until_quiet()
    began = time.time()
    observer.chat.behave(away=True)
    try:
        with killed(observer.stack):
            wait_for(lambda: observer.told(began), "the alert in the inbox", 120)
        wait_for(lambda: len(observer.told(began)) == 2, "its end in the inbox", RESOLVE_SECONDS)
        assert observer.chat.messages(began) == []
    finally:
        observer.chat.behave(away=False)
    back = time.time()
    wait_for(lambda: observer.chat.messages(began), "the messages", 75)
    observer.note(Row("… and the chat away", tuple(DOWN), observer.told(began)[0].at - began, 60, 0, 0), began)
    print(f"told {observer.chat.messages(began)[0][0] - back:.0f} s after the chat was back")
    assert "GTE_ServiceDown" in observer.chat.messages(began)[0][1]


def test_with_the_disk_of_the_inbox_full_the_chat_is_told_once(observer: Observer) -> None:
    observer.wait_until_quiet()
    began = time.time()

    def told(word: str) -> list[float]:
        messages = observer.chat.messages(began)
        return [at for at, text in messages if word in text.splitlines()[0] and "GTE_ServiceDown" in text]

    with killed(observer.stack):
        with full_disk(observer.stack):
            wait_for(lambda: told("FIRING"), "the alert in the chat", 120)
            assert observer.told(began) == [], "the inbox could write"
            pass_time(AFTERMATH_SECONDS)
        # Alertmanager tells no end of what it could not tell.
        wait_for(lambda: observer.told(began), "the alert in the inbox after all", 300)
    ended = time.time()
    wait_for(lambda: told("OVER"), "its end in the chat", RESOLVE_SECONDS)
    pass_time(AFTERMATH_SECONDS)
    row = Row("… and the inbox's disk full", tuple(DOWN), told("FIRING")[0] - began, 60, told("OVER")[0] - ended, 0)
    observer.note(row, began)
    assert (len(told("FIRING")), len(told("OVER"))) == (1, 1)


def test_ten_times_the_load_is_no_fault(observer: Observer) -> None:
    observer.wait_until_quiet()
    began = time.time()
    with mixed_load(observer.stack, 1, 0.2):
        pass_time(2 * AFTERMATH_SECONDS)
    with mixed_load(observer.stack, 10, 0.2):
        pass_time(5 * AFTERMATH_SECONDS)
    observer.note(Row("ten times the load", (), math.nan, math.nan, math.nan, 0), began)
    assert (observer.told(began), observer.chat.messages(began)) == ([], [])


def test_a_model_folder_that_is_damaged_is_told(observer: Observer, tmp_path: Path) -> None:
    stack, folder = observer.stack, tmp_path / "model"
    compose(stack, "cp", "gte-service:/models/builtin-lexical", str(folder))
    stack.must("chmod", "-R", "a+rX", str(tmp_path))
    stack.must(*MAKE, "up", f"GTE_MODEL_DIR={folder}")
    try:
        # 5 min of its own, for a model may be loaded for so long, after a minute in which it was ready once.
        observer.observe("model folder damaged", damaged(stack, folder), {"GTE_ModelNotReady"}, 400)
    finally:
        stack.must(*MAKE, "demo")
