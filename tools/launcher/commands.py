"""The verbs: what each target of the Makefile does, step by step."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.launcher import cleanup, model
from tools.launcher.compose import Compose, Service, Stack, names
from tools.launcher.console import loud, say
from tools.launcher.engine import require_engine
from tools.launcher.errors import StackError
from tools.launcher.images import left_out_services, prepare_images
from tools.launcher.readiness import ask_model
from tools.launcher.settings import folder_overrides, read_settings
from tools.launcher.start import containers, start
from tools.launcher.summary import print_left_out, print_model, print_password, print_summary

STACK = ""
"""The profile of the services that always run."""
SMOKE_TEST = "smoke-test"
LOADTEST = "loadtest"


@dataclass(frozen=True)
class Run:
    """What every verb works with."""

    compose: Compose
    settings: Mapping[str, str]

    def require_engine(self, *, may_install: bool = False) -> None:
        """As `engine.require_engine`."""
        require_engine(self.compose.root, self.settings, may_install=may_install)


def open_run(root: Path, environ: Mapping[str, str]) -> Run:
    """Read the settings of a checkout."""
    settings = read_settings(root, environ)
    folders = folder_overrides(root, settings)
    return Run(Compose(root, folders), {**settings, **folders})


def up(run: Run) -> int:
    """Start the stack with the model that the settings name, or the demo model where that can't be had."""
    return _start(run, demo=False)


def demo(run: Run) -> int:
    """Start the stack with the demo model."""
    return _start(run, demo=True)


def prepare(run: Run) -> int:
    """Bring in and build every image, those of the checks too, and start nothing."""
    run.require_engine(may_install=True)
    stack = run.compose.read()
    present = prepare_images(run.compose, stack, (STACK, SMOKE_TEST, LOADTEST), run.settings)
    say("\nThese images are here:")
    for image in sorted({service.image for service in present}):
        say(f"  {image}")
    print_left_out([service for service in stack.active() if service not in present])
    return 0


def status(run: Run) -> int:
    """Print the list of addresses and states; exit status 1 if a service is not healthy."""
    run.require_engine()
    stack = run.compose.read()
    now, left_out = containers(run.compose), left_out_services(run.compose, stack)
    print_summary(run.compose, stack, now, left_out)
    print_left_out(left_out)
    print_model(ask_model(stack))
    wanted = [service.name for service in stack.active() if service not in left_out]
    return 0 if all(name in now and now[name].healthy for name in wanted) else 1


def smoke(run: Run) -> int:
    """Run the smoke test against the running stack; what is left out is named, never passed."""
    run.require_engine()
    stack = run.compose.read()
    _require_running(run.compose, "gte-service")
    prepare_images(run.compose, stack, (SMOKE_TEST,), run.settings)
    left_out = left_out_services(run.compose, stack)
    compose = run.compose.with_settings({"SMOKE_LEFT_OUT": ",".join(names(left_out))})
    result = _run_once(compose, SMOKE_TEST, ())
    print_left_out(left_out)
    return result


def load(run: Run, arguments: Sequence[str]) -> int:
    """Run the load test against the running service; the arguments are its own."""
    run.require_engine()
    stack = run.compose.read()
    _require_running(run.compose, "gte-service")
    prepare_images(run.compose, stack, (LOADTEST,), run.settings)
    return _run_once(run.compose, LOADTEST, arguments)


def down(run: Run) -> int:
    """Stop and remove the containers; data stays."""
    run.require_engine()
    return cleanup.down(run.compose)


def clean(run: Run) -> int:
    """Remove containers, data and our images."""
    run.require_engine()
    return cleanup.clean(run.compose, run.compose.read(), run.settings)


def _start(run: Run, *, demo: bool) -> int:
    run.require_engine(may_install=True)
    stack = run.compose.read()
    if not demo and "GTE_MODEL_DIR" in run.settings:
        # A wrong folder is said at once, not after minutes of building.
        model.check_folder(Path(run.settings["GTE_MODEL_DIR"]))
    present = prepare_images(run.compose, stack, (STACK,), run.settings)
    choice = model.demo() if demo else model.choose_for(run.compose, stack, run.settings)
    if choice.fallback:
        loud(
            "ModelScope can't be reached: starting with the DEMO MODEL",
            (
                choice.fallback,
                "With a copy of the model on this host, set GTE_MODEL_DIR=/path/to/it in .env and `make up` again.",
            ),
        )
    say(f"Model: {choice.said}")
    compose = run.compose.with_settings(choice.settings)
    left_out = [service for service in stack.active() if service not in present]
    cleanup.remove_containers(compose, left_out)
    start(compose, stack, present)
    _tell(compose, stack, left_out)
    if choice.settings:
        say("A plain `docker compose up` takes the model of .env; GTE_MODEL=builtin:lexical there keeps this one.")
    return 0


def _tell(compose: Compose, stack: Stack, left_out: Sequence[Service]) -> None:
    print_summary(compose, stack, containers(compose), left_out)
    if all(service.name != "grafana" for service in left_out):
        print_password(compose)
    print_left_out(left_out)
    print_model(ask_model(stack))


def _run_once(compose: Compose, service: str, arguments: Sequence[str]) -> int:
    """Run a one-shot container. No --deps: it would scale what it depends on back to one."""
    terminal = [] if sys.stdin.isatty() and sys.stdout.isatty() else ["-T"]
    return compose.run("run", "--rm", "--no-deps", *terminal, service, *arguments, profile=service)


def _require_running(compose: Compose, name: str) -> None:
    container = containers(compose).get(name)
    if container is None or container.state != "running":
        why = container.said if container else "it has no container"
        raise StackError(f"{name} does not run ({why}). Start the stack first: make up, or make demo")
