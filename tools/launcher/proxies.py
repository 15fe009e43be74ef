"""Says which proxy a build of images has, where one failed: Docker's own settings count, and the shell's don't."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

_VARIABLES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


def advice(environ: Mapping[str, str]) -> str:
    """A line on the proxy that a build had or lacked, behind a line break; "" where none is set anywhere."""
    file = Path(environ.get("DOCKER_CONFIG") or Path(environ.get("HOME", "~")).expanduser() / ".docker", "config.json")
    try:
        proxies = json.loads(file.read_text(encoding="utf-8")).get("proxies") or {}
    except (OSError, ValueError, AttributeError):
        proxies = {}
    if proxies:
        named = {str(value) for each in proxies.values() for name, value in each.items() if name != "noProxy"}
        return f"\nThe build used the proxy that {file} names: {', '.join(sorted(named))}."
    shell = next((f"{name}={environ[name]}" for name in _VARIABLES if environ.get(name)), "")
    if shell:
        return (
            f"\nYour shell has {shell}, which a build doesn't see. Name the proxy in {file}, where containers can "
            "reach it (not 127.0.0.1): https://docs.docker.com/engine/cli/proxy/"
        )
    return ""
