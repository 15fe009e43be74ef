"""The verbs: the steps behind each of the launcher's targets in the Makefile."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tools import chinese, cli
from tools.launcher import by_hand, checkout, cleanup, model_choice, reloading
from tools.launcher.compose import Compose, Service, names
from tools.launcher.console import show, show_banner
from tools.launcher.container_engine import require_engine
from tools.launcher.images import (
    DASHBOARD_TOOLS,
    GRAFANA,
    VIEWER,
    left_out_services,
    missing_services,
    prepare_images,
    wanted_services,
)
from tools.launcher.kept import chosen, kept, left_out_settings, without_block
from tools.launcher.readiness import ask_model
from tools.launcher.settings import NAMES, link_overrides, path_overrides, read_settings, read_values, usable
from tools.launcher.start import containers, start
from tools.launcher.summary import print_left_out, print_model, print_password, print_summary
from tools.launcher.wheels import wheels_override

STACK = ""
"""The profile of the services that always run."""
SMOKE_TEST = "smoke-test"
LOADTEST = "loadtest"


@dataclass(frozen=True)
class Run:
    """Docker Compose and the settings of one checkout."""

    compose: Compose
    settings: Mapping[str, str]
    own: Mapping[str, str] = field(default_factory=dict)  # what the user's own lines of .env say, for a new start


def open_run(root: Path, environ: Mapping[str, str], *, may_install: bool = False, anew: bool = False) -> Run:
    """Make sure that a container engine answers, then read the settings of a checkout with its Compose.

    Args:
        root: the checkout.
        environ: goes over .env.
        may_install: whether an engine may be installed where none answers.
        anew: whether to forget what the last start has kept in .env, all but the project's name.

    Raises:
        ToolError: no engine answers, and `may_install` is false or doesn't help.
        UsageError: Compose can't read .env, COMPOSE_FILE is that of another project, or files came from Windows.
    """
    checkout.check_compose_file(root, environ)
    if may_install:
        checkout.check_line_ends(root)
    require_engine(root, environ, may_install=may_install)
    if not anew:
        settings = read_settings(root, environ)
        paths = path_overrides(root, settings)
        return Run(Compose(root, paths), {**settings, **paths})
    bare = {name: value for name, value in environ.items() if name not in NAMES}
    with without_block(root, environ) as env_file:
        own = read_values(root, bare, env_file=env_file)
    before = kept(root, environ)
    name = {"COMPOSE_PROJECT_NAME": before["COMPOSE_PROJECT_NAME"]} if "COMPOSE_PROJECT_NAME" in before else {}
    values = {**own, **name, **environ}
    settings = usable(values)
    # Compose still reads the block, until the start replaces it.
    overrides = {name: values.get(name, "") for name in before}
    if not overrides.get("COMPOSE_FILE", "compose.yaml"):
        overrides["COMPOSE_FILE"] = checkout.own_compose_files(root, environ)
    overrides |= path_overrides(root, settings) | link_overrides(settings)
    return Run(Compose(root, overrides), {**settings, **usable(overrides)}, own)


def up(run: Run) -> int:
    """Start the stack with the model that the settings name, or the demo model where that can't be had."""
    return _start(run, demo=False)


def demo(run: Run) -> int:
    """Start the stack with the demo model."""
    return _start(run, demo=True)


def prepare(run: Run) -> int:
    """Bring in and build every image, those of the checks too, and start nothing."""
    stack = run.compose.read()
    profiles = (STACK, SMOKE_TEST, LOADTEST, VIEWER, DASHBOARD_TOOLS)
    present = prepare_images(run.compose, stack, profiles, run.settings)
    show("\nThese images are here:")
    for image in sorted({service.image for service in present}):
        show(f"  {image}")
    wanted = [service for profile in profiles for service in stack.active(profile)]
    print_left_out(stack, [service for service in wanted if service not in present])
    return cli.OK


def status(run: Run) -> int:
    """List addresses and states; exit status 1 if a service is not healthy."""
    stack = run.compose.read()
    now, left_out = containers(run.compose), left_out_services(run.compose, stack)
    print_summary(stack, now, left_out)
    print_left_out(stack, left_out, brief=True)
    print_model(ask_model(stack), brief=True)
    wanted = names(wanted_services(stack, left_out))
    return cli.OK if all(name in now and now[name].healthy for name in wanted) else cli.FAILED


def smoke(run: Run) -> int:
    """Run the smoke test against the running stack; services that are left out are named, never passed."""
    return _run_check(run, SMOKE_TEST, ())


def load(run: Run, arguments: Sequence[str]) -> int:
    """Run the load test against the running service; the arguments are its own."""
    return _run_check(run, LOADTEST, arguments)


def down(run: Run) -> int:
    """Stop and remove the containers; data stays."""
    checkout.check_project(run.compose.root, run.compose.read().project)
    return run.compose.run("down", "--remove-orphans", profile="*")


