"""Keeps what is to be sent to each target, and how that ended: in the store, or in memory while it fails."""

import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from alert_inbox.errors import StoreError
from alert_inbox.payload import Notification
from alert_inbox.robots import Outcome
from alert_inbox.store import ANSWER_SIZE, REPEAT_WINDOW, Recipient, Store, Stored
from alert_inbox.targets import Target
from alert_inbox.wording import News, rank, wanted

log = logging.getLogger(__name__)

# A refused message is tried again when the target's line is changed, unless it is older than this.
_SECOND_CHANCE = timedelta(hours=1)
# Ended messages without a notification (the watchdog's, mentions, tests) that are kept.
_KEPT_EVENTS = 1000


@dataclass(eq=False)
class Waiting:
    """One thing that waits for one target; `id` is None while it is in memory only."""

    id: int | None
    news: News
    key: str
    name: str
    in_flight: bool = False


@dataclass(frozen=True)
class Delivery:
    """How the sending of one thing to one target stands: `state` is `waiting`, `sent` or `refused`."""

    name: str
    state: str
    at: datetime | None
    """When it was sent or refused, or tried last."""
    words: str
    advice: str
    clock: int


@dataclass(frozen=True)
class Standing:
    """How a target stands."""

    waiting: int
    oldest: datetime | None
    last: Delivery | None
    """How the last message ended."""

    @property
    def refuses(self) -> bool:
        """Whether it refused the last message in a way that no repeat will mend."""
        return bool(self.last and self.last.state == "refused")


@dataclass
class _Memory:
    """What the store could not take. All of it is lost with the process; Alertmanager then sends it again."""

    waiting: list[Waiting] = field(default_factory=list)
    # By group: what was queued here last, and when.
    queued: dict[str, tuple[bytes, float]] = field(default_factory=dict)
    # Ended in the world and not yet in the store, by id.
    ended: dict[int, tuple[Outcome, datetime]] = field(default_factory=dict)


