"""Sends what waits, a thread for each target; another reads their file again, hears the silence, sends heartbeats."""

import atexit
import logging
import threading
import time
import traceback
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from pathlib import Path
from typing import Final

from alert_inbox.advice import advise
from alert_inbox.errors import StoreError
from alert_inbox.fetch import fetch
from alert_inbox.language import ENGLISH
from alert_inbox.metrics import Metrics
from alert_inbox.outbox import Outbox, Waiting
from alert_inbox.robots import Outcome, Robot, robot_for
from alert_inbox.settings import Settings
from alert_inbox.store import Store
from alert_inbox.targets import WECOM, Fault, Target, read_targets
from alert_inbox.watchdog import Watchdog
from alert_inbox.wording import Message, News, Places, compose

log = logging.getLogger(__name__)

# How often the file and the watchdog are looked at, and the store for what waits, in seconds.
_PERIOD: Final = 1.0
_LOOK: Final = 5.0
# Pauses between attempts, in seconds: doubled from the first up to the last.
_FIRST_PAUSE: Final = 5.0
_LAST_PAUSE: Final = 60.0
_LONGEST_BAN: Final = 600.0

_HEARTBEAT: Final = 60.0
_UNSENT: Final = timedelta(minutes=5)


class Pace:
    """Keeps a target's limits, over restarts, and together with `make notify-test`, a process of its own."""

    def __init__(self, outbox: Outbox, target: Target) -> None:
        self._outbox = outbox
        self._target = target
        self._times: list[float] = []
        self._not_before = 0.0
        self._is_readable = True

    def wait(self, limits: Sequence[tuple[int, float]]) -> float:
        """Return how many seconds to wait before the next attempt."""
        self._read()
        now = time.time()
        times = self._lately(now)
        waits = [0.0, self._not_before - now if self._not_before - now <= _LONGEST_BAN else 0.0]
        waits += [times[-count] + seconds - now for count, seconds in limits if len(times) >= count]
        return max(waits)

    def note(self, pause: float = 0.0) -> None:
        """Note an attempt that begins now or, if a pause is given, that the target wants one."""
        self._read()
        now = time.time()
        if pause:
            self._not_before = now + pause
        else:
            self._times = [*self._lately(now), now]
        try:
            self._outbox.set_pace(self._target, self._times, self._not_before)
        except StoreError:
            # The disk is full: this process remembers.
            log.debug("the pace of %s is not stored", self._target.name)

    def _lately(self, now: float) -> list[float]:
        # A clock that was set back must not hold everything up.
        return sorted(moment for moment in self._times if now - 120 < moment <= now)

    def _read(self) -> None:
        """Take in what another process has noted; what this one could not store stays."""
        try:
            times, not_before = self._outbox.pace(self._target)
        except StoreError as error:
            if self._is_readable:
                log.warning("when %s was sent something is not known: %s", self._target.name, error)
            self._is_readable = False
            return
        self._is_readable = True
        self._times = [*times, *(moment for moment in self._times if moment not in times)]
        self._not_before = max(self._not_before, not_before)


