"""A new file in tasks/types/ is all that a ninth task needs: every place that knows tasks has it, and it is served."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from conftest import Service

ROOT = Path(__file__).resolve().parents[2]
NAME = "summary"
# The same for the eight and for the ninth: what each place knows of the task.
PROGRAM = f"""
    import json
    from gte_service.contract import CONTRACT
    from gte_service.serving.inference_recorder import InferenceRecorder
    from gte_service.tasks.registry import TASKS
    from tests.config.metrics import CONTRACT_SERIES, matcher_faults
    from tools.metrics_table import table

    name = {NAME!r}
    asked = (("task_type", "=", name),)
    samples = [sample for family in InferenceRecorder().registry.collect() for sample in family.samples]
    print(json.dumps({{
        "contract": [e.name for e in CONTRACT if e.labels and e.labels[0].allows(name) and e.labels[0].values],
        "table": f"`{{name}}`" in table(),
        "counters": sorted({{s.name for s in samples if s.labels.get("task_type") == name}}),
        "registry": name in TASKS,
        "rules": not list(matcher_faults("m", CONTRACT_SERIES["gte_task_requests_total"], asked)),
    }}))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what knows tasks."""
    for folder in ("gte-monitoring/gte_monitoring", "gte-service/gte_service", "tools", "tests/config", "prometheus"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__", "bench*"))
    (tmp_path / "tests" / "__init__.py").touch()
    return tmp_path


def known(project: Path) -> dict[str, object]:
    folders = [project, project / "gte-monitoring", project / "gte-service"]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)], cwd=project, capture_output=True, text=True, check=False,
        env=dict(os.environ) | {"PYTHONPATH": os.pathsep.join(map(str, folders))}, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def add_task(project: Path) -> None:
    types = project / "gte-service" / "gte_service" / "tasks" / "types"
    source = (types / "embedding.py").read_text().replace('"embedding"', f'"{NAME}"')
    (types / f"{NAME}.py").write_text(source)


def test_a_new_file_is_enough(project: Path) -> None:
    before = known(project)
    assert before == {"contract": [], "table": False, "counters": [], "registry": False, "rules": False}
    add_task(project)
    assert known(project) == {
        "contract": [
            "gte_task_requests_total", "gte_task_errors_total", "gte_task_latency_seconds", "gte_active_requests",
            "gte_task_phase_seconds_total", "gte_input_tokens_total", "gte_truncated_inputs_total", "gte_probe_success",
            "gte_probe_seconds",
        ],
        "table": True,
        "counters": [
            "monitor_gte_active_requests", "monitor_gte_input_tokens_created", "monitor_gte_input_tokens_total",
            "monitor_gte_task_phase_seconds_created", "monitor_gte_task_phase_seconds_total",
            "monitor_gte_truncated_inputs_created", "monitor_gte_truncated_inputs_total",
        ],
        "registry": True,
        "rules": True,
    }  # fmt: skip


def test_a_ninth_task_is_served_counted_and_on_the_page_and_in_the_openapi_document(project: Path) -> None:
    add_task(project)
    folder = project / "gte-service"
    home = project / "home"
    home.mkdir()
    path = os.pathsep.join(map(str, (folder, project / "gte-monitoring")))
    service = Service(home, {"GTE_WORKERS": "1", "PYTHONPATH": path}, folder=folder)
    service.start()
    try:
        service.wait_until("ready")
        answer = service.predict(NAME, "天气")
        assert (answer.status, answer.json["task_type"], len(answer.json["result"])) == (200, NAME, 128)
        assert service.metrics()[f'gte_task_requests_total{{status="success",task_type="{NAME}"}}'] == 1
        described = service.ask("/openapi.json").json
        assert f"{NAME}_request" in described["components"]["schemas"]
        predict = described["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
        assert NAME in predict["examples"]
        for language, title in (("en", NAME.capitalize()), ("zh", NAME)):
            page = service.ask(f"/?lang={language}").text
            assert f'<a href="#{NAME}">{title}</a>' in page
            assert f'"name": "{NAME}"' in page
    finally:
        service.stop()