class Outbox:
    """The messages that wait, and those that have ended. Its methods may be called from any thread."""

    def __init__(self, store: Store, wake: Callable[[], None]) -> None:
        self._store = store
        self._wake = wake
        self._lock = threading.Lock()
        self._memory = _Memory()
        self.targets: Sequence[Target] = ()

    def add(self, notification: Notification, unconfirmed: bool) -> tuple[Stored, bool]:
        """Store a notification together with what is to be sent of it; returns it, and whether it is new.

        Raises:
            StoreError: It can't be stored. It is sent all the same, once however often Alertmanager comes back.
        """
        news = News(datetime.now(UTC), notification, unconfirmed=unconfirmed)
        targets = [target for target in self.targets if wanted(news, target)]
        told = hashlib.sha256(f"{notification.is_reminder} {notification.identity()}".encode()).digest()
        with self._lock:
            queued = self._memory.queued.get(notification.group_key)
            is_queued = bool(queued and queued[0] == told and time.monotonic() - queued[1] < REPEAT_WINDOW.seconds)
            # Messages that have not left yet go over into the store.
            moved = [item for item in self._memory.waiting if _is_about(item, notification) and not item.in_flight]
            for item in moved:
                item.in_flight = True
        keys = {item.key for item in moved}
        try:
            stored = self._store.add(
                notification,
                [Recipient(to.key, to.name, rank(news, to), is_queued and to.key not in keys) for to in targets],
                unconfirmed,
            )
        except StoreError:
            with self._lock:
                for item in moved:
                    item.in_flight = False
                if not is_queued:
                    self._memory.queued[notification.group_key] = (told, time.monotonic())
                    news = replace(news, unrecorded=True)
                    self._memory.waiting += [Waiting(None, news, target.key, target.name) for target in targets]
            self._wake()
            raise
        with self._lock:
            if is_queued:
                del self._memory.queued[notification.group_key]
                self._memory.waiting = [item for item in self._memory.waiting if item not in moved]
            else:
                for item in moved:
                    item.in_flight = False
        self._wake()
        return stored

    def add_event(self, news: News, targets: Iterable[Target]) -> None:
        """Queue news of our own for targets."""
        rows = [
            (news.kind, news.since.isoformat() if news.since else None, news.text, target.key, target.name,
             news.queued_at.isoformat())
            for target in targets
        ]  # fmt: skip
        try:
            with self._store.connect() as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(
                    "INSERT INTO deliveries (kind, since, text, target, name, queued_at, urgency)"
                    " VALUES (?, ?, ?, ?, ?, ?, 1)",
                    rows,
                )
                connection.execute(
                    "DELETE FROM deliveries WHERE notification_id IS NULL AND state <> 'waiting'"
                    " AND id <= (SELECT max(id) FROM deliveries) - ?",
                    (_KEPT_EVENTS,),
                )
                connection.execute("COMMIT")
        except StoreError as error:
            log.warning("news of the inbox itself is not stored, but sent: %s", error)
            with self._lock:
                self._memory.waiting += [Waiting(None, news, target.key, target.name) for target in targets]
        self._wake()

    def last_event(self, *kinds: str) -> tuple[str, datetime | None] | None:
        """Return kind and time of the last news of our own among these kinds; None if there was none."""
        marks = ", ".join("?" * len(kinds))
        with self._store.connect() as connection:
            row = connection.execute(
                f"SELECT kind, since FROM deliveries WHERE kind IN ({marks}) ORDER BY id DESC LIMIT 1",  # noqa: S608
                kinds,
            ).fetchone()
        return (row[0], datetime.fromisoformat(row[1]) if row[1] else None) if row else None

    def note_test(self, target: Target, news: News, outcome: Outcome) -> None:
        """Store how a test message ended; one that failed is not repeated."""
        state = "sent" if outcome.state == "sent" else "refused"
        now = datetime.now(UTC).isoformat()
        with self._store.connect() as connection:
            connection.execute(
                "INSERT INTO deliveries (kind, target, name, queued_at, urgency, state, at, words, advice, clock)"
                " VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?)",
                (news.kind, target.key, target.name, now, state, now, outcome.words, outcome.advice, outcome.clock),
            )

    def waiting(self, target: Target) -> list[Waiting]:
        """Return what waits for a target, the urgent and then the oldest first; not all of it, if it is very much."""
        with self._lock:
            items = [item for item in self._memory.waiting if item.key == target.key and not item.in_flight]
            ended = set(self._memory.ended)
        size = 0
        try:
            with self._store.connect() as connection:
                rows = connection.execute(
                    "SELECT d.id, d.queued_at, d.kind, d.since, d.text, d.unconfirmed, n.payload"
                    " FROM deliveries d LEFT JOIN notifications n ON n.id = d.notification_id"
                    " WHERE d.target = ? AND d.state = 'waiting' ORDER BY d.urgency DESC, d.id",
                    (target.key,),
                )
                for identifier, queued_at, kind, since, text, unconfirmed, payload in rows:
                    if identifier in ended:
                        continue
                    size += len(payload or "")
                    if items and size > ANSWER_SIZE:
                        break
                    news = News(
                        datetime.fromisoformat(queued_at),
                        Notification.of(json.loads(payload)) if payload else None,
                        kind,
                        datetime.fromisoformat(since) if since else None,
                        text,
                        bool(unconfirmed),
                    )
                    items.append(Waiting(identifier, news, target.key, target.name))
        except StoreError as error:
            log.warning("what waits for %s can't be read: %s", target.name, error)
        return items

    def begin(self, items: Sequence[Waiting]) -> bool:
        """Note that an attempt to send these begins; False if one of them has just gone over into the store."""
        with self._lock:
            if any(item.in_flight for item in items):
                return False
            for item in items:
                item.in_flight = True
        return True

    def end(self, items: Sequence[Waiting], outcome: Outcome, follow_up: News | None, target: Target) -> None:
        """Note how an attempt ended; `follow_up` is queued in the same transaction."""
        now = datetime.now(UTC)
        with self._lock:
            for item in items:
                item.in_flight = False
                if outcome.state != "waiting" and item.id is None and item in self._memory.waiting:
                    self._memory.waiting.remove(item)
            self._memory.ended |= {item.id: (outcome, now) for item in items if item.id is not None}
        try:
            self._write_ended(follow_up, target)
        except StoreError as error:
            log.warning("how a message to %s ended is not stored yet: %s", target.name, error)
            with self._lock:
                if follow_up:
                    self._memory.waiting.append(Waiting(None, follow_up, target.key, target.name))
                # A message that is to be repeated needs no note.
                self._memory.ended = {i: e for i, e in self._memory.ended.items() if e[0].state != "waiting"}

    def settle(self, target: Target) -> None:
        """Store what could not be stored before."""
        if self._memory.ended:
            self.end((), Outcome("waiting"), None, target)

    def _write_ended(self, follow_up: News | None, target: Target) -> None:
        with self._lock:
            ended = dict(self._memory.ended)
        with self._store.connect() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "UPDATE deliveries SET state = ?, at = ?, words = ?, advice = ?, clock = ?"
                " WHERE id = ? AND state = 'waiting'",
                [(o.state, at.isoformat(), o.words, o.advice, o.clock, i) for i, (o, at) in ended.items()],
            )
            if follow_up:
                connection.execute(
                    "INSERT INTO deliveries (kind, text, target, name, queued_at, urgency) VALUES (?, ?, ?, ?, ?, 1)",
                    (follow_up.kind, follow_up.text, target.key, target.name, follow_up.queued_at.isoformat()),
                )
            connection.execute("COMMIT")
        with self._lock:
            for identifier in ended:
                self._memory.ended.pop(identifier, None)

    def change_targets(
        self, targets: Sequence[Target], changed: Sequence[Target], new: Sequence[Target], complete: bool
    ) -> None:
        """Take over the targets of the file.

        Args:
            targets: all of them.
            changed: those whose line has other options than before: what they refused is tried again.
            new: those that were not there before. Messages that were given up when such a target was taken out wait
                again. It also gets the messages that another address in its line refused or had not taken.
            complete: whether every line could be read; if so, nothing waits any longer for a target that isn't there.
        """
        self.targets = targets
        now = datetime.now(UTC)
        since = (now - _SECOND_CHANCE).isoformat()
        keys = [target.key for target in targets]
        others = f"target NOT IN ({', '.join('?' * len(keys))})"
        try:
            with self._store.connect() as connection:
                connection.executemany(
                    "UPDATE deliveries SET state = 'waiting' WHERE target = ? AND state = 'refused' AND queued_at > ?"
                    " AND kind <> 'test'",
                    [(target.key, since) for target in changed],
                )
                for target in new:
                    connection.execute(
                        "UPDATE deliveries SET state = 'waiting', advice = '' WHERE target = ? AND state = 'refused'"
                        " AND advice = 'removed' AND queued_at > ?",
                        (target.key, since),
                    )
                    connection.execute(
                        "UPDATE deliveries SET state = 'waiting', target = ?"  # noqa: S608 - only marks
                        " WHERE name = ? AND kind <> 'test'"
                        " AND (state = 'waiting' OR state = 'refused' AND advice <> 'removed' AND queued_at > ?)"
                        f" AND {others}",
                        (target.key, target.name, since, *keys),
                    )
                if complete:
                    connection.execute(
                        "UPDATE deliveries SET state = 'refused', at = ?, advice = 'removed'"  # noqa: S608 - marks only
                        f" WHERE state = 'waiting' AND {others}",
                        (now.isoformat(), *keys),
                    )
        except StoreError as error:
            log.warning("what waited for other lines of the file is left as it is: %s", error)

    def pace(self, target: Target) -> tuple[list[float], float]:
        """Return when the target was sent something lately, and before when it wants nothing, in Unix time."""
        with self._store.connect() as connection:
            row = connection.execute("SELECT times, not_before FROM pace WHERE target = ?", (target.key,)).fetchone()
        return (json.loads(row[0]), row[1]) if row else ([], 0.0)

    def set_pace(self, target: Target, times: list[float], not_before: float) -> None:
        """Store what `pace` returns."""
        with self._store.connect() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO pace (target, times, not_before) VALUES (?, ?, ?)",
                (target.key, json.dumps(times), not_before),
            )

    def deliveries(self, identifiers: Sequence[int]) -> Mapping[int, list[Delivery]]:
        """Return how the sending of notifications stands, by their ids."""
        found: dict[int, list[Delivery]] = {}
        marks = ", ".join("?" * len(identifiers))
        with self._store.connect() as connection:
            for identifier, *row in connection.execute(
                "SELECT notification_id, name, state, at, words, advice, clock FROM deliveries"  # noqa: S608
                f" WHERE notification_id IN ({marks}) ORDER BY id",
                identifiers,
            ):
                found.setdefault(identifier, []).append(_delivery(row))
        return found

    def standings(self) -> list[tuple[Target, Standing]]:
        """Return how each target stands."""
        with self._lock:
            memory = list(self._memory.waiting)
        found = []
        with self._store.connect() as connection:
            for target in self.targets:
                count, oldest = connection.execute(
                    "SELECT count(*), min(queued_at) FROM deliveries WHERE target = ? AND state = 'waiting'",
                    (target.key,),
                ).fetchone()
                row = connection.execute(
                    # A time ahead is of a clock that was set back since: perhaps the very fault that was refused.
                    "SELECT name, state, at, words, advice, clock FROM deliveries"
                    " WHERE target = ? AND at <= ? AND advice <> 'removed' ORDER BY at DESC LIMIT 1",
                    (target.key, datetime.now(UTC).isoformat()),
                ).fetchone()
                times = [item.news.queued_at for item in memory if item.key == target.key]
                count += len(times)
                times += [datetime.fromisoformat(oldest)] if oldest else []
                found.append((target, Standing(count, min(times, default=None), _delivery(row) if row else None)))
        return found


def _is_about(item: Waiting, notification: Notification) -> bool:
    other = item.news.notification
    return bool(
        other
        and (other.group_key, other.is_reminder) == (notification.group_key, notification.is_reminder)
        and other.identity() == notification.identity()
    )


def _delivery(row: Sequence[str | int | None]) -> Delivery:
    name, state, at, words, advice, clock = row
    return Delivery(
        str(name), str(state), datetime.fromisoformat(str(at)) if at else None, str(words), str(advice), int(clock or 0)
    )
