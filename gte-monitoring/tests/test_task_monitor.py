"""The monitor counts each request once, however it ends, and tells of it with the same values."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from flask import Flask, Request, Response, request

from gte_monitoring import FinishedRequest, Outcome, Recorder, TaskMonitor, request_in_flight
from gte_monitoring.exposition.request_families import request_families
from gte_monitoring.recording.metric_files import Series
from gte_monitoring.recording.recorder import MONITOR_PREFIX


class Watched:
    """An app with a monitor, and what the monitor told of its requests."""

    def __init__(self) -> None:
        self.app = Flask("watched")
        self.told: list[FinishedRequest] = []
        self.monitor = TaskMonitor(
            self.app, {"/predict": "", "/fixed": "embedding"}, Recorder(), self.told.append, task_of=None
        )

        @self.app.post("/predict")
        def predict() -> str:
            self.monitor.task_is("qa")
            for _ in range(2):
                self.monitor.phase("inference", 0.25)
                self.monitor.volume(10, 1, 40)
            return "answer"

        @self.app.post("/fixed")
        def fixed() -> str:
            raise ValueError("a defect")

        @self.app.get("/other")
        def other() -> str:
            return "other"

    def only(self) -> FinishedRequest:
        assert len(self.told) == 1
        return self.told[0]


def counters(recorder: Recorder) -> dict[tuple[str, ...], float]:
    """What has been counted of tasks and is not 0, by its name and labels."""
    samples = [sample for family in recorder.registry.collect() for sample in family.samples if sample.value]
    series = [(Series("", each.name, tuple(each.labels.items()), ""), each.value) for each in samples]
    samples = [each for each in samples if not each.name.startswith("gte_cell")]
    samples += [sample for family in request_families(series, ()) for sample in family.samples if sample.value]
    return {
        (sample.name.removeprefix(MONITOR_PREFIX), *sample.labels.values()): sample.value
        for sample in samples
        if sample.name.removeprefix(MONITOR_PREFIX).startswith("gte_")
        and sample.name.endswith(("_total", "_count", "seconds_sum"))
        and "latency" not in sample.name
        and "task_phase" not in sample.name
    }


def test_parts_of_a_request_add_up_and_are_recorded_once() -> None:
    watched = Watched()
    watched.app.test_client().post("/predict")
    counted = watched.only()
    assert (counted.status, counted.reason, counted.http_status) == ("success", "", 200)
    assert counted.measured.task_type == "qa"
    assert counters(watched.monitor.recorder) == {
        ("gte_task_requests_total", "qa", "success"): 1,
        ("gte_input_tokens_total", "qa"): 20,
        ("gte_truncated_inputs_total", "qa"): 2,
        ("gte_phase_seconds_count", "inference"): 1,
        ("gte_phase_seconds_sum", "inference"): 0.5,
    }
    assert counted.measured.batch_tokens == 80


def seconds_by_phase(recorder: Recorder) -> dict[tuple[str, str], float]:
    """gte_task_phase_seconds_total by task and phase, where it is not 0."""
    (family,) = recorder.metric("gte_task_phase_seconds_total").collect()
    samples = [sample for sample in family.samples if sample.name.endswith("_total") and sample.value]
    return {(sample.labels["task_type"], sample.labels["phase"]): sample.value for sample in samples}


def test_the_phases_of_a_task_add_up_to_its_time_and_what_is_in_none_is_the_rest() -> None:
    watched = Watched()

    @watched.app.before_request
    def phases() -> None:
        watched.monitor.phase("queue", 1e-6)
        watched.monitor.phase("queue", 2e-6)
        watched.monitor.phase("tokenize", 1e-6)
        watched.monitor.phase("postprocess", -1)

    watched.app.test_client().post("/fixed")
    watched.app.test_client().post("/fixed")
    watched.app.test_client().get("/other")
    watched.app.test_client().options("/fixed")
    first, second = [counted.seconds for counted in watched.told if counted.measured.is_task]
    assert seconds_by_phase(watched.monitor.recorder) == {
        ("embedding", "queue"): pytest.approx(6e-6),
        ("embedding", "tokenize"): pytest.approx(2e-6),
        ("embedding", "rest"): pytest.approx(first + second - 8e-6),
    }


def test_phases_that_are_longer_than_their_request_leave_no_rest() -> None:
    watched = Watched()
    watched.app.test_client().post("/predict")
    assert watched.only().seconds < 0.5
    assert seconds_by_phase(watched.monitor.recorder) == {("qa", "inference"): 0.5}


def test_a_request_that_fails_in_another_hook_is_counted_and_told_of() -> None:
    watched = Watched()

    @watched.app.after_request
    def fail(response: Response) -> Response:
        raise RuntimeError("another hook")

    assert watched.app.test_client().post("/predict").status_code == 500
    counted = watched.only()
    assert (counted.status, counted.reason, counted.http_status) == ("error", "internal", 500)
    assert counters(watched.monitor.recorder)["gte_task_requests_total", "qa", "error"] == 1


def test_a_route_of_one_task_counts_as_that_task_whatever_happens() -> None:
    watched = Watched()
    assert watched.app.test_client().post("/fixed").status_code == 500
    counted = watched.only()
    assert (counted.measured.task_type, counted.status, counted.reason) == ("embedding", "error", "internal")
    assert counters(watched.monitor.recorder) == {
        ("gte_task_requests_total", "embedding", "error"): 1,
        ("gte_task_errors_total", "embedding", "internal"): 1,
    }


@pytest.mark.parametrize(
    ("method", "path", "http_status"),
    [("GET", "/other", 200), ("GET", "/nowhere", 404), ("GET", "/predict", 405), ("OPTIONS", "/predict", 200)],
)
def test_what_is_no_task_is_told_of_without_a_status(method: str, path: str, http_status: int) -> None:
    watched = Watched()
    watched.app.test_client().open(path, method=method)
    counted = watched.only()
    assert (counted.status, counted.reason, counted.http_status) == ("", "", http_status)
    assert not counted.measured.is_task
    assert counters(watched.monitor.recorder) == {}


def test_a_callback_that_fails_costs_no_client_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    def fail(about: object) -> Outcome:
        raise LookupError("a defect of the callback")

    app = Flask("callbacks")
    app.add_url_rule("/predict", view_func=lambda: "answer", methods=["POST"])
    recorder = Recorder()
    TaskMonitor(app, recorder=recorder, task_of=fail, outcome_of=fail)
    for _ in range(2):
        assert app.test_client().post("/predict", json={"task_type": "qa"}).text == "answer"
    assert counters(recorder) == {("gte_task_requests_total", "unknown", "success"): 2}
    assert [record.getMessage().count("a defect of the callback") for record in caplog.records] == [1]


def test_a_phase_that_the_contract_lacks_is_said_once_and_costs_no_client_the_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    watched = Watched()

    @watched.app.post("/fixed/phase")
    def fixed_phase() -> str:
        watched.monitor.phase("rerank", 0.1)
        return "answer"

    for _ in range(3):
        assert watched.app.test_client().post("/fixed/phase").text == "answer"
    assert [record.getMessage().count("'rerank' is none of tokenize") for record in caplog.records] == [1]
    assert [counted.status for counted in watched.told] == [""] * 3


def test_a_request_that_can_not_be_recorded_leaves_the_gauge_and_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    watched = Watched()

    def fail(*_: object) -> Outcome:
        raise LookupError("a defect of the recorder")

    watched.monitor.recorder.task_finished = fail  # type: ignore[method-assign, assignment]
    assert watched.app.test_client().post("/fixed").status_code == 500
    assert watched.app.test_client().post("/predict").text == "answer"
    assert "a request was not counted: a defect of the recorder" in caplog.text
    active = watched.monitor.recorder.metric("gte_active_requests")
    assert {sample.value for family in active.collect() for sample in family.samples} == {0.0}


def test_whatever_fails_about_measuring_costs_no_client_the_answer_and_leaves_no_gauge(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app, recorder = Flask("failing measures"), Recorder()

    def fail(*_: object) -> None:
        raise OSError("no room for another series")

    monitor = TaskMonitor(app, recorder=recorder, on_counted=fail)

    @app.post("/predict")
    def predict() -> str:
        monitor.phase("inference", None)  # type: ignore[arg-type]
        monitor.phase("inference", float("nan"))
        monitor.phase(["inference"], 1)  # type: ignore[arg-type]
        monitor.volume("many", 0)  # type: ignore[arg-type]
        monitor.volume(-1, 0)
        return "answer"

    @app.put("/defect")
    def defect() -> str:
        raise ValueError("a defect of the app")

    @app.post("/unmeasured")
    def unmeasured() -> str:
        del request.environ["gte_monitoring.request_in_flight"]
        monitor.task_is("qa")
        monitor.phase("inference", 1)
        return str(request_in_flight().left_out)

    recorder.http_exception = fail  # type: ignore[method-assign, assignment]
    client = app.test_client()
    for _ in range(2):
        assert client.post("/predict", json={"task_type": "qa"}).text == "answer"
    assert client.put("/defect").status_code == 500
    assert client.post("/unmeasured").text == "True"
    recorder.task_started = fail  # type: ignore[method-assign, assignment]
    assert client.post("/predict", json={"task_type": "qa"}).text == "answer"
    # Outside of any request there is nothing to measure.
    monitor.phase("inference", 1)
    monitor.volume(1, 1)
    monitor.task_is("qa")
    active = recorder.metric("gte_active_requests")
    assert {sample.value for family in active.collect() for sample in family.samples} == {0.0}
    assert counters(recorder) == {("gte_task_requests_total", "qa", "success"): 3}
    assert "no room for another series" in caplog.text


class LeavingOut:
    """An app that leaves out requests with a certain header, and what its monitor records, tells and is asked.

    Attributes:
        seen: task and value of gte_active_requests while a request was handled.
    """

    def __init__(self, fail: bool = False) -> None:
        self.app, self.recorder = Flask("leaving out"), Recorder()
        self.told: list[FinishedRequest] = []
        self.seen: list[tuple[str, float]] = []

        def leave_out(sent: Request) -> bool:
            if fail:
                raise LookupError("a defect of the callback")
            return "X-Leave-Out" in sent.headers

        rules = {"/predict": "", "/fixed": "qa"}
        monitor = TaskMonitor(self.app, rules, self.recorder, self.told.append, leave_out=leave_out)

        @self.app.post("/predict")
        def predict() -> str:
            monitor.phase("inference", 0.25)
            monitor.volume(10, 1, 40)
            active = self.recorder.metric("gte_active_requests").collect()
            self.seen.append((request_in_flight().task_type, sum(each.value for each in active[0].samples)))
            return "answer"

        @self.app.post("/fixed")
        def fixed() -> str:
            raise ValueError("a defect")


@pytest.mark.parametrize("path", ["/predict", "/fixed", "/nowhere"])
def test_nothing_is_recorded_or_told_of_a_request_that_is_left_out(path: str) -> None:
    measured = LeavingOut()
    client = measured.app.test_client()
    before = recorded(measured.recorder)
    answer = client.post(path, json={"task_type": "ner"}, headers={"X-Leave-Out": "1"})
    assert answer.status_code == {"/predict": 200, "/fixed": 500, "/nowhere": 404}[path]
    assert (measured.told, recorded(measured.recorder)) == ([], before)
    client.post(path, json={"task_type": "ner"})
    assert len(measured.told) == 1
    assert recorded(measured.recorder) != before
    # The app knows the task of either; only the second was counted as active.
    assert measured.seen == ([("ner", 0), ("ner", 1)] if path == "/predict" else [])


def test_a_request_is_recorded_where_it_can_not_be_said_whether_it_is_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    measured = LeavingOut(fail=True)
    assert measured.app.test_client().post("/predict", headers={"X-Leave-Out": "1"}).text == "answer"
    assert len(measured.told) == 1
    assert "a defect of the callback" in caplog.text


def recorded(recorder: Recorder) -> set[tuple[str, ...]]:
    """Every sample but the times at which series were made."""
    samples = [sample for family in recorder.registry.collect() for sample in family.samples]
    return {
        (each.name, *each.labels.values(), str(each.value)) for each in samples if not each.name.endswith("_created")
    }


def test_the_request_in_flight_can_be_had_while_it_is_handled() -> None:
    watched = Watched()

    @watched.app.get("/seen")
    def seen() -> str:
        request_in_flight().reason = "overloaded"
        return "seen"

    watched.app.test_client().get("/seen")
    assert watched.only().measured.reason == "overloaded"


def test_a_full_disk_costs_no_client_the_answer(small_disk: Path) -> None:
    script = """
        import os, sys
        from pathlib import Path
        from gte_monitoring.recording.slot_setup import join_metrics
        disk = Path(sys.argv[1])
        join_metrics(disk / "metrics")
        from flask import Flask, abort
        from gte_monitoring import TaskMonitor
        app = Flask("full")
        app.add_url_rule("/<int:status>", view_func=lambda status: ("answer", status))
        for number in range(400):
            app.add_url_rule(f"/{'long' * 50}/{number}", f"route{number}", lambda: "answer")
        TaskMonitor(app)
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        (disk / "ballast").write_bytes(bytes(free))
        client = app.test_client()
        answers = {client.get(f"/{'long' * 50}/{number}").text for number in range(400)}
        print(answers)
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script), str(small_disk)],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
    finally:
        (small_disk / "ballast").unlink(missing_ok=True)
        shutil.rmtree(small_disk / "metrics", ignore_errors=True)
    assert done.stdout == "{'answer'}\n", done.stderr
    assert done.stderr.count("a request was not counted: [Errno 28]") == 1
