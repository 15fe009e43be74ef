"""The command `gte-service`: what runs in the container, and what people run beside it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from gte_service.errors import GteError, SettingsError
from gte_service.settings import Settings, read_settings

# Imports are inside the commands: the health check runs every few seconds and must not load torch.
# ruff: noqa: PLC0415


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        the exit status: 0 done, 1 failed or the answer is no, 2 a setting or an argument is wrong.
    """
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(read_settings(), options))
    except SettingsError as error:
        print(f"gte-service: {error}", file=sys.stderr)
        return 2
    except GteError as error:
        print(f"gte-service: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gte-service", description="GTE text embeddings over HTTP.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, text in (
        ("serve", _serve, "run the service: exporter, preparer and gunicorn"),
        ("exporter", _exporter, "serve /metrics (a part of serve)"),
        ("prepare", _prepare, "download and prepare the model, trying until it succeeds (a part of serve)"),
        ("health", _health, "wait until the service is ready and exit 0; exit 1 if it can't become ready"),
        ("model-present", _model_present, "exit 0 when the model can be used without the network"),
        ("update-model", _update_model, "download the current version of the model; the next start uses it"),
        ("rollback", _rollback, "have the next start use the version served before; once more: the current one again"),
    ):
        command = commands.add_parser(name, help=text)
        command.set_defaults(run=run)
        if run is _health:
            command.add_argument("--now", action="store_true", help="don't wait: print the state at this moment")
    write = commands.add_parser("write-model", help="write a generated model folder: the demo model, or random weights")
    write.add_argument("kind", choices=("lexical", "gte-large-random"))
    write.add_argument("folder", type=Path)
    write.set_defaults(run=_write_model)
    return parser


def _serve(settings: Settings, options: argparse.Namespace) -> int:
    from gte_service.serving.logs import configure
    from gte_service.serving.supervisor import Supervisor

    configure()
    return Supervisor(settings).run()


def _exporter(settings: Settings, options: argparse.Namespace) -> int:
    from gte_monitoring.exposition.exporter import run_exporter
    from gte_service.contract import INFERENCE_METRICS, TASK_TYPES
    from gte_service.probe_secret import read_secret
    from gte_service.serving.limit_collector import LimitCollector
    from gte_service.serving.logs import configure
    from gte_service.serving.model_collector import ModelCollector
    from gte_service.serving.prober import Prober

    configure()
    secret = read_secret(settings.run_dir)
    prober = Prober(settings.run_dir, settings.port, secret, settings.probe_seconds, TASK_TYPES)
    # An exporter that no supervisor has started has no service beside it.
    if secret and settings.probe_seconds:
        prober.start()
    try:
        return run_exporter(
            settings.metrics_dir,
            settings.metrics_port,
            # Its container's network decides who reaches it.
            "0.0.0.0",
            others={"supervisor": os.getppid()},
            more=[ModelCollector(settings.run_dir, settings.computations), prober, LimitCollector(settings)],
            metrics=INFERENCE_METRICS,
        )
    finally:
        prober.stop()


def _prepare(settings: Settings, options: argparse.Namespace) -> int:
    from gte_service.serving.logs import configure
    from gte_service.serving.preparer import run

    configure()
    run(settings)
    return 0


def _health(settings: Settings, options: argparse.Namespace) -> int:
    from gte_service.serving.health import check, now

    ready, description = (now if options.now else check)(settings)
    print(description)
    return 0 if ready else 1


def _model_present(settings: Settings, options: argparse.Namespace) -> int:
    from gte_service.engine.store.obtain import cached
    from gte_service.serving.preparer import source_of

    if settings.is_demo or settings.model_dir:
        return 0
    return 0 if cached(source_of(settings)) else 1


def _update_model(settings: Settings, options: argparse.Namespace) -> int:
    from gte_service.engine.store.obtain import cached, update
    from gte_service.engine.store.superseded import forget_rollback
    from gte_service.serving.logs import configure
    from gte_service.serving.preparer import LogReport, source_of

    if settings.is_demo or settings.model_dir:
        raise SettingsError(
            f"{settings.model_name} does not come from ModelScope, so there is nothing to update. "
            "The next start uses the current content of a local folder."
        )
    configure()
    source = source_of(settings)
    before = cached(source)
    after = update(source, LogReport())
    was_rolled_back = forget_rollback(source)
    if before and before.revision == after.revision and not was_rolled_back:
        print(f"{settings.model} is up to date (revision {after.revision}).")
    else:
        print(f"{settings.model}: revision {after.revision} is ready. Restart gte-service to use it.")
    return 0


def _rollback(settings: Settings, options: argparse.Namespace) -> int:
    from gte_service.engine.store.superseded import roll_back
    from gte_service.serving.preparer import source_of

    if settings.is_demo:
        raise SettingsError(f"{settings.model_name} has no versions to go back to.")
    left, served = roll_back(source_of(settings))
    print(f"{settings.model_name}: revision {served} instead of {left}. Restart gte-service to use it.")
    return 0


def _write_model(settings: Settings, options: argparse.Namespace) -> int:
    from gte_service.engine.store.synthetic import write_lexical, write_random

    (write_lexical if options.kind == "lexical" else write_random)(options.folder)
    print(f"{options.folder}: written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
