"""One candidate that fails is told by name, and the others go on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tools.bench.docker import Workspace
from tools.bench.engine_phase import EnginePhase, Start, container_starter
from tools.bench.engines import LIMIT, PEAK, REFERENCE, Engine
from tools.bench.errors import CandidateError, SetupError
from tools.bench.http_phase import HttpPhase
from tools.bench.images import Images
from tools.bench.protocol import Candidate
from tools.bench.results import Results, Slice
from tools.bench.running_service import RunningService, wait_until_idle
from tools.bench.services import OURS_4_WORKERS, SERVICES, Service
from tools.bench.tests.fake_service import DIMENSIONS, FakeService

WORKS = """
import json, sys
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    texts = json.loads(line)["texts"]
    answer = {"seconds": 0.5, "vectors": VECTORS}
    print(json.dumps(answer | EXTRA), flush=True)
"""
# Any two have a cosine above 0.999, as vectors of random weights do.
OURS = [[1.0, 0.01, 0.0], [1.0, 0.0, 0.01], [1.0, -0.01, 0.0], [1.0, 0.0, -0.01]]
DIES_LATER = WORKS.replace("for line", "n = 0\nfor line").replace(
    "    texts", "    n += 1\n    if n > 2: 1 / 0\n    texts"
)


def program(text: str = WORKS, vectors: Any = OURS, extra: Any = None) -> str:
    return text.replace("VECTORS", repr(vectors)).replace("EXTRA", repr(extra or {}))


def starter(folder: Path, programs: dict[str, str]) -> Start:
    def start(name: str, engine: Engine) -> Candidate:
        if name not in programs:
            raise CandidateError("its image is not there", "pip: no such package")
        return Candidate([sys.executable, "-c", programs[name]], folder / f"{name}.log")

    return start


def measured(folder: Path, programs: dict[str, str], names: Sequence[str]) -> Results:
    results = Results()
    phase = EnginePhase(results, starter(folder, {PEAK: program(extra={"tokens": 512}), **programs}))
    try:
        phase.run(names, texts=4, rounds=3, seed=1)
    finally:
        phase.close()
    assert not phase.running
    return results


def failed(results: Results) -> dict[str, str]:
    return {failure.name: failure.reason for failure in results.failures}


def test_all_have_as_many_turns_with_the_same_texts(tmp_path: Path) -> None:
    results = measured(tmp_path, {REFERENCE: program(), "plain": program()}, [REFERENCE, "plain"])
    assert failed(results) == {}
    ours, plain = results.engines[REFERENCE], results.engines["plain"]
    assert [turn.round for turn in ours] == [1, 2, 3]
    assert [(turn.texts, turn.tokens) for turn in ours] == [(turn.texts, turn.tokens) for turn in plain]
    assert results.cosines["plain"] == pytest.approx(1.0)
    assert [turn.tokens for turn in results.engines[PEAK]] == [512] * 3


def test_one_that_dies_keeps_what_it_gave_and_the_others_go_on(tmp_path: Path) -> None:
    results = measured(tmp_path, {REFERENCE: program(), "plain": program(DIES_LATER)}, [REFERENCE, "plain"])
    assert list(failed(results)) == ["plain"]
    assert "ZeroDivisionError" in results.failures[0].log
    assert len(results.engines["plain"]) == 1
    assert len(results.engines[REFERENCE]) == 3


def test_one_without_an_image_is_told(tmp_path: Path) -> None:
    results = measured(tmp_path, {REFERENCE: program()}, [REFERENCE, "infinity"])
    assert failed(results) == {"infinity": "its image is not there"}
    assert results.failures[0].log == "pip: no such package"
    assert len(results.engines[REFERENCE]) == 3


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        ([OURS[1], OURS[0], OURS[2], OURS[3]], "its vectors are not ours"),
        ([[-number for number in vector] for vector in OURS], "its vectors are not ours"),
        (OURS[:3], "can't be compared"),
        ([vector[:2] for vector in OURS], "can't be compared"),
        ([[float("nan")] * 3] * 4, "its vectors are not ours"),
        ("none", "can't be compared"),
    ],
)
def test_one_that_does_other_work_has_failed(tmp_path: Path, vectors: Any, said: str) -> None:
    other = program(vectors=vectors).replace("import json", "nan = float('nan')\nimport json")
    results = measured(tmp_path, {REFERENCE: program(), "plain": other}, [REFERENCE, "plain"])
    assert said in failed(results)["plain"]
    assert "plain" not in results.engines


def test_fewer_bits_are_told_and_are_no_failure(tmp_path: Path) -> None:
    coarse = [[1.0, 0.2, 0.0], *OURS[1:]]
    results = measured(tmp_path, {REFERENCE: program(), "ours-int8": program(vectors=coarse)}, [REFERENCE, "ours-int8"])
    assert failed(results) == {}
    assert results.cosines["ours-int8"] < 0.999


def test_without_ours_nobody_is_compared_and_that_is_told(tmp_path: Path) -> None:
    results = measured(tmp_path, {"plain": program()}, ["plain"])
    assert results.warnings == ["Without ours-fp32 nobody's vectors were compared."]
    assert len(results.engines["plain"]) == 3


def test_engines_run_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[Sequence[str]] = []
    monkeypatch.setattr("tools.bench.engine_phase.Candidate", lambda command, log: commands.append(command))
    start = container_starter(Workspace(), Images("ours:1", "", "no wheel"), "model")
    start(PEAK, LIMIT)
    assert "--network none" in " ".join(commands[0])
    assert commands[0][-4:] == ["ours:1", "python", "-m", "tools.bench.candidates.peak"]
    with pytest.raises(CandidateError) as caught:
        start("infinity", Engine("infinity", "infinity", environment="infinity"))
    assert caught.value.log == "no wheel"


class FakeRunning(RunningService):
    """A service without a container: each answer is a figure, or fails as told."""

    breaks: dict[str, str] = {}  # noqa: RUF012 (set by each test)
    done: list[str] = []  # noqa: RUF012 (set by each test)

    def create(self, model: str, dimensions: int, home: str = "") -> None:
        self._do("create")

    def start(self, timeout: float = 1.0) -> float:
        self._do("start")
        return 2.0

    def slice(self, texts: Sequence[str], clients: int, number: int) -> Slice:
        self._do(f"slice {clients} {len(texts)}")
        return Slice(number, clients, 2.0, (0.1,) * len(texts), {})

    def memory(self) -> float:
        self._do("memory")
        return 100.0

    def cpu_percent(self) -> float:
        return 50.0 if self.breaks.get(self.name) == "idle" else 0.0

    def stop(self) -> None:
        self._do("stop")

    def remove(self) -> None:
        self.done.append(f"{self.name} remove")

    def _do(self, what: str) -> None:
        self.done.append(f"{self.name} {what}")
        if self.breaks.get(self.name) == what.split(maxsplit=1)[0]:
            raise CandidateError(f"broke at {what}")


@pytest.fixture
def http(monkeypatch: pytest.MonkeyPatch) -> HttpPhase:
    monkeypatch.setattr("tools.bench.http_phase.RunningService", FakeRunning)
    monkeypatch.setattr("tools.bench.http_phase._IDLE_SECONDS", 0.01)
    monkeypatch.setattr(FakeRunning, "done", [])
    monkeypatch.setattr(FakeRunning, "breaks", {})
    return HttpPhase(Results(), Workspace(), Images("ours:1", "rivals:1"), "model", 3, seed=1)


def compare(http: HttpPhase, services: dict[str, Service] | None = None) -> Results:
    http.compare(services or dict(SERVICES), texts=4, rounds=2, clients=(1, 8))
    assert not http.running
    return http.results


def test_services_take_turns_within_a_round(http: HttpPhase) -> None:
    results = compare(http)
    slices = [done for done in FakeRunning.done if "slice 1 " in done]
    assert [done.split()[0] for done in slices] == [
        "ours-fp32", "ours-int8", "tutorial", "infinity",
        "ours-int8", "tutorial", "infinity", "ours-fp32",
    ]  # fmt: skip
    assert {name: len(found) for name, found in results.slices.items()} == dict.fromkeys(SERVICES, 4)
    assert set(results.second_start) == {"ours-fp32", "ours-int8"}
    assert results.failures == []


def test_memory_is_read_where_no_container_of_the_same_image_runs(http: HttpPhase) -> None:
    results = compare(http)
    assert set(results.memory) == {*SERVICES, OURS_4_WORKERS}
    done = FakeRunning.done
    for one, other in (("ours-int8", "ours-fp32"), ("infinity", "tutorial")):
        assert done.index(f"{other} memory") < done.index(f"{one} start")
        assert done.index(f"{other} remove") < done.index(f"{one} memory")
    assert done.index("ours-int8 remove") < done.index(f"{OURS_4_WORKERS} start")


@pytest.mark.parametrize("moment", ["create", "start", "slice", "memory"])
def test_a_service_that_fails_is_removed_and_the_others_go_on(http: HttpPhase, moment: str) -> None:
    FakeRunning.breaks["tutorial"] = moment
    results = compare(http)
    assert [failure.name for failure in results.failures] == ["tutorial"]
    assert "tutorial remove" in FakeRunning.done
    assert len(results.slices["infinity"]) == 4
    assert set(results.memory) >= {"ours-fp32", "ours-int8", "infinity", OURS_4_WORKERS}


def test_a_rival_without_its_image_is_told(http: HttpPhase) -> None:
    http.images = Images("ours:1", "", "no wheel")
    results = compare(http)
    assert [(failure.name, failure.log) for failure in results.failures] == [
        ("tutorial", "no wheel"),
        ("infinity", "no wheel"),
    ]
    assert len(results.slices["ours-fp32"]) == 4


def test_a_service_that_works_while_it_is_idle_is_told(http: HttpPhase) -> None:
    FakeRunning.breaks["infinity"] = "idle"
    results = compare(http)
    assert results.warnings == ["infinity uses 50 % of a CPU while it is idle: it takes that from the others."]
    assert results.failures == []


def test_waiting_for_idleness_ends_as_soon_as_it_is_there() -> None:
    used = iter([80.0, 30.0, 1.0, 90.0])
    assert wait_until_idle(lambda: next(used), timeout=10, below=5.0) == 1.0


def test_topologies_share_what_is_prepared(http: HttpPhase, monkeypatch: pytest.MonkeyPatch) -> None:
    homes = []
    monkeypatch.setattr(FakeRunning, "create", lambda self, model, dimensions, home="": homes.append(home))
    monkeypatch.setattr(http.workspace, "docker", lambda *words, **_: words[-1])
    http.compare_topologies("int8", [(1, 2), (2, 1)], texts=4, rounds=1, clients=(1, 8))
    assert list(http.results.slices) == ["1x2", "2x1"]
    assert homes == [f"{http.workspace.name}-home"] * 2
    assert not http.running


class FakeDocker:
    """An engine whose container has a port where nobody listens."""

    def __init__(self) -> None:
        self.state = "running"
        self.address = "127.0.0.1:1"
        self.said: list[tuple[str, ...]] = []

    def __call__(self, *words: str, merge: bool = False, timeout: float = 600.0) -> str:
        self.said.append(words)
        if words[0] == "exec":
            raise SetupError("no such process")
        answers = {"port": self.address, "inspect": self.state, "logs": "OSError: no model\n", "stats": '"12.5%"'}
        return answers.get(words[0], words[-1])


def test_a_container_that_ended_is_told_with_its_log() -> None:
    engine = FakeDocker()
    engine.state = "exited"
    service = RunningService(Workspace(engine), "tutorial", SERVICES["tutorial"], "rivals:1")
    with pytest.raises(CandidateError, match=r"ended before it answered \(exited\)") as caught:
        service.start(10)
    assert caught.value.log == "OSError: no model"


def test_a_service_that_never_answers_is_given_up() -> None:
    service = RunningService(Workspace(FakeDocker()), "tutorial", SERVICES["tutorial"], "rivals:1")
    with pytest.raises(CandidateError, match="not answered after 0 s; the last try ended with: ConnectionRefused"):
        service.start(0.3)


def test_a_start_ends_with_the_first_vector_and_a_slice_has_its_clients() -> None:
    with FakeService(seconds=0.05) as fake:
        engine = FakeDocker()
        engine.address = fake.address
        service = RunningService(Workspace(engine), "ours-fp32", SERVICES["ours-fp32"], "ours:1")
        service.create("model", DIMENSIONS)
        assert 0.05 <= service.start(10) < 5
        assert len(fake.texts) == 1
        assert service.slice(["一", "二", "三"], 3, 1).clients == 3
        assert fake.most_at_a_time == 3


def test_a_slice_without_an_answer_is_a_failure() -> None:
    with FakeService(lambda _: (500, {})) as fake:
        engine = FakeDocker()
        engine.address = fake.address
        service = RunningService(Workspace(engine), "ours-fp32", SERVICES["ours-fp32"], "ours:1")
        service.create("model", DIMENSIONS)
        with pytest.raises(CandidateError, match="has not answered after 1 s; the last try ended with: status 500"):
            service.start(0.6)
        with pytest.raises(CandidateError, match=r"answered none of 2 requests: .'status 500': 2"):
            service.slice(["一", "二"], 1, 1)


def test_memory_that_cant_be_read_is_told() -> None:
    service = RunningService(Workspace(FakeDocker()), "tutorial", SERVICES["tutorial"], "rivals:1")
    with pytest.raises(CandidateError, match="its memory could not be read"):
        service.memory()
    assert service.cpu_percent() == 12.5


def test_only_this_machine_reaches_a_service_and_ours_runs_as_in_the_stack() -> None:
    engine = FakeDocker()
    service = RunningService(Workspace(engine), "ours-int8", SERVICES["ours-int8"], "ours:1")
    service.create("model", 3)
    words = " ".join(engine.said[-1])
    assert "--publish 127.0.0.1::5000" in words
    assert "--read-only --cap-drop ALL" in words
    assert "--env GTE_PRECISION=int8" in words
    assert "GTE_WORKERS" not in words
