"""What gte-service tells Prometheus, against the metric contract that this image was built with."""

from __future__ import annotations

import itertools
import re

import pytest

from tests.smoke.exposition import Exposition
from tests.smoke.services import Service
from tools.metric_contract import BY_NAME, CONTRACT, Metric

OPENMETRICS = "application/openmetrics-text"
# There from the first exception on.
NOT_FROM_THE_START = {"flask_http_request_exceptions_total"}
# Only where the container may use less memory than the machine has.
NOT_EVERYWHERE = {"resource": "memory_bytes"}
# There once the service has asked itself about each task, which takes it 15 s; an answer may take 10 more.
PROBES, ASKED_SECONDS = ("gte_probe_success", "gte_probe_seconds"), 30


def scrape(gte_metrics: Service) -> Exposition:
    """The metrics as they are now."""
    return Exposition(gte_metrics.get("/metrics").text)


def expect_series(metrics: Exposition, metric: Metric) -> None:
    """Every series of a metric whose labels have known values, and at least one of a metric where some are open."""
    if any(label.pattern or not label.values for label in metric.labels):
        name = f"{metric.name}_count" if metric.kind == "histogram" else metric.name
        assert metrics.all(name), f"no {name} among the metrics"
        return
    for values in itertools.product(*(label.values for label in metric.labels)):
        labels = dict(zip(metric.label_names, values, strict=True))
        if metric.kind == "histogram":
            metrics.check_histogram(metric.name, metric.bounds, **labels)
        elif labels != NOT_EVERYWHERE:
            metrics.value(metric.name, **labels)


def test_answers_a_scrape_in_the_text_format(gte_metrics: Service) -> None:
    answer = gte_metrics.get("/metrics")
    # Prometheus 3 refuses a scrape whose content type is none that it knows.
    usable = re.match(r"text/plain;.*\bversion=\d", answer.content_type)
    assert usable, f"content type {answer.content_type!r} instead of text/plain; version=…"
    assert Exposition(answer.text).samples, "no samples"


def test_answers_a_scrape_in_openmetrics_when_asked(gte_metrics: Service) -> None:
    answer = gte_metrics.get("/metrics", accept=f"{OPENMETRICS};version=1.0.0")
    assert answer.content_type.startswith(OPENMETRICS), f"asked for OpenMetrics, got {answer.content_type!r}"
    assert answer.text.endswith("# EOF\n"), "OpenMetrics that doesn't end with # EOF"


def test_has_the_series_of_the_contract_for_every_task(gte_metrics: Service) -> None:
    metrics = scrape(gte_metrics)
    for metric in CONTRACT:
        if "task_type" in metric.label_names and metric.name not in PROBES:
            expect_series(metrics, metric)
    for sample in metrics.all("gte_active_requests"):
        assert sample.value >= 0, f"gte_active_requests of {sample.labels['task_type']} is {sample.value:g}"


@pytest.mark.within(ASKED_SECONDS)
def test_answers_its_own_question_of_every_task(gte_metrics: Service) -> None:
    metrics = scrape(gte_metrics)
    for metric in CONTRACT:
        if metric.name in PROBES:
            expect_series(metrics, metric)
    failing = [sample.labels["task_type"] for sample in metrics.all("gte_probe_success") if sample.value != 1]
    assert not failing, f"no answer for {', '.join(failing)}: the log of gte-service says why"


def test_has_the_series_of_the_contract_for_model_workers_and_processes(gte_metrics: Service) -> None:
    metrics = scrape(gte_metrics)
    for metric in CONTRACT:
        if "task_type" not in metric.label_names and metric.name not in NOT_FROM_THE_START:
            expect_series(metrics, metric)
    for name in ("gte_model_ready", "gte_server_up", "gte_workers", "gte_inference_slots"):
        assert metrics.value(name) >= 1, f"{name} is {metrics.value(name):g}"
    live = metrics.value("gte_workers")
    for name in (metric.name for metric in CONTRACT if "process" in metric.label_names):
        # Their numbers are those of slots, and after a reload the workers are in other slots than before.
        workers = sum(sample.labels["process"].startswith("worker-") for sample in metrics.all(name))
        assert workers == live, f"{name} has {workers} workers, gte_workers is {live:g}"
        for process in ("master", "exporter") if "_process_" in name else ():
            metrics.value(name, process=process)


def test_names_the_same_model_in_its_metrics_as_at_readyz(gte: Service, gte_metrics: Service) -> None:
    ready = gte.get("/readyz").json()
    (info,) = scrape(gte_metrics).all("gte_model_info")
    assert info.value == 1, f"gte_model_info is {info.value:g}"
    for name in ("model", "revision"):
        assert info.labels[name] == ready[name], f"gte_model_info has {name}={info.labels[name]!r}"
    lacks = set(BY_NAME["gte_model_info"].label_names).difference(info.labels)
    assert not lacks, f"gte_model_info has no label {', '.join(sorted(lacks))}"
