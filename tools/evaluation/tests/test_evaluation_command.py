"""The command against running services: the real one, and a listener."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from tools import ROOT, cli
from tools.evaluation import data
from tools.evaluation.__main__ import evaluate, main
from tools.evaluation.client import Model, Service
from tools.evaluation.errors import AnswerError, ServiceError
from tools.evaluation.own_service import running as running_alone
from tools.evaluation.tasks import TASKS
from tools.server import free_port

pytest.importorskip("gte_service", reason="the tests start the service: install gte-service")


def readiness(url: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = cli.ask(f"{url}/readyz").body
    except cli.NoAnswerError:
        return {"status": "unreachable"}
    return found


@contextmanager
def running(folder: Path, state: str, **settings: str) -> Iterator[str]:
    """The URL of a demo service in a state."""
    port, metrics_port = free_port(), free_port()
    environ = os.environ | {
        "GTE_MODEL": "builtin:lexical",
        "GTE_MODELS_HOME": str(folder / "models"),
        "GTE_RUN_DIR": str(folder / "run"),
        "GTE_METRICS_DIR": str(folder / "metrics"),
        "GTE_LISTEN_PORT": str(port),
        "GTE_METRICS_LISTEN_PORT": str(metrics_port),
        "GTE_TORCH_THREADS": "1",
        "GTE_WORKERS": "1",
    }
    url, log = f"http://127.0.0.1:{port}", folder / "log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "gte_service", "serve"]
        process = subprocess.Popen(command, env=environ | settings, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 60
        while readiness(url)["status"] != state:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("service"), "ready") as url:
        yield url


def status_of(arguments: list[str], environ: dict[str, str]) -> int:
    """The exit status of the command."""
    try:
        return cli.run("evaluation", lambda: main(arguments, environ))
    except SystemExit as end:
        assert isinstance(end.code, int)
        return end.code


def test_a_service_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["--task", "sentiment"], {"GTE_PORT": str(free_port())}) == cli.NO_RESULT
    assert "doesn't answer" in capsys.readouterr().err


def test_a_service_that_is_not_ready_is_told_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(tmp_path, "failed", GTE_MODEL_DIR=str(tmp_path / "nowhere")) as url:
        assert status_of([], {"GTE_PORT": url.rpartition(":")[2]}) == cli.NO_RESULT
    output = capsys.readouterr().err
    assert "not ready (failed: " in output
    assert "nowhere does not exist" in output


@pytest.mark.parametrize(
    ("body", "words"), [(b"# HELP up", "something that is not JSON"), (b'{"status": "ready"}', "is not gte-service")]
)
def test_something_else_at_the_address_is_told(body: bytes, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with listener(200, body) as (url, _):
        assert status_of(["--url", url], {}) == cli.NO_RESULT
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "environ", "words"),
    [
        (["--task", "sing"], {}, "invalid choice"),
        (["--url", "127.0.0.1:5000"], {}, "no address of a service"),
        (["--url", "http://127.0.0.1:99999"], {}, "--url http://127.0.0.1:99999"),
        (["--url", "http://me:secret@127.0.0.1"], {}, "GTE_API_KEY"),
        (["--json", "/nowhere/at/all.json"], {}, "folder that exists"),
        (["--model", "gte"], {}, "invalid choice"),
        (["--model", "demo", "--url", "http://127.0.0.1:1"], {}, "not allowed with argument --model"),
        ([], {"GTE_PORT": "http"}, "GTE_PORT='http'"),
        ([], {"GTE_PORT": "70000"}, "GTE_PORT='70000'"),
        ([], {"GTE_API_KEY": "a\nb"}, "printable ASCII"),
    ],
)
def test_bad_options_end_with_2(
    arguments: list[str], environ: dict[str, str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(arguments, environ) == cli.WRONG_USAGE
    output = capsys.readouterr().err
    assert words in output
    assert "secret" not in output


def test_a_service_of_its_own_runs_as_long_as_it_is_asked() -> None:
    with running_alone("constant", Path(sys.executable)) as url:
        run = evaluate(Service(url), ["embedding", "event"])
    assert run.scores["embedding"].measures[0].score == 0
    # Trigger words find these without any vector.
    assert run.scores["event"].measures[0].score > 0.5
    assert readiness(url)["status"] == "unreachable"


def test_an_environment_without_the_service_is_told() -> None:
    false = shutil.which("false")
    assert false
    with pytest.raises(ServiceError, match="the model can't be written"), running_alone("constant", Path(false)):
        pass


def test_an_error_of_the_service_names_the_example(url: str) -> None:
    asking = Service(url)
    with pytest.raises(AnswerError, match="HTTP 400: unknown_task: "):
        asking.predict("sing", input_text="x")
    pair = [data.Neighbour(f"x:{number}", text, "y", ("z", "w")) for number, text in enumerate(["x", " "], 1)]
    with pytest.raises(AnswerError, match=r"^x:2: invalid_input: .* is empty"):
        TASKS["embedding"].evaluate(asking, pair)
    many = [data.Neighbour(f"x:{number}", "x", "y", ("z",) * 1100) for number in (1, 2)]
    with pytest.raises(AnswerError, match=r"^x:1 to 2: HTTP 413: too_large: "):
        TASKS["embedding"].evaluate(asking, many)


def test_every_example_gets_its_own_part_of_a_batch(url: str) -> None:
    asking = Service(url)
    words = "天地人山水火风雨雪云花"
    asked = [
        data.Neighbour("x:1", word, "近", ("远", "高", "低")[: 2 + (place > 6)]) for place, word in enumerate(words)
    ]
    answers = list(TASKS["embedding"].ask(asking, asked))
    assert [len(answer) for answer in answers] == [2 + len(example.far) for example in asked]
    for answer, example in zip(answers, asked, strict=True):
        for vector, text in zip(answer, (example.text, example.near, *example.far), strict=True):
            assert vector == pytest.approx(asking.predict("embedding", input_text=text), abs=1e-5)


def test_labels_of_their_own_are_sent_with_their_examples_alone(url: str) -> None:
    choices: list[tuple[str, ...]] = [("天气", "股票"), (), ("天气", "足球"), ("天气", "足球")]
    asked = [data.Labelled("x:1", "天气", "天气", labels) for labels in choices]
    answers = TASKS["classification"].ask(Service(url), asked)
    offered = [{place["label"] for place in answer["ranking"]} for answer in answers]
    assert offered == [set(labels or data.TOPICS) for labels in choices]


def test_figures_of_two_models_do_not_mix(url: str) -> None:
    asking = Service(url)
    assert asking.model() == Model("builtin:lexical", readiness(url)["revision"], demo=True)
    asking.predict("embedding", input_text="x")
    asking._model = Model("builtin:lexical", "an earlier one", demo=True)
    with pytest.raises(ServiceError, match="the model changed during the run"):
        asking.predict("embedding", input_text="x")


@contextmanager
def listener(status: int, body: bytes) -> Iterator[tuple[str, list[str | None]]]:
    """Answers any request with the same, and notes its Authorization."""
    seen: list[str | None] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers["Authorization"])
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name of the library)
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", seen
        server.shutdown()
        thread.join()


def test_the_key_is_sent_and_a_refusal_told(capsys: pytest.CaptureFixture[str]) -> None:
    refusal = b'{"error": {"code": "unauthorized", "message": "wrong key."}}'
    with listener(401, refusal) as (url, seen):
        assert status_of(["--url", url], {"GTE_API_KEY": "k-1"}) == cli.NO_RESULT
        assert status_of(["--url", url], {"GTE_API_KEY": ""}) == cli.NO_RESULT
    assert seen == ["Bearer k-1", None]
    assert "unauthorized: wrong key. Set GTE_API_KEY." in capsys.readouterr().err


def test_a_damaged_set_stops_the_run_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(data, "SETS", tmp_path)
    (tmp_path / "sentiment.jsonl").write_text('{"text": "x", "label": "good"}\n', encoding="utf-8")
    # Nothing listens there, and that is not what is told.
    assert status_of(["--task", "sentiment"], {"GTE_PORT": str(free_port())}) == cli.NO_RESULT
    output = capsys.readouterr().err
    assert "sentiment.jsonl:1 has the label 'good'" in output
    assert "doesn't answer" not in output


def test_a_task_that_fails_leaves_the_others_their_figures(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(data, "SETS", tmp_path)
    for name, content in (
        ("embedding", {"text": "天气很好", "near": "天晴", "far": ["股票", "足球"]}),
        ("classification", {"text": "天气很好", "label": "天气很好", "labels": ["天气很好", "股票"]}),
    ):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(content), encoding="utf-8")
    out = tmp_path / "out"
    tasks = ["--task", "classification", "--task", "embedding"]
    # Four texts are too many for this service, two are not.
    with running(tmp_path, "ready", GTE_MAX_TEXTS="3") as url:
        assert status_of(["--url", url, "--json", str(out), *tasks], {}) == cli.FAILED
    output = capsys.readouterr()
    assert "embedding could not be measured. embedding.jsonl:1: HTTP 413: too_large: " in output.err
    rows = [line.split() for line in output.out.splitlines()]
    assert [
        "classification",
        "1",
        *["right", "label,", "of", "labels", "sent", "along"],
        "1.000",
        "1",
        "of",
        "1",
    ] in rows
    assert ["embedding", "–", "not", "measured,", "see", "below", "–"] in rows
    written = json.loads(out.read_text(encoding="utf-8"))
    assert list(written["tasks"]) == ["classification"]
    assert list(written["failed"]) == ["embedding"]


def test_a_whole_run_measures_every_task_and_names_the_model_first(url: str, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    command = [sys.executable, "-m", "tools.evaluation", "--url", url, "--json", str(out), "--show-wrong"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 0, ended.stderr
    revision = readiness(url)["revision"]
    first, *lines = ended.stdout.splitlines()
    assert first == f"Model: builtin:lexical, revision {revision}, at {url}"
    assert any(line.startswith("!!") and "floor, it compares characters only" in line for line in lines)
    written = json.loads(out.read_text(encoding="utf-8"))
    assert (written["model"], written["revision"], written["demo"]) == ("builtin:lexical", revision, True)
    assert list(written["tasks"]) == list(TASKS)
    assert written["failed"] == {}
    for name, scores in written["tasks"].items():
        assert scores["examples"] == len(TASKS[name].examples())
        for measure in scores["measures"]:
            assert 0 <= measure["score"] <= 1
            row = [name, str(measure["examples"]), *measure["name"].split(), f"{measure['score']:.3f}"]
            assert any(line.split()[: len(row)] == row for line in lines), row
        assert f"{name}: {len(scores['wrong'])} of {scores['examples']} not wholly right" in lines
    # A model that compares characters is wrong now and then, and sometimes right.
    assert 0 < len(list(chain(*(scores["wrong"] for judged in written["tasks"].values())))) < 400


def test_names_of_labels_types_and_roles_are_those_of_the_service(url: str) -> None:
    asking = Service(url)
    answers = {name: list(TASKS[name].ask(asking, TASKS[name].examples())) for name in ("ner", "relation", "event")}
    events = [event for answer in answers["event"] for event in answer["events"]]
    seen: list[tuple[set[str], tuple[str, ...]]] = [
        ({place["label"] for place in asking.predict("sentiment", input_text="天气")["ranking"]}, data.SENTIMENTS),
        ({place["label"] for place in asking.predict("classification", input_text="天气")["ranking"]}, data.TOPICS),
        ({entity["type"] for answer in answers["ner"] for entity in answer["entities"]}, data.ENTITY_TYPES),
        ({found["relation"] for answer in answers["relation"] for found in answer["relations"]}, data.RELATIONS),
        ({event["type"] for event in events}, data.EVENT_TYPES),
        ({argument["role"] for event in events for argument in event["arguments"]}, data.ROLES),
    ]
    for found, known in seen:
        assert found
        assert found <= set(known)
