"""Lets `docker compose` by hand find what a start has chosen: the same model, ports and services."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from tools import cli
from tools.launcher import checkout
from tools.launcher.compose import Compose, Stack
from tools.launcher.console import show
from tools.launcher.kept import SECRETS, keep
from tools.launcher.settings import read_values


def keep_settings(root: Path, stack: Stack, settings: Mapping[str, str], own: Mapping[str, str]) -> None:
    """Keep the settings of a start in .env, unless that would change another running project of this checkout.

    Args:
        root: the checkout.
        stack: what is started.
        settings: what the start takes beside the user's own lines of .env.
        own: what those lines say.
    """
    told = " ".join(f"{name}={value}" for name, value in settings.items())
    if files := os.environ.get("COMPOSE_ENV_FILES"):
        show(f"Compose reads {files} (COMPOSE_ENV_FILES), not .env. For `docker compose` by hand, write there: {told}")
        return
    addressed = addressed_project(root, stack)
    if addressed != stack.project and checkout.has_containers(root, addressed):
        show(
            f".env is that of the project {addressed}, which has containers, so it stays as it is. For "
            f"`docker compose` by hand, export {told}; or start a second stack from a checkout of its own."
        )
        return
    try:
        keep(root, settings)
    except OSError as error:
        show(f".env can't be written ({error}). For `docker compose` by hand, export {told}")
        return
    if settings:
        show(f"Kept in .env for `docker compose` by hand: {', '.join(settings)}")
    if secrets := sorted(name for name in SECRETS if os.environ.get(name, "") != own.get(name, "")):
        show(f"Not kept, because they are secrets: {', '.join(secrets)}. Write them in .env yourself.")


def forget_settings(root: Path, stack: Stack) -> None:
    """Remove from .env what starts of a project have kept there, unless .env is that of another project."""
    if addressed_project(root, stack) != stack.project:
        return
    try:
        keep(root, {})
    except (OSError, cli.UsageError) as error:
        show(f"What make wrote in .env stays there: {error}")


def addressed_project(root: Path, stack: Stack) -> str:
    """The project that `docker compose` in this folder acts on without COMPOSE_PROJECT_NAME in the environment."""
    if not os.environ.get("COMPOSE_PROJECT_NAME"):
        return stack.project
    environ = {name: value for name, value in os.environ.items() if name != "COMPOSE_PROJECT_NAME"}
    given = read_values(root, environ, {"COMPOSE_PROJECT_NAME"})["COMPOSE_PROJECT_NAME"]
    return given or Compose(root, {"COMPOSE_PROJECT_NAME": ""}).read().project
