"""Keeps the notifications in one SQLite file that survives a crash of the process or of the machine."""

import hashlib
import json
import logging
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote

from alert_inbox.errors import StoreError
from alert_inbox.payload import Notification

log = logging.getLogger(__name__)

# Alertmanager tells the same thing again when our answer got lost (a crash after the commit, a cut connection), within
# about a second and until we are back; and when it was killed before it had written down that it has told: then once
# Prometheus has sent the alerts anew, a minute later or whenever it is started again. Neither is news, and no payload
# has an id. So one that tells what the latest of its group told is a repetition, unless Alertmanager calls it a
# reminder, which people must see. Comparing with the latest alone keeps firing, resolved, firing as three.
# An Alertmanager before 0.33 doesn't give its reason: there too, nothing is a reminder sooner than the shortest
# repeat_interval of alertmanager.yml, 1 h.
REPEAT_WINDOW: Final = timedelta(minutes=50)
# A reminder repeats the one before it if it comes so soon; nobody wants to be reminded as often.
REMINDER_WINDOW: Final = timedelta(minutes=5)

# How long a statement waits for another program that holds the file (a backup), in seconds.
BUSY_TIMEOUT: Final = 2.0

# One answer holds no more than this, in characters of JSON, or else a single notification, whatever limit was
# asked for: the page of a megabyte costs some 20 MB while it is made, and four are made at once, in 256 MB.
ANSWER_SIZE: Final = 1_000_000

_SCHEMA_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE notifications (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    received_at TEXT NOT NULL,
    status TEXT NOT NULL,
    group_key TEXT NOT NULL,
    digest BLOB NOT NULL,
    payload TEXT NOT NULL
);
CREATE INDEX notifications_group_key ON notifications (group_key);
CREATE TABLE alert_names (
    alertname TEXT NOT NULL,
    notification_id INTEGER NOT NULL REFERENCES notifications (id) ON DELETE CASCADE,
    PRIMARY KEY (alertname, notification_id)
) WITHOUT ROWID;
CREATE INDEX alert_names_notification_id ON alert_names (notification_id);
"""
# Added later. An older inbox passes over it, so the layout keeps its number, and going back to that inbox works.
_WATCHDOG: Final = """
CREATE TABLE IF NOT EXISTS watchdog (id INTEGER PRIMARY KEY CHECK (id = 1), heard_at TEXT NOT NULL)
"""
# Messages to chats (outbox.py), stored in the transaction of the notification that they tell. `urgency`: 1 before 0.
_OUTBOX: Final = """
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    notification_id INTEGER REFERENCES notifications (id) ON DELETE CASCADE,
    kind TEXT NOT NULL DEFAULT '',
    since TEXT,
    text TEXT NOT NULL DEFAULT '',
    unconfirmed INTEGER NOT NULL DEFAULT 0,
    urgency INTEGER NOT NULL,
    target TEXT NOT NULL,
    name TEXT NOT NULL,
    queued_at TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting',
    at TEXT,
    words TEXT NOT NULL DEFAULT '',
    advice TEXT NOT NULL DEFAULT '',
    clock INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS deliveries_target ON deliveries (target, state);
CREATE INDEX IF NOT EXISTS deliveries_target_at ON deliveries (target, at);
CREATE INDEX IF NOT EXISTS deliveries_notification_id ON deliveries (notification_id);
CREATE TABLE IF NOT EXISTS pace (target TEXT PRIMARY KEY, times TEXT NOT NULL, not_before REAL NOT NULL)
"""

# The labels of an alert that a query may name.
_LABELS: Final = {"alertname": "alertname", "severity": "severity", "task_type": "task"}
_HAS_ALERT: Final = " AND ".join(
    f"(:{name} IS NULL OR json_extract(alert.value, '$.labels.{label}') = :{name})" for label, name in _LABELS.items()
)

# As long as a notification of a few alerts.
_TRIAL: Final = "x" * 8192

# Advice for an error, by the beginning of SQLite's name for it.
_ADVICE: Final = {
    "SQLITE_FULL": "free space on its disk or volume",
    "SQLITE_IOERR": "check whether its disk is full or failing",
    "SQLITE_BUSY": "another program holds it; end that program, or wait",
    "SQLITE_CANTOPEN": "check that its folder belongs to the inbox's user; a restart creates a missing file",
    "SQLITE_READONLY": "check that it and its folder belong to the inbox's user and are mounted writable",
    "SQLITE_NOTADB": "it is no SQLite file; move it away and restart to begin with an empty one",
    "SQLITE_CORRUPT": "it is damaged; a restart moves it aside and begins with an empty one",
}


@dataclass(frozen=True)
class Stored:
    """A notification with its number, and the time (UTC) at which it was received."""

    id: int
    received_at: datetime
    notification: Notification
    unconfirmed: bool = False
    """Whether monitoring was silent when it came: an end that it tells is to be doubted."""


@dataclass(frozen=True)
class Recipient:
    """A target that a notification is to be sent to, by its key and name; `is_told`: it has been, before this."""

    key: str
    name: str
    urgency: int
    is_told: bool = False


@dataclass(frozen=True)
class Query:
    """The notifications to find; None means any."""

    limit: int
    alertname: str | None = None
    severity: str | None = None
    task: str | None = None
    """The label `task_type`. Name, severity and task are those of one alert."""
    status: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Received from `since` on, and before `until`."""
    before: int | None = None
    """Only those older than the one with this id."""

    def takes(self, labels: Mapping[str, str]) -> bool:
        """Tell whether an alert with these labels has the name, severity and task."""
        return all(getattr(self, name) in (None, labels.get(label)) for label, name in _LABELS.items())


