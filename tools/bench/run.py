"""One run from the images to the figures."""

from __future__ import annotations

import datetime
import json
import subprocess
from typing import Any

from tools.bench.console import say
from tools.bench.docker import Workspace
from tools.bench.engine_phase import EnginePhase, code_mount, container_starter
from tools.bench.engines import ENGINES
from tools.bench.http_phase import HttpPhase
from tools.bench.images import ROOT, Images, make_images, remove_rivals
from tools.bench.options import Options
from tools.bench.results import Results
from tools.bench.services import SERVICES, default_topologies

WIDTHS = {"full": 1024, "tiny": 128}
"""Dimensions of a vector by shape (see bench/candidates/write_model.py)."""


def run(options: Options) -> tuple[Results, dict[str, Any]]:
    """Measure what the options ask for; returns the figures and what the machine is.

    Raises:
        SetupError: there is no engine, no image of ours, or no model.
    """
    say("Images")
    images = make_images(with_rivals=needs_rivals(options))
    try:
        with Workspace() as workspace:
            return _measure(options, workspace, images)
    finally:
        if options.remove_images:
            remove_rivals(images)


def needs_rivals(options: Options) -> bool:
    """Whether anything but our own runs."""
    if options.topologies is not None:
        return False
    return any(ENGINES[name].environment for name in options.engines) or any(
        not SERVICES[name].ours for name in options.services
    )


def _measure(options: Options, workspace: Workspace, images: Images) -> tuple[Results, dict[str, Any]]:
    say(f"Model: writing random weights, {options.shape} shape")
    model = workspace.volume("model")
    in_ours = ["run", "--rm", "--network", "none", *workspace.label, *code_mount()]
    mount = ["--user", "0", "--volume", f"{model}:/model"]
    writing = ["python", "-m", "tools.bench.candidates.write_model", options.shape, "/model"]
    workspace.docker(*in_ours, *mount, images.ours, *writing)
    facts = json.loads(workspace.docker(*in_ours, images.ours, "python", "-m", "tools.bench.candidates.facts"))
    facts |= {"date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"), "commit": _commit()}
    results = Results()
    http = HttpPhase(results, workspace, images, model, WIDTHS[options.shape], options.seed)
    if options.topologies is not None:
        topologies = options.topologies or default_topologies(int(facts["cpus_available"]))
        http.compare_topologies(options.precision, topologies, options.texts, options.rounds, options.clients)
        return results, facts
    if engines := options.engines:
        if "ours-bf16" in engines and not facts["has_bf16"]:
            engines.remove("ours-bf16")
            results.warnings.append("This CPU has no products of bf16: ours-bf16 was left out.")
        phase = EnginePhase(results, container_starter(workspace, images, model))
        try:
            phase.run(engines, options.texts, options.rounds, options.seed)
        finally:
            phase.close()
    if options.services:
        services = {name: SERVICES[name] for name in options.services}
        http.compare(services, options.texts, options.rounds, options.clients)
    return results, facts


def _commit() -> str:
    """The commit of this checkout, with `+` where files differ from it."""
    try:
        asked = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return asked.stdout.strip()
