"""Checks the checkout before anything starts: whose project it is, and whether containers can read its files."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from tools import cli
from tools.launcher.compose import docker
from tools.launcher.console import show

MOUNTED = (
    "prometheus", "alertmanager", "node-exporter", "reverse-proxy", "gateway",
    "grafana/start.sh", "grafana/provisioning", "grafana/dashboards",
)  # fmt: skip
"""What compose.yaml mounts of the checkout; NOTIFY_DIR holds secrets and belongs to the user."""
PROGRAMS = ("offline", "tools/bench/rivals/environment.sh")
"""Shell programs that run on this host, or while an image is built."""

TO_UNIX = r"grep -rIl --exclude-dir=.git $'\r' . | tr '\n' '\0' | xargs -0 perl -pi -e 's/\r$//'"
"""The command, for bash and zsh, that gives every text file of a folder the line ends of Unix."""

# Of alertmanager/: the inbox is built into its image, and the files of notify/ are the user's secrets.
_LEFT_ALONE = {"inbox", "notify"}
_WORKING_DIR = "com.docker.compose.project.working_dir"


def check_compose_file(root: Path, environ: Mapping[str, str]) -> None:
    """Make sure that COMPOSE_FILE in the environment names a file of this project.

    Raises:
        UsageError: it was exported for another one, which every command would then act on.
    """
    given = environ.get("COMPOSE_FILE", "")
    files = [root / file for file in given.split(environ.get("COMPOSE_PATH_SEPARATOR") or os.pathsep) if file]
    if files and not any(file.is_file() and _is_within(root, file) for file in files):
        raise cli.UsageError(
            f"COMPOSE_FILE is {given} in the environment, which names no file of this project: unset COMPOSE_FILE"
        )


def own_compose_files(root: Path, environ: Mapping[str, str]) -> str:
    """The value of COMPOSE_FILE that stands for none; an empty one is an error to Compose."""
    others = [name for name in ("compose.override.yml", "compose.override.yaml") if (root / name).is_file()]
    return (environ.get("COMPOSE_PATH_SEPARATOR") or os.pathsep).join(["compose.yaml", *others[:1]])


def check_project(root: Path, project: str) -> None:
    """Make sure that no other folder's containers have the name of this project.

    Raises:
        UsageError: they do, and would be replaced or removed.
    """
    for folder in _folders(project):
        # One that is gone has no other owner.
        if folder.is_dir() and not _is_within(root, folder):
            raise cli.UsageError(
                f"The project {project} has containers that were started in {folder}. Give this one another name and "
                "other ports in .env: COMPOSE_PROJECT_NAME, GTE_PORT and the other ports (.env.example lists them). "
                "If COMPOSE_PROJECT_NAME was exported for another project, unset it."
            )


def has_containers(root: Path, project: str) -> bool:
    """Whether a project has containers, running or not, that were started from this checkout."""
    return any(_is_within(root, folder) for folder in _folders(project))


def _is_within(root: Path, path: Path) -> bool:
    return path.resolve().is_relative_to(root.resolve())


def _folders(project: str) -> list[Path]:
    """The folders from which the containers of a project, running or not, were started."""
    form = f'{{{{.Label "{_WORKING_DIR}"}}}}'
    listed = docker("ps", "--all", "--filter", f"label=com.docker.compose.project={project}", "--format", form)
    return [Path(os.fsdecode(name.encode())) for name in sorted(set(listed.stdout.splitlines())) if name]


def check_line_ends(root: Path) -> None:
    r"""Make sure that files which a shell in a container or on this host reads end their lines as Unix does.

    Raises:
        UsageError: they came from Windows, by a zip file or an editor.
    """
    for file in (*_files(root, MOUNTED), *_files(root, PROGRAMS)):
        with file.open("rb") as content:
            beginning = content.read(4096)
        if b"\r\n" in beginning:
            raise cli.UsageError(
                f"{file.relative_to(root)} has the line ends of Windows, which shells and containers can't read. "
                f"Change those of the whole folder:\n{TO_UNIX}"
            )


def make_readable(root: Path) -> None:
    """Let every user read what is mounted: containers have users of their own, and a umask of 077 shuts them out."""
    changed = []
    for path in (*_files(root, MOUNTED, folders=True), root / "alertmanager/notify"):
        mode = path.stat().st_mode
        needed = stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0)
        if mode & needed != needed:
            try:
                path.chmod(stat.S_IMODE(mode) | needed)
            except PermissionError as error:
                raise cli.UsageError(
                    f"The containers' users can't read {path}, and only its owner can change that: "
                    f"chmod -R o+rX {' '.join(MOUNTED)}"
                ) from error
            changed.append(path)
    if changed:
        show(f"Containers could not read {len(changed)} of the mounted files and folders; now every user may read them")


def _files(root: Path, names: tuple[str, ...], *, folders: bool = False) -> Iterator[Path]:
    for name in names:
        path = root / name
        if path.is_file():
            yield path
        for place, below, files in os.walk(path):
            below[:] = [folder for folder in below if folder not in _LEFT_ALONE]
            if folders:
                yield Path(place)
            yield from (Path(place, file) for file in files)
