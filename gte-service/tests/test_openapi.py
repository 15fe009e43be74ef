"""The OpenAPI document is true: what it allows is answered, what it forbids is refused, and answers are as it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from conftest import Service
from gte_service.api.openapi import document
from gte_service.settings import read_settings
from gte_service.tasks.registry import TASKS

HERE = Path(__file__).parent
KEY = "a-key-for-the-tests-0"
# Cases for each operation; by hand with many more.
CASES = int(os.environ.get("GTE_TEST_OPENAPI_CASES", "25"))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """With keys, or nobody would see whether they are asked for; with a queue that takes all."""
    home = tmp_path_factory.mktemp("guarded")
    (home / "keys").write_text(KEY)
    running = Service(home, {"GTE_WORKERS": "2", "GTE_API_KEYS_FILE": str(home / "keys"), "GTE_QUEUE_TEXTS": "100000"})
    running.start()
    running.wait_until("ready")
    yield running
    assert running.stop() == 0


def test_the_service_does_what_the_document_says(
    guarded: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"),
            *("--config-file", str(HERE / "openapi" / "schemathesis.toml")),
            *("run", f"http://127.0.0.1:{guarded.port}/openapi.json"),
            *("--checks", "all", "--continue-on-failure", "--seed", "20261122", "--no-color"),
            *("--max-examples", str(CASES), "--header", f"Authorization: Bearer {KEY}"),
        ],
        env=dict(os.environ) | {"SCHEMATHESIS_HOOKS": str(HERE / "openapi" / "hooks.py")},
        cwd=tmp_path, capture_output=True, text=True, timeout=30 * 60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    cases = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert cases, done.stdout[-3000:]
    assert cases[1] == cases[2]
    assert int(cases[1]) > 300
    with capsys.disabled():
        print(f"\nschemathesis: {cases[1]} cases, all passed")
    assert "Traceback" not in guarded.log.read_text()


def test_every_address_is_in_it_and_nothing_else(service: Service) -> None:
    listed = service.ask("/nowhere").json["error"]["message"].partition("are: ")[2].rstrip(".").split(", ")
    paths = service.ask("/openapi.json").json["paths"]
    described = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert described == {address.replace("<", "{").replace(">", "}") for address in listed}


def test_every_example_is_allowed_and_answered_as_described(service: Service) -> None:
    described = service.ask("/openapi.json").json
    for path in ("/predict", "/v1/embeddings"):
        operation = described["paths"][path]["post"]
        content = operation["requestBody"]["content"]["application/json"]
        asked, answered = (
            jsonschema_rs.validator_for({**schema, "components": described["components"]})
            for schema in (content["schema"], operation["responses"]["200"]["content"]["application/json"]["schema"])
        )
        assert len(content["examples"]) == (len(TASKS) if path == "/predict" else 1)
        for example in content["examples"].values():
            asked.validate(example["value"])
            answer = service.ask(path, example["value"])
            assert answer.status == 200
            answered.validate(answer.json)
        with pytest.raises(jsonschema_rs.ValidationError):
            asked.validate({"task_type": "embedding", "input_txt": "x"})


def test_the_limits_are_those_of_the_settings() -> None:
    limits = {"GTE_MAX_TEXTS": "7", "GTE_MAX_TOKENS": "987", "GTE_MAX_BODY_BYTES": "4321"}
    described = document(read_settings(limits), 64)
    assert "4321 bytes" in described["info"]["description"]
    assert "7 texts and 987 tokens" in described["info"]["description"]
    lists = [
        part for part in parts(described["components"]["schemas"]["embedding_request"]) if part.get("type") == "array"
    ]
    assert [one["maxItems"] for one in lists] == [7]
    pairs = [
        part for part in parts(described["components"]["schemas"]["similarity_request"]) if part.get("minItems") == 2
    ]
    assert [one["maxItems"] for one in pairs] == [2]
    embeddings = described["paths"]["/v1/embeddings"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert embeddings["properties"]["dimensions"]["enum"] == [64, None]
    assert embeddings.get("additionalProperties", True) is True


def test_keys_are_spoken_of_only_where_there_are_any(service: Service, guarded: Service) -> None:
    for asked, keys in ((service, False), (guarded, True)):
        for path, methods in asked.ask("/openapi.json").json["paths"].items():
            for operation in methods.values():
                is_guarded = keys and path.startswith(("/predict", "/v1/"))
                assert ("security" in operation) == is_guarded, path
                assert ("401" in operation["responses"]) == is_guarded, path


def test_it_is_there_before_the_model_is(new_service: Callable[..., Service]) -> None:
    service = new_service(GTE_WORKERS="1", GTE_MODEL_DIR="/nonexistent")
    service.wait_until("failed")
    assert service.ask("/openapi.json").json["openapi"] == "3.1.0"


def parts(value: object) -> Iterator[Mapping[str, Any]]:
    """Every object in a document."""
    if isinstance(value, Mapping):
        yield value
    for part in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from parts(part)