class _Postman(threading.Thread):
    """Sends to one target, once the one before it has ended."""

    def __init__(
        self, target: Target, outbox: Outbox, places: Places, metrics: Metrics, before: "_Postman | None"
    ) -> None:
        super().__init__(name=target.name, daemon=True)
        self._before = before
        self.target = target
        self._robot: Robot = robot_for(target)
        self._outbox = outbox
        self._places = places
        self._metrics = metrics
        self._pace = Pace(outbox, target)
        self._failures = 0
        self.wake = threading.Event()
        self.stopped = False
        metrics.add_target(target.name)

    def run(self) -> None:
        if self._before:
            self._before.join()
        while not self.stopped:
            try:
                pause = self._round()
            except Exception as error:  # noqa: BLE001 - a fault of ours must not make this target deaf
                log.error("sending to %s failed: %s", self.target.name, _where(error))
                pause = _LAST_PAUSE
            self.wake.wait(pause)
            self.wake.clear()

    def _round(self) -> float:
        """Send one message, if something waits and may be sent; returns how many seconds nothing needs to be done."""
        self._outbox.settle(self.target)
        if (pause := self._pace.wait(self._robot.limits)) > 0:
            return min(pause, _LOOK)
        items = self._outbox.waiting(self.target)
        if not items:
            return _LOOK
        message, chosen = compose(
            [item.news for item in items], self.target, self._places, self._robot.budget, self._robot.size
        )
        batch = [items[place] for place in chosen]
        if not self._outbox.begin(batch):
            return 0
        self._pace.note()
        try:
            outcome = self._robot.send(message)
        except Exception as error:  # noqa: BLE001 - a message that we can't send must not keep back those behind it
            log.error("a message to %s can't be sent: %s", self.target.name, _where(error))
            outcome = Outcome("refused", type(error).__name__, "other")
        self._end(batch, message, outcome)
        return 0

    def _end(self, batch: list[Waiting], message: Message, outcome: Outcome) -> None:
        follow_up = None
        if outcome.state == "sent" and message.mention and self.target.kind == WECOM and not message.only_mention:
            follow_up = News(datetime.now(UTC), kind="mention", text=message.title)
        self._outbox.end(batch, outcome, follow_up, self.target)
        self._metrics.messages.labels(self.target.name, outcome.state if outcome.state != "waiting" else "failed").inc()
        if outcome.state == "sent":
            log.info("sent to %s: news: %d", self.target.name, len(batch))
            self._failures = 0
            return
        advice = advise(outcome.advice, outcome.clock, ENGLISH)
        log.warning("%s did not take a message (%s): %s", self.target.name, outcome.words, advice)
        if outcome.state == "waiting":
            pause = outcome.pause or min(_LAST_PAUSE, _FIRST_PAUSE * 2**self._failures)
            self._failures = min(self._failures + 1, 10)
            self._pace.note(pause)


