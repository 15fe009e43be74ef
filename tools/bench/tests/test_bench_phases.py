"""One candidate that fails is reported by name, and the others go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tools.bench import http_phase
from tools.bench.docker import DockerError, Workspace
from tools.bench.engine_phase import EnginePhase
from tools.bench.engines import PEAK, REFERENCE
from tools.bench.http_phase import HttpPhase, requests, wait_until_idle
from tools.bench.images import Images
from tools.bench.options import read_options
from tools.bench.report import Report
from tools.bench.results import Results
from tools.bench.services import OURS_4_WORKERS, SERVICES
from tools.bench.tests.fake_docker import Answer, FakeDocker

# Any two have a cosine above 0.999, as vectors of random weights do.
OURS = [[1.0, 0.01, 0.0], [1.0, 0.0, 0.01], [1.0, -0.01, 0.0], [1.0, 0.0, -0.01]]

IMAGES = Images("ours:1", "rivals:1", "load:1")


@pytest.fixture
def engine() -> FakeDocker:
    return FakeDocker()


@pytest.fixture
def report(tmp_path: Path) -> Report:
    arguments = ["--texts", "4", "--rounds", "3", "--clients", "1,8", "--shape", "tiny"]
    return Report(read_options([*arguments, "--out", str(tmp_path)]))


def workspace(engine: FakeDocker, folder: Path) -> Workspace:
    made = Workspace(engine, folder / "lock")
    made.folder = folder
    return made


def engine_answer(vectors: Any = OURS, **more: Any) -> Answer:
    return lambda request: {"seconds": 0.5, **({"vectors": vectors} if request.get("vectors") else {}), **more}


def measured(engine: FakeDocker, report: Report, answers: dict[str, Answer], images: Images = IMAGES) -> Results:
    """The results of engines; the machine's limit is always among them."""
    answers = {PEAK: lambda _: {"seconds": 0.5, "tokens": 512}, **answers}
    engine.answers = {f"engine-{name}": answer for name, answer in answers.items()}
    phase = EnginePhase(workspace(engine, report.options.out), images, report)
    phase.run(list(answers))
    assert not phase.running
    return report.results


def failed(results: Results) -> dict[str, str]:
    return {failure.name: failure.reason for failure in results.failures}


def test_every_engine_has_as_many_turns_with_the_same_texts(engine: FakeDocker, report: Report) -> None:
    asked: dict[str, list[Any]] = {REFERENCE: [], "plain": []}

    def recording(name: str) -> Answer:
        return lambda request: asked[name].append(request) or engine_answer()(request)  # type: ignore[func-returns-value]

    results = measured(engine, report, {name: recording(name) for name in asked})
    assert failed(results) == {}
    assert asked[REFERENCE] == asked["plain"]
    assert [turn.round for turn in results.engines["plain"]] == [1, 2, 3]
    assert results.cosines["plain"] == pytest.approx(1.0)
    assert [turn.tokens for turn in results.engines[PEAK]] == [512] * 3


def test_one_that_fails_later_keeps_its_figures_and_the_others_go_on(engine: FakeDocker, report: Report) -> None:
    answers = [engine_answer(), engine_answer()]

    def fail_in_the_second_turn(request: Any) -> Any:
        if not answers:
            raise DockerError("`docker exec` failed:\nno answer; the last try ended with RemoteDisconnected")
        return answers.pop()(request)

    results = measured(engine, report, {REFERENCE: engine_answer(), "plain": fail_in_the_second_turn})
    assert failed(results) == {"plain": "no answer; the last try ended with RemoteDisconnected"}
    assert results.failures[0].log == "one\nlast words"
    assert len(results.engines["plain"]) == 1
    assert len(results.engines[REFERENCE]) == 3
    assert "engine-plain" in engine.services("rm")


