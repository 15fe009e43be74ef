"""An existing Flask app as its owner starts it: a real server and real HTTP, with the monitoring beside or in it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from conftest import free_port, wait_for
from gte_monitoring.processes.slots import read_holders

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "existing-app"
BIND = ("-b", "127.0.0.1:{port}")
MEASURED = ("-m", "gunicorn", "-c", "python:gte_monitoring.gunicorn_conf")

# What is sent: task and text; what it is answered with; and the labels under which it must be counted.
REQUESTS = (
    ("embedding", "今天天气很好", 200, ("embedding", "success")),
    ("similarity", "今天天气很好|今天天气不错", 200, ("similarity", "success")),
    ("qa", "张三出生在北京。李四出生在上海。|李四出生在哪里", 200, ("qa", "success")),
    ("sentiment", "这家店的服务太差了", 200, ("sentiment", "success")),
    ("similarity", "没有第二段", 400, ("similarity", "invalid")),
    ("translation", "没有这个任务", 400, ("unknown", "invalid")),
    ("classification", "故障演练", 500, ("classification", "error")),
)
Tally = Counter[tuple[str, str]]


@dataclass
class RunningApp:
    """An app that has been started.

    Attributes:
        home: a folder of its own; the server's log and the metric files are there.
        command: what follows `python`; `{port}` is the port to listen on.
        environ: further variables.
        exported: whether /metrics has a port of its own; otherwise the app itself answers it.
    """

    home: Path
    command: tuple[str, ...]
    environ: Mapping[str, str]
    exported: bool
    port: int = field(default_factory=free_port)
    metrics_port: int = field(default_factory=free_port)
    sessions: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def metrics_dir(self) -> Path:
        return self.home / "metrics"

    @property
    def log(self) -> str:
        return (self.home / "log").read_text()

    @property
    def workers(self) -> list[int]:
        """Process ids of the live workers, where /metrics has a port of its own."""
        return [holder.pid for holder in read_holders(self.metrics_dir) if holder.alive]

    @property
    def exporter(self) -> int:
        """Process id of the exporter that has the folder; 0 while one takes another's place."""
        return int((self.metrics_dir / "exporter.lock").read_text() or 0)

    @property
    def children(self) -> list[int]:
        """Process ids of what the server has started and what still lives."""
        pid = self.sessions[-1].pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def start(self) -> None:
        command = [word.format(port=self.port) for word in self.command]
        with (self.home / "log").open("ab") as log:
            self.sessions.append(
                subprocess.Popen(
                    [sys.executable, *command], cwd=self.home, env=self._variables,
                    stdout=log, stderr=log, start_new_session=True,
                )
            )  # fmt: skip
        wait_for(self._answers, "the app answers")

    def python(self, statement: str) -> str:
        """What a Python that is started like the server's says to a statement."""
        done = subprocess.run(
            [sys.executable, "-c", statement], cwd=self.home, env=self._variables,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False,
        )  # fmt: skip
        return done.stdout

    def stop(self) -> None:
        """End all that was started, whatever has become of it."""
        for session in self.sessions:
            session.terminate()
            with suppress(subprocess.TimeoutExpired):
                session.wait(timeout=20)
            with suppress(ProcessLookupError):
                os.killpg(session.pid, signal.SIGKILL)
            session.wait(timeout=20)

    def ask(self, path: str, body: object = None, port: int = 0, **headers: str) -> tuple[int, str]:
        """HTTP status and text of an answer.

        Raises:
            OSError, HTTPException: the connection ended without one.
        """
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=30)
        try:
            if body is None:
                connection.request("GET", path, headers=headers)
            else:
                connection.request("POST", path, json.dumps(body), headers | {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def predict(self, task_type: str, input_text: str) -> int:
        return self.ask("/predict", {"task_type": task_type, "input_text": input_text})[0]

    def reachable(self) -> bool:
        """Whether the metrics can be had."""
        try:
            return bool(self.exposition())
        except OSError:
            return False

    def exposition(self) -> str:
        status, text = self.ask("/metrics", port=self.metrics_port if self.exported else self.port)
        assert status == 200, text
        return text

    def metrics(self) -> dict[str, float]:
        """Every sample, by its name with labels as the exposition writes them."""
        lines = (line.rpartition(" ") for line in self.exposition().splitlines() if line[:1] != "#")
        return {name: float(value) for name, _, value in lines}

    def counted(self) -> Tally:
        """Requests by task and status, after all metrics that count them have been seen to agree."""
        metrics = self.metrics()
        tally: Tally = Counter()
        for name, value in metrics.items():
            if name.startswith("gte_task_requests_total"):
                tally[name.split('"')[3], name.split('"')[1]] += int(value)
        for prefix in (
            "gte_task_latency_seconds_count{",
            'flask_http_request_duration_seconds_count{method="POST",path="/predict"',
            'flask_http_request_total{method="POST"',
        ):
            assert sum(value for name, value in metrics.items() if name.startswith(prefix)) == tally.total(), prefix
        failed = sum(value for name, value in metrics.items() if name.startswith("gte_task_errors_total"))
        assert failed == sum(count for (_, status), count in tally.items() if status != "success")
        return +tally

    @property
    def _variables(self) -> dict[str, str]:
        own = {
            "PYTHONPATH": os.pathsep.join(map(str, (self.home, EXAMPLE, ROOT / "gte-monitoring"))),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(self.home),
            "GTE_METRICS_DIR": str(self.metrics_dir),
            "GTE_METRICS_LISTEN_PORT": str(self.metrics_port),
        }
        return dict(os.environ) | own | dict(self.environ)

    def _answers(self) -> bool:
        assert self.sessions[-1].poll() is None, self.log
        try:
            status, _ = self.ask("/health")
        except OSError:
            return False
        return status > 0 and (not self.exported or self.reachable())


@dataclass
class Clients:
    """Clients that send requests and count what they get.

    Attributes:
        answered: by the labels under which they must be counted.
        cut: the same for those whose connection ended without an answer.
    """

    app: RunningApp
    answered: Tally = field(default_factory=Counter)
    cut: Tally = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, requests: int, clients: int = 4) -> None:
        """Send that many, one kind after the other, from several clients at once."""
        threads = [threading.Thread(target=self._client, args=(range(n, requests, clients),)) for n in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)

    @contextmanager
    def sending(self, requests: int) -> Iterator[Callable[[float], None]]:
        """Send that many beside what is done inside; gives a function that waits until a share of them is done."""
        goal = self._done + requests
        begun = self._done
        sender = threading.Thread(target=self.send, args=(requests,))
        sender.start()
        try:
            yield lambda share: wait_for(lambda: self._done >= begun + share * requests, "requests")
        finally:
            sender.join(120)
        assert self._done == goal

    @property
    def _done(self) -> int:
        with self._lock:
            return self.answered.total() + self.cut.total()

    def _client(self, numbers: range) -> None:
        for number in numbers:
            task_type, text, expected, labels = REQUESTS[number % len(REQUESTS)]
            try:
                status = self.app.predict(task_type, text)
            except (OSError, http.client.HTTPException):
                with self._lock:
                    self.cut[labels] += 1
            else:
                with self._lock:
                    self.answered[labels if status == expected else ("?", str(status))] += 1


def source_of(*lines: str) -> str:
    """A module that has the example's `app`, and then these lines."""
    return "\n".join(["from app import app", *lines, ""])


LINE = ("from gte_monitoring import TaskMonitor", "TaskMonitor(app)")
ONE_LINE = source_of(*LINE)
Start = Callable[..., RunningApp]


def starting(folder: Path) -> Iterator[Start]:
    """For a fixture: starts apps, each in a folder of its own, that are stopped in the end.

    `source` becomes the module `own` beside the example's modules, `modules` are further ones by name; what is named
    besides are variables.
    """
    started: list[RunningApp] = []

    def start(
        *command: str, source: str = "", modules: Mapping[str, str] | None = None, exported: bool = True, **environ: str
    ) -> RunningApp:
        home = folder / str(len(started))
        home.mkdir()
        for name, text in {"own": source, **(modules or {})}.items():
            (home / f"{name}.py").write_text(text)
        started.append(RunningApp(home, command, environ, exported))
        started[-1].start()
        return started[-1]

    try:
        yield start
    finally:
        for app in started:
            app.stop()