class Post(threading.Thread):
    """Runs the postmen of all targets; reads the file of targets, hears the silence, calls the heartbeat's address."""

    def __init__(self, settings: Settings, store: Store, watchdog: Watchdog, metrics: Metrics) -> None:
        super().__init__(name="post", daemon=True)
        self._settings = settings
        self._store = store
        self._watchdog = watchdog
        self._metrics = metrics
        self._places = Places(settings.zone, settings.inbox_url)
        self._postmen: dict[str, _Postman] = {}
        self._stop = threading.Event()
        # The file's state when it was taken over last, and one that took a target away and has to be seen twice.
        self._file: object = None
        self._doubted: object = None
        # What the chats were told of the watchdog, and the time that was named; None: not looked up yet.
        self._told: tuple[str, datetime | None] | None = None
        self._beat = 0.0
        self._withheld = ""
        self.outbox = Outbox(store, self._wake)
        self.faults: list[Fault] = []

    def begin(self) -> None:
        """Read the file, and start."""
        self._read_file()
        self.start()
        # So that no message is doubled because the process ends between its answer and our note of it.
        atexit.register(self._end)

    def _end(self) -> None:
        self._stop.set()
        for postman in self._postmen.values():
            postman.stopped = True
        self._wake()
        deadline = time.monotonic() + 5
        for postman in self._postmen.values():
            postman.join(max(0.0, deadline - time.monotonic()))

    def _wake(self) -> None:
        for postman in list(self._postmen.values()):
            postman.wake.set()

    def run(self) -> None:
        while not self._stop.wait(_PERIOD):
            for duty in (self._read_file, self._hear, self._send_heartbeat):
                try:
                    duty()
                except StoreError as error:
                    log.warning("the post has to wait: %s", error)
                except Exception as error:  # noqa: BLE001 - the other duties go on
                    log.error("the post failed: %s", _where(error))

    def _read_file(self) -> None:
        path = self._settings.notify_file
        state = _state(path)
        if state == self._file:
            return
        targets, faults = read_targets(path)
        old = {key: postman.target for key, postman in self._postmen.items()}
        if faults:
            # A line that an edit broke, or a file that can't be read, stays what it was: nobody misses news meanwhile.
            known = {*(target.key for target in targets), *(target.name for target in targets)}
            targets += [target for target in old.values() if not known & {target.key, target.name}]
        gone = {*old} - {target.key for target in targets}
        if gone and state != self._doubted:
            # An editor may have emptied the file or moved it away a moment before it writes: look once more.
            self._doubted = state
            return
        for fault in faults:
            log.error("%s", fault)
        changed = [target for target in targets if target.key in old and _options(target) != _options(old[target.key])]
        new = [target for target in targets if target.key not in old]
        self.outbox.change_targets(targets, changed, new, complete=not faults)
        before = {}
        for key in gone | {target.key for target in changed}:
            stopped = self._postmen.pop(key)
            stopped.stopped = True
            stopped.wake.set()
            # Who comes to its line takes over what waits for it.
            before[key] = before[stopped.target.name] = stopped
        for target in targets:
            if target.key in self._postmen:
                self._postmen[target.key].target = target
                continue
            previous = before.get(target.key) or before.get(target.name)
            postman = _Postman(target, self.outbox, self._places, self._metrics, previous)
            self._postmen[target.key] = postman
            postman.start()
        self.faults = faults
        self._metrics.notify_file_faults.set(len(faults))
        self._file = state
        if targets or old:
            log.info("messages go to: %s", ", ".join(target.name for target in targets) or "nobody")

    def _hear(self) -> None:
        """Tell every target when monitoring falls silent, and when it is back."""
        state = self._watchdog.state()
        if self._told is None:
            self._told = self.outbox.last_event("silent", "back") or ("back", None)
        kind, since = self._told
        if not self.outbox.targets or state.silent == (kind == "silent"):
            return
        # After a restart it isn't silent for a while, and hasn't been heard either.
        if kind == "silent" and state.heard_at == since:
            return
        kind, since = ("silent", state.heard_at) if state.silent else ("back", since)
        self._told = (kind, since)
        self.outbox.add_event(News(datetime.now(UTC), kind=kind, since=since), self.outbox.targets)

    def _send_heartbeat(self) -> None:
        """Call the heartbeat's address each minute, while everything is well."""
        url = self._settings.heartbeat_url
        if not url or time.monotonic() - self._beat < _HEARTBEAT:
            return
        self._beat = time.monotonic()
        why = self._why_not()
        outcome = "withheld"
        if not why:
            try:
                status, _, _ = fetch(urllib.request.Request(url))  # noqa: S310 - settings.py takes http(s) only
                outcome, why = ("sent", "") if status < 300 else ("failed", f"it answered HTTP {status}")
            except (OSError, HTTPException, ValueError) as error:
                # Not its text, which may name the address.
                outcome, why = "failed", f"it doesn't answer ({type(error).__name__})"
        self._metrics.heartbeats.labels(outcome).inc()
        if why != self._withheld:
            log.warning("heartbeat %s: %s", outcome, why or "all is well again")
        self._withheld = why

    def _why_not(self) -> str:
        state = self._watchdog.state()
        if state.silent or state.heard_at is None:
            return "the watchdog is silent"
        try:
            self._store.check_writable()
            standings = self.outbox.standings()
        except StoreError as error:
            return str(error)
        for target, standing in standings:
            if standing.oldest and datetime.now(UTC) - standing.oldest > _UNSENT:
                return f"a message waits for {target.name}"
            if standing.refuses:
                return f"{target.name} refuses messages"
        return "; ".join(self.faults)


def _state(path: Path | None) -> object:
    """Return what changes when the file of targets changes, or who may read it."""
    try:
        stat = path.stat() if path else None
    except OSError as error:
        return str(error)
    return (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino) if stat else ""


def _where(error: Exception) -> str:
    """Return the kind of an error and where it arose, without its text, which may hold a secret."""
    return f"{type(error).__name__}\n{''.join(traceback.format_tb(error.__traceback__))}"


def _options(target: Target) -> tuple[object, ...]:
    return (target.secret, target.mention, target.least, target.words.tag, target.keyword)