def clean(run: Run) -> int:
    """Remove containers, data and our images."""
    stack = run.compose.read()
    checkout.check_project(run.compose.root, stack.project)
    result = cleanup.clean(run.compose, stack, run.settings)
    if result == cli.OK:
        by_hand.forget_settings(run.compose.root, stack)
    return result


def reload(run: Run) -> int:
    """Check the configuration of Prometheus and Alertmanager, let them read it again, and say what they now run."""
    return reloading.reload(run.compose)


def logs(run: Run, arguments: Sequence[str]) -> int:
    """Follow the logs of all services, or of those that are named."""
    return run.compose.run("logs", "--follow", "--tail", "100", *arguments)


def notify_test(run: Run) -> int:
    """Send a test message to each chat and mailbox."""
    locale = chinese.locale_of(os.environ)
    program = ("alert-inbox", "python", "-m", "alert_inbox.notify_test")
    return run.compose.run("exec", "-T", "--env", f"LC_ALL={locale}", *program)


VERBS: Mapping[str, Callable[[Run], int]] = {
    verb.__name__.replace("_", "-"): verb
    for verb in (up, demo, prepare, status, smoke, reload, notify_test, down, clean)
}
WITH_ARGUMENTS: Mapping[str, Callable[[Run, Sequence[str]], int]] = {"load": load, "logs": logs}
"""The verbs that take arguments."""
STARTING = frozenset({"up", "demo"})
"""The verbs that start the stack. They and `prepare` may install a container engine where none answers."""


def _start(run: Run, *, demo: bool) -> int:
    root, stack = run.compose.root, run.compose.read()
    wheels = wheels_override(stack.active(), run.settings, root)
    run = replace(run, compose=run.compose.with_settings(wheels), settings={**run.settings, **wheels})
    checkout.check_project(root, stack.project)
    checkout.make_readable(root)
    if not demo and "GTE_MODEL_DIR" in run.settings:
        # A wrong folder is reported at once, not after minutes of building.
        model_choice.check_folder(Path(run.settings["GTE_MODEL_DIR"]))
    present = prepare_images(run.compose, stack, (STACK,), run.settings)
    choice = model_choice.demo() if demo else model_choice.choose(run.compose, stack, run.settings)
    if choice.fallback:
        show_banner(
            "ModelScope can't be reached: starting with the DEMO MODEL",
            (
                choice.fallback,
                "With a copy of the model on this host, set GTE_MODEL_DIR=/path/to/it in .env and `make up` again.",
            ),
        )
    show(f"Model: {choice.description}")
    left_out = missing_services(stack, present)
    run = replace(run, compose=run.compose.with_settings(left_out_settings(names(left_out))))
    compose = run.compose.with_settings(choice.settings)
    # The viewer too where Grafana runs: they have one port.
    idle = [service for service in (*stack.active(), *stack.active(VIEWER)) if service not in present]
    cleanup.remove_containers(compose, idle)
    by_hand.keep_settings(root, stack, _chosen(run, choice, present), run.own)
    start(compose, stack, present)
    print_summary(stack, containers(compose), left_out)
    if GRAFANA in names(present):
        print_password(compose)
    print_left_out(stack, left_out)
    print_model(ask_model(stack))
    return cli.OK


def _chosen(run: Run, choice: model_choice.Choice, present: Sequence[Service]) -> dict[str, str]:
    """What this start takes beside the user's own lines of .env."""
    stands = run.settings.get("COMPOSE_PROFILES", "").split(",")
    profiles = ",".join(filter(None, [*stands, VIEWER])) if VIEWER in names(present) else ""
    # COMPOSE_FILE may be there for this run alone (open_run).
    overrides = {name: value for name, value in run.compose.overrides.items() if name != "COMPOSE_FILE"}
    values = {
        **os.environ, **overrides, **choice.settings, **({"COMPOSE_PROFILES": profiles} if profiles else {}),
    }  # fmt: skip
    return chosen(values, run.own)


def _run_check(run: Run, check: str, arguments: Sequence[str]) -> int:
    """Run the one-shot container of a check on our terminal; returns its exit status."""
    stack = run.compose.read()
    service = containers(run.compose).get(model_choice.SERVICE)
    if service is None or service.state != "running":
        state = service.description if service else "it has no container"
        raise cli.ToolError(
            f"{model_choice.SERVICE} does not run ({state}). Start the stack first: make up, or make demo"
        )
    prepare_images(run.compose, stack, (check,), run.settings)
    left_out = left_out_services(run.compose, stack)
    compose = run.compose.with_settings({"SMOKE_LEFT_OUT": ",".join(names(left_out))})
    terminal = [] if sys.stdin.isatty() and sys.stdout.isatty() else ["-T"]
    # No --deps: it would scale the services that the check depends on back to one.
    result = compose.run("run", "--rm", "--no-deps", *terminal, check, *arguments, profile=check)
    if check == SMOKE_TEST:
        print_left_out(stack, left_out, brief=True)
    return result
