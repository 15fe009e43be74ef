"""Makes the faults that alerts are for, and sees who is told of what, and how soon: `make test-faults`.

No test of the normal run: it takes about an hour, and nothing else may use the machine. A table of the seconds is
printed at the end.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from tests.stack.boards import FAILING_TASK, load, mixed_load
from tests.stack.chat import Chat
from tests.stack.running import PROJECT, Stack, wait_for

# What the inbox may take to tell the chat.
CHAT_SECONDS = 5
# How long a fault goes on after it was noticed: whatever else would be told of it is told then.
AFTERMATH_SECONDS = 60
RESOLVE_SECONDS = 900


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
        """The notifications since then, oldest first."""
        query = urlencode({"from": datetime.fromtimestamp(since, UTC).isoformat(), "limit": 1000})
        found = json.loads(self.stack.get("ALERT_INBOX_PORT", f"/api/notifications?{query}"))["notifications"]
        return [
            Told(
                datetime.fromisoformat(one["received_at"]).timestamp(),
                one["status"],
                frozenset(each["labels"]["alertname"] for each in one["alerts"]),
            )
            for one in reversed(found)
        ]

    def wait_until_quiet(self) -> None:
        """Wait until nothing fires or waits, but for what tells nobody."""
        query = 'ALERTS{severity!~"info|none"}'
        wait_for(lambda: not self.stack.query(query), f"nothing fires, not {self.stack.query(query)}", RESOLVE_SECONDS)

    def observe(self, name: str, fault: AbstractContextManager[object], alerts: set[str], limit: float) -> None:
        """Make a fault until it is told, end it, and check that exactly these alerts were told of it and resolved."""
        self.wait_until_quiet()
        began = time.time()

        def now_told(status: str) -> set[str]:
            latest = {alert: one.status for one in self.told(began) for alert in one.alerts}
            return {alert for alert, state in latest.items() if state == status}

        with fault:
            wait_for(lambda: alerts <= now_told("firing"), f"{alerts} firing, not {now_told('firing')}", 3 * limit)
            noticed = max(self._first(began, alert) for alert in alerts)
            self._stay(AFTERMATH_SECONDS)
        ended = time.time()
        wait_for(lambda: alerts <= now_told("resolved"), f"{alerts} resolved", RESOLVE_SECONDS)
        self.wait_until_quiet()
        told = self.told(began)
        resolved = max((one.at for one in told if one.status == "resolved"), default=ended)
        wait_for(lambda: self._chat_has(told, began), "the chat has all of it", 2 * CHAT_SECONDS)
        messages = self.chat.messages(began)
        row = Row(name, tuple(sorted(alerts)), noticed - began, limit, resolved - ended, len(messages))
        self.rows.append(row)
        print(row, *(f"\n  {one.at - began:6.1f} {one.status} {sorted(one.alerts)}" for one in told))
        for at, text in messages:
            print(f"  chat {at - began:6.1f} {text.splitlines()[0]}")
        assert {alert for one in told for alert in one.alerts} == alerts
        assert noticed - began <= limit

    def _first(self, since: float, alert: str) -> float:
        return next(one.at for one in self.told(since) if alert in one.alerts)

    def _chat_has(self, told: list[Told], since: float) -> bool:
        messages = self.chat.messages(since)
        return all(any(alert in text for _, text in messages) for one in told for alert in one.alerts)

    def _stay(self, seconds: float) -> None:
        over = time.time() + seconds
        wait_for(lambda: time.time() > over, "time passes", seconds + 5)


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


def signalled(stack: Stack, begin: str, end: str, process: str) -> AbstractContextManager[None]:
    """Signals to processes of gte-service, by their command line."""

    def command(signal: str) -> tuple[str, ...]:
        each = f"for f in $(grep -l '{process}' /proc/[0-9]*/cmdline); do kill -{signal} $(echo $f | cut -d/ -f3); done"
        return ("exec", "-T", "gte-service", "sh", "-c", f"{each} 2>/dev/null; true")

    return ended_by(stack, command(begin), command(end))