def test_one_without_an_image_is_reported(engine: FakeDocker, report: Report) -> None:
    images = Images("ours:1", lacking="no wheel")
    results = measured(engine, report, {REFERENCE: engine_answer(), "infinity": engine_answer()}, images)
    assert failed(results) == {"infinity": "its image is missing"}
    assert results.failures[0].log == "no wheel"


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ([OURS[1], OURS[0], OURS[2], OURS[3]], "its vectors are not ours"),
        ([[float("nan")] * 3] * 4, "its vectors are not ours"),
        (OURS[:3], "can't be compared"),
        ([vector[:2] for vector in OURS], "can't be compared"),
        (None, "can't be compared"),
    ],
)
def test_one_that_does_other_work_has_failed(engine: FakeDocker, report: Report, vectors: Any, message: str) -> None:
    results = measured(engine, report, {REFERENCE: engine_answer(), "plain": engine_answer(vectors)})
    assert message in failed(results)["plain"]
    assert "plain" not in results.engines


def test_fewer_bits_are_shown_and_are_not_a_failure(engine: FakeDocker, report: Report) -> None:
    coarse = [[1.0, 0.2, 0.0], *OURS[1:]]
    results = measured(engine, report, {REFERENCE: engine_answer(), "ours-int8": engine_answer(coarse)})
    assert failed(results) == {}
    assert results.cosines["ours-int8"] < 0.999


def test_without_ours_no_vectors_are_compared_and_the_report_says_so(engine: FakeDocker, report: Report) -> None:
    results = measured(engine, report, {"plain": engine_answer()})
    assert results.warnings == ["Without ours-fp32 no vectors were compared."]
    assert len(results.engines["plain"]) == 3


def test_every_step_is_written_as_it_comes_and_marked_as_incomplete(engine: FakeDocker, report: Report) -> None:
    turns: list[int] = []

    def look_at_the_file(request: Any) -> Any:
        files = list(report.options.out.glob("*.json"))
        content = json.loads(files[0].read_text(encoding="utf-8")) if files else None
        if content:
            assert content["complete"] is False
            turns.append(len(content["results"]["engines"].get(REFERENCE, ())))
        return engine_answer()(request)

    measured(engine, report, {REFERENCE: look_at_the_file})
    assert turns[-1] == 2


@pytest.fixture
def http(engine: FakeDocker, report: Report, monkeypatch: pytest.MonkeyPatch) -> HttpPhase:
    monkeypatch.setattr(http_phase, "_IDLE_SECONDS", 0.01)
    monkeypatch.setattr(http_phase, "WIDTHS", {"tiny": 3})
    for name in SERVICES:
        engine.answers[f"service-{name}"] = lambda _: {"result": [1, 2, 3], "data": [{"embedding": [1, 2, 3]}]}
    return HttpPhase(workspace(engine, report.options.out), IMAGES, report)


def compare(http: HttpPhase) -> Results:
    http.compare(list(SERVICES))
    assert not http.running
    return http.report.results


def test_services_are_loaded_in_another_order_each_round(http: HttpPhase, engine: FakeDocker) -> None:
    results = compare(http)
    loaded = [name.removeprefix("service-") for name in engine.services("run")[5:]]
    assert loaded[:4] == loaded[4:8] == ["ours-fp32", "ours-int8", "tutorial", "infinity"]
    assert loaded[8:12] == ["ours-int8", "tutorial", "infinity", "ours-fp32"]
    assert {name: len(slices) for name, slices in results.slices.items()} == dict.fromkeys(loaded[:4], 6)
    assert results.slices["tutorial"][1].latencies == (0.1,) * 16
    assert set(results.second_start) == set(loaded)
    assert results.failures == []


def test_memory_is_read_while_no_other_candidate_runs(http: HttpPhase, engine: FakeDocker) -> None:
    assert set(compare(http).memory) == {*SERVICES}
    before_load = [call for call in engine.calls if call.split()[0] in {"start", "memory", "stop", "rm"}][: 3 * 5]
    for number, name in enumerate(SERVICES):
        end = "rm" if name == OURS_4_WORKERS else "stop"
        steps = before_load[3 * number : 3 * number + 3]
        assert steps == [f"{verb} service-{name}" for verb in ("start", "memory", end)]