@dataclass(frozen=True)
class Found:
    """The newest that match, newest first, and the `before` of the next query (None: there are no older ones)."""

    notifications: list[Stored]
    next_before: int | None


class _Damaged(StoreError):
    """The file is SQLite's, and its pages don't fit together."""


class Store:
    """The database. Its methods may be called from any thread; they raise StoreError when it can't be used."""

    def __init__(self, path: Path, max_notifications: int) -> None:
        self._path = path
        self._max_notifications = max_notifications
        self._anchor: sqlite3.Connection | None = None

    def create(self) -> None:
        """Make the file and its tables where they don't exist yet, and drop what is beyond the bound.

        One that is damaged is moved aside: better an empty record than an inbox that tells nobody anything.
        """
        try:
            self._create()
        except StoreError as error:
            name = getattr(error.__cause__, "sqlite_errorname", "")
            if not (isinstance(error, _Damaged) or name.startswith("SQLITE_CORRUPT")):
                raise
            aside = self._path.with_name(f"{self._path.name}.damaged")
            try:
                for ending in ("", "-wal", "-shm"):
                    file = Path(f"{self._path}{ending}")
                    if file.exists():
                        file.replace(f"{aside}{ending}")
            except OSError:
                raise error from None
            log.error("%s; kept as %s. The inbox begins with an empty one; what waited is not sent", error, aside)
            self._create()

    def _create(self) -> None:
        with self.connect("rwc") as connection:
            # It reads the whole file, some 20 MB.
            if (found := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise _Damaged(f"database {self._path} is damaged: {' '.join(found.split())}")
            if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
                log.warning("%s: no write-ahead log on this file system; a backup will delay the inbox", self._path)
            connection.execute("BEGIN IMMEDIATE")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, _SCHEMA_VERSION):
                raise StoreError(
                    f"{self._path} was written by a newer inbox (layout {version}, this one knows "
                    f"{_SCHEMA_VERSION}); use the newer image, or move the file away"
                )
            if version == 0:
                for statement in _SCHEMA.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
            for statement in (_WATCHDOG, *_OUTBOX.split(";")):
                connection.execute(statement)
            if "unconfirmed" not in [row[1] for row in connection.execute("PRAGMA table_info (notifications)")]:
                connection.execute("ALTER TABLE notifications ADD COLUMN unconfirmed INTEGER NOT NULL DEFAULT 0")
            self._prune(connection)
            connection.execute("COMMIT")

    def open(self) -> None:
        """Hold one connection open until `close`. Call it in the process that uses the store, after any fork.

        Otherwise SQLite would fold the log into the file whenever the last connection closes, and on a full disk
        the next connection could not create the log's index again: not even reading would work.
        """
        try:
            self._anchor = sqlite3.connect(self._address("rw"), uri=True, timeout=BUSY_TIMEOUT, check_same_thread=False)
            self._anchor.execute("SELECT count(*) FROM notifications").fetchone()
        except sqlite3.Error as error:
            raise StoreError(self._explain(error)) from error

    def close(self) -> None:
        """Close the connection that `open` holds."""
        if self._anchor is not None:
            self._anchor.close()
            self._anchor = None

    def add(
        self, notification: Notification, recipients: Iterable[Recipient] = (), unconfirmed: bool = False
    ) -> tuple[Stored, bool]:
        """Store a notification and to whom it is to be sent; it is on the disk when this returns.

        Args:
            notification: what was received.
            recipients: whom to tell, if it is new.
            unconfirmed: whether an end that it tells is to be doubted.

        Returns:
            The stored notification, and whether it is new: False if it repeats the group's latest one.
        """
        payload = notification.to_json()
        digest = hashlib.sha256(notification.identity().encode()).digest()
        window = REMINDER_WINDOW if notification.is_reminder else REPEAT_WINDOW
        with self.connect() as connection:
            connection.execute("BEGIN IMMEDIATE")
            # After the wait for the lock: times are in the order of the ids.
            now = datetime.now(UTC)
            latest = connection.execute(
                "SELECT id, received_at, digest, payload FROM notifications WHERE group_key = ?"
                " ORDER BY id DESC LIMIT 1",
                (notification.group_key,),
            ).fetchone()
            # A reminder repeats nothing but a reminder.
            if (
                latest is not None
                and latest[2] == digest
                and (not notification.is_reminder or Notification.of(json.loads(latest[3])).is_reminder)
            ):
                received_at = datetime.fromisoformat(latest[1])
                # A clock that was set back gives a negative age: then rather show it twice.
                if timedelta(0) <= now - received_at < window:
                    return Stored(latest[0], received_at, notification), False
            cursor = connection.execute(
                "INSERT INTO notifications (received_at, status, group_key, digest, payload, unconfirmed)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (now.isoformat(), notification.status, notification.group_key, digest, payload, unconfirmed),
            )
            identifier = cursor.lastrowid or 0
            connection.executemany(
                "INSERT INTO alert_names (alertname, notification_id) VALUES (?, ?)",
                [(name, identifier) for name in sorted(notification.alert_names)],
            )
            connection.executemany(
                "INSERT INTO deliveries (notification_id, unconfirmed, target, name, urgency, queued_at, state, at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (identifier, unconfirmed, to.key, to.name, to.urgency, now.isoformat())
                    + (("sent", now.isoformat()) if to.is_told else ("waiting", None))
                    for to in recipients
                ],
            )
            self._prune(connection)
            connection.execute("COMMIT")
        return Stored(identifier, now, notification, unconfirmed), True

    def find(self, query: Query) -> Found:
        """Return the newest notifications that match; fewer than the limit where they are very long."""
        found: list[Stored] = []
        size = 0
        with self.connect() as connection:
            rows = connection.execute(
                "SELECT id, received_at, payload, unconfirmed FROM notifications"  # noqa: S608 - only our own names
                " WHERE (:status IS NULL OR status = :status) AND (:before IS NULL OR id < :before)"
                " AND (:alertname IS NULL"
                " OR id IN (SELECT notification_id FROM alert_names WHERE alertname = :alertname))"
                " AND (:since IS NULL OR received_at >= :since) AND (:until IS NULL OR received_at < :until)"
                " AND (coalesce(:severity, :task) IS NULL"
                f" OR EXISTS (SELECT 1 FROM json_each(payload, '$.alerts') AS alert WHERE {_HAS_ALERT}))"
                " ORDER BY id DESC LIMIT :limit + 1",
                {
                    "status": query.status,
                    "before": query.before,
                    "alertname": query.alertname,
                    "severity": query.severity,
                    "task": query.task,
                    "since": query.since and query.since.isoformat(),
                    "until": query.until and query.until.isoformat(),
                    "limit": query.limit,
                },
            )
            for identifier, received_at, payload, unconfirmed in rows:
                size += len(payload)
                if len(found) == query.limit or (found and size > ANSWER_SIZE):
                    return Found(found, next_before=found[-1].id)
                notification = Notification.of(json.loads(payload))
                found.append(Stored(identifier, datetime.fromisoformat(received_at), notification, bool(unconfirmed)))
        return Found(found, next_before=None)

    def count(self) -> int:
        """Return how many notifications are stored."""
        with self.connect() as connection:
            stored: int = connection.execute("SELECT count(*) FROM notifications").fetchone()[0]
            return stored

    def watchdog_heard_at(self) -> datetime | None:
        """Return when the watchdog was heard last, in UTC; None: never."""
        with self.connect() as connection:
            row = connection.execute("SELECT heard_at FROM watchdog").fetchone()
            return datetime.fromisoformat(row[0]) if row else None

    def set_watchdog_heard_at(self, moment: datetime) -> None:
        """Store when the watchdog was heard, in UTC, in place of the time before."""
        with self.connect() as connection:
            connection.execute("INSERT OR REPLACE INTO watchdog (id, heard_at) VALUES (1, ?)", (moment.isoformat(),))

    def check_writable(self) -> None:
        """Write what a notification needs, and take it back.

        Raises:
            StoreError: It can't be written.
        """
        with self.connect() as connection:
            connection.execute("INSERT OR REPLACE INTO pace (target, times, not_before) VALUES ('', ?, 0)", (_TRIAL,))
            connection.execute("DELETE FROM pace WHERE target = ''")

    def _prune(self, connection: sqlite3.Connection) -> None:
        connection.execute(
            "DELETE FROM notifications WHERE id <= (SELECT id FROM notifications ORDER BY id DESC LIMIT 1 OFFSET ?)",
            (self._max_notifications,),
        )

    @contextmanager
    def connect(self, mode: str = "rw") -> Iterator[sqlite3.Connection]:
        """Open the file for each use, so that a deleted file is noticed instead of being written to.

        Changes that are not committed when the block ends are rolled back.
        """
        try:
            with closing(
                sqlite3.connect(self._address(mode), uri=True, timeout=BUSY_TIMEOUT, isolation_level=None)
            ) as connection:
                # FULL: the log is on the disk at each commit, so 200 means stored even when the power fails.
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA foreign_keys = ON")
                yield connection
        except sqlite3.Error as error:
            raise StoreError(self._explain(error)) from error

    def _address(self, mode: str) -> str:
        return f"file:{quote(str(self._path))}?mode={mode}"

    def _explain(self, error: sqlite3.Error) -> str:
        name = getattr(error, "sqlite_errorname", "") or ""
        advice = next((text for prefix, text in _ADVICE.items() if name.startswith(prefix)), "see the SQLite error")
        return f"database {self._path}: {error} ({name or type(error).__name__}); {advice}"
