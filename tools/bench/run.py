"""One run from the images to the figures."""

from __future__ import annotations

import datetime
import json
import subprocess

from tools import ROOT
from tools.bench.docker import PROJECT, Workspace
from tools.bench.engine_phase import EnginePhase
from tools.bench.engines import ENGINES, PEAK
from tools.bench.http_phase import HttpPhase
from tools.bench.images import Images, make_images, remove_rivals
from tools.bench.options import Options
from tools.bench.report import Report
from tools.bench.services import OURS_4_WORKERS, SERVICES, default_topologies
from tools.cli import say


def run(report: Report) -> None:
    """Measure what the report's options ask for; its figures are saved as they come.

    Raises:
        ToolError: there is no engine, no image of ours, or no model.
    """
    options = report.options
    say("Images")
    over_http = bool(options.services) or options.topologies is not None
    images = make_images(with_rivals=needs_rivals(options), with_generator=over_http)
    try:
        with Workspace() as workspace:
            _measure(report, workspace, images)
    finally:
        if options.remove_images:
            remove_rivals(images)


def needs_rivals(options: Options) -> bool:
    """Whether anything but our own runs."""
    compared = [ENGINES[name].ours for name in options.engines] + [SERVICES[name].ours for name in options.services]
    return options.topologies is None and not all(compared)


def _measure(report: Report, workspace: Workspace, images: Images) -> None:
    options, setup = report.options, f"{PROJECT}-setup-1"
    say(f"Model: writing random weights, {options.shape} shape")
    workspace.compose("up", "--detach", "--no-build", "--pull", "never", "setup")
    in_setup = ("exec", setup, "python", "-m")
    workspace.docker(*in_setup, "tools.bench.candidates.write_model", options.shape, "/model")
    report.machine |= json.loads(workspace.docker(*in_setup, "tools.bench.candidates.machine"))
    workspace.docker("rm", "--force", setup)
    now = datetime.datetime.now().astimezone()
    report.machine |= {"date": now.isoformat(timespec="seconds"), "commit": _commit()}
    if options.topologies is not None:
        topologies = options.topologies or default_topologies(int(report.machine["cpus_available"]))
        HttpPhase(workspace, images, report).compare_topologies(topologies)
        return
    if engines := options.engines:
        if "ours-bf16" in engines and not report.machine["has_bf16"]:
            engines.remove("ours-bf16")
            report.results.warnings.append("This CPU has no products of bf16: ours-bf16 was left out.")
        EnginePhase(workspace, images, report).run([PEAK, *engines])
    if services := options.services:
        workers = [OURS_4_WORKERS] if any(SERVICES[name].ours for name in services) else []
        HttpPhase(workspace, images, report).compare([*services, *workers])


def _commit() -> str:
    """The commit of this checkout, with `+` where files differ from it."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
