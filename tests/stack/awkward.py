"""A checkout, settings and a shell as awkward as people have them: all tests of the stack run in them."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.stack.running import PROJECT, ROOT, Stack
from tools.launcher.checkout import MOUNTED
from tools.launcher.settings import NAMES

# The same in each run: what a killed one has left is found there.
FOLDER = Path(tempfile.gettempdir(), f"{PROJECT} 检出")
_CHECKOUT = FOLDER / "GTE 服务"
_DOCKER = FOLDER / "docker"
_NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", ".*_cache", "__pycache__", "node_modules", "dist", "results", ".env", "*.egg-info"
)
# Nothing listens there. The robots of the tests stand for chats, which people have a proxy for or name here.
_PROXY = "http://127.0.0.1:9"
_PROXIES = {"httpProxy": _PROXY, "httpsProxy": _PROXY, "noProxy": "robots"}
# Docker prints "…", our files are Chinese, and Python would take ASCII for both.
_SHELL = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "http_proxy": _PROXY}
# So that the curl of the runbooks asks this host past it.
_SHELL |= {"no_proxy": "127.0.0.1"}


def awkward(stack: Stack) -> Stack:
    """The stack, started from a copy of the checkout, with its settings in .env and none in the environment.

    The folder has a blank and Chinese in its name; what is mounted was cloned under a umask of 077; Docker and the
    shell name a proxy that can't reach the stack. No setting names the demo model: `make demo` does.
    """
    remove()
    shutil.copytree(ROOT, _CHECKOUT, ignore=_NOT_COPIED, symlinks=True)
    for name in MOUNTED:
        for path in (_CHECKOUT / name, *(_CHECKOUT / name).rglob("*")):
            # A build with other modes would begin anew, without a proxy that it could use.
            if "inbox" not in path.parts:
                path.chmod(path.stat().st_mode & 0o700)
    _write_docker_config()
    settings = {name: value for name, value in stack.environ.items() if name in NAMES and value}
    settings.pop("GTE_MODEL", None)
    (_CHECKOUT / ".env").write_bytes(_env_file(settings))
    others = {name: value for name, value in stack.environ.items() if name not in NAMES}
    environ = {**others, **_SHELL, "DOCKER_CONFIG": str(_DOCKER), **settings}
    return Stack(environ, root=_CHECKOUT, in_file=settings)


def remove() -> None:
    """Remove the copy."""
    shutil.rmtree(FOLDER, ignore_errors=True)


def _env_file(settings: Mapping[str, str]) -> bytes:
    """The settings as Windows, other programs and people write them."""
    ways = ("export {0}='{1}'\r\n", "{0}: {1}\r\n", '{0}="${{UNSET:-{1}}}" # {0}\r\n', "{0}={1}  # {0}\r\n")
    lines = [ways[number % len(ways)].format(*pair) for number, pair in enumerate(settings.items())]
    return "\N{ZERO WIDTH NO-BREAK SPACE}".encode() + "# 设置\r\n".encode("gbk") + "".join(lines).encode()


def _write_docker_config() -> None:
    """Docker's own folder of this user, with proxies."""
    own = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    config = json.loads((own / "config.json").read_text("utf-8")) if (own / "config.json").is_file() else {}
    _DOCKER.mkdir()
    for path in own.iterdir() if own.is_dir() else ():
        if path.name != "config.json":
            (_DOCKER / path.name).symlink_to(path)
    (_DOCKER / "config.json").write_text(json.dumps({**config, "proxies": {"default": _PROXIES}}), encoding="utf-8")