@pytest.mark.parametrize("verb", ["create", "exec", "run", "memory", "stop"])
def test_a_service_that_fails_is_removed_and_the_others_go_on(http: HttpPhase, engine: FakeDocker, verb: str) -> None:
    engine.breaks = f"{verb} service-tutorial"
    results = compare(http)
    assert [failure.name for failure in results.failures] == ["tutorial"]
    assert "service-tutorial" in engine.services("rm")
    assert len(results.slices["infinity"]) == 6
    assert "tutorial" not in results.slices


@pytest.mark.parametrize(
    ("answer", "message"),
    [({"result": [1, 2]}, "2 numbers instead of 3"), ({"error": "x"}, "no vector in its answer"), ([], "no vector"),
     ({"result": ["a"] * 3}, "no vector")],
)  # fmt: skip
def test_a_first_answer_without_a_vector_is_a_failure(
    http: HttpPhase, engine: FakeDocker, answer: Any, message: str
) -> None:
    engine.answers["service-tutorial"] = lambda _: answer
    assert message in failed(compare(http))["tutorial"]


@pytest.mark.parametrize("answers", [{"200": 3}, {"503": 16}, {}])
def test_requests_without_an_answer_or_none_right_are_a_failure(
    http: HttpPhase, engine: FakeDocker, answers: dict[str, int]
) -> None:
    right = engine.sent
    engine.sent = lambda count: right(count) | {"answers": answers, "errors": {"read": 1}}
    assert "errors: {'read': 1}" in failed(compare(http))["ours-fp32"]


def test_wrong_answers_are_counted_and_are_no_throughput(http: HttpPhase, engine: FakeDocker) -> None:
    right = engine.sent
    engine.sent = lambda count: right(count) | {"answers": {"200": count - 2, "503": 2}, "errors": {"timeout": 1}}
    found = compare(http).slices["ours-fp32"][1]
    assert (found.answers, found.errors, found.rate) == (14, {"status 503": 2, "timeout": 1}, 7.0)


def test_a_service_that_works_while_it_is_idle_is_named(http: HttpPhase, engine: FakeDocker) -> None:
    engine.cpu = "50%"
    results = compare(http)
    assert "infinity uses 50 % of a CPU while it is idle: it takes that from the others." in results.warnings
    assert results.failures == []


def test_waiting_for_idleness_ends_as_soon_as_it_is_there() -> None:
    used = iter([80.0, 30.0, 1.0, 90.0])
    assert wait_until_idle(lambda: next(used), timeout=10, below=5.0) == 1.0


def test_each_client_can_send_two_requests() -> None:
    assert [requests(10, clients) for clients in (1, 8, 32)] == [10, 16, 64]


def test_topologies_are_our_service_with_other_settings(
    http: HttpPhase, engine: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = {"volumes": ["home-fp32:/models"], "environment": {"GTE_PRECISION": "fp32"}}
    monkeypatch.setattr(
        http.workspace, "compose", lambda *words: json.dumps({"services": {"service-ours-fp32": template}})
    )
    engine.answers |= {f"service-{name}": engine.answers["service-ours-fp32"] for name in ("1x2", "2x1")}
    http.compare_topologies([(1, 2), (2, 1)])
    assert list(http.report.results.slices) == ["1x2", "2x1"]
    added = json.loads((http.workspace.folder / "topologies.json").read_text(encoding="utf-8"))["services"]
    assert added["service-2x1"] == {
        "volumes": ["home-fp32:/models"],
        "environment": {"GTE_PRECISION": "fp32", "GTE_WORKERS": "2", "GTE_TORCH_THREADS": "1"},
    }
