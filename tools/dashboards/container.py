"""Runs the viewer's command lines in their container, which has the Node that this host may lack."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from tools import cli
from tools.launcher.commands import Run
from tools.launcher.images import DASHBOARD_TOOLS, prepare_images

_PROMETHEUS = ("--prometheus", "http://prometheus:9090")
_USAGE = "\n\nUsage:"
_OUT = "/tmp/report.html"  # noqa: S108 (in the container, where nothing else can be written)


@dataclass(frozen=True)
class Container:
    """The container that checks and freezes dashboards.

    Attributes:
        run: Docker Compose and the settings of the checkout.
        dashboards: names of files in grafana/dashboards.
    """

    run: Run
    dashboards: Sequence[str]

    @property
    def _files(self) -> list[str]:
        return [f"/dashboards/{name}" for name in self.dashboards]

    def check(self, data: Sequence[str]) -> int:
        """Check the dashboards; returns the exit status.

        Args:
            data: options for the range of time that Prometheus is asked about; none: it isn't asked.

        Raises:
            ToolError: the image can't be built.
        """
        self.prepare()
        asked = (*_PROMETHEUS, *data) if data else ()
        return self.run.compose.run(*self._command(), "check.mjs", *asked, *self._files, profile=DASHBOARD_TOOLS)

    def freeze(self, options: Sequence[str], result: str) -> tuple[str, str]:
        """Freeze the dashboards.

        Args:
            options: of report.mjs, without those for Prometheus and for files.
            result: the figures of a load test as JSON, "" for none.

        Returns:
            the page, and the program's messages about it.

        Raises:
            ToolError: there is no page; the message has the program's own words.
        """
        self.prepare()
        options = [*_PROMETHEUS, *options, *(["--result", "/dev/stdin"] if result else []), "--out", _OUT]
        # The page comes by standard output: a folder of this host need not be writable for the container's user.
        script = f'node report.mjs "$@" >&2 && cat {_OUT}'
        frozen = subprocess.run(
            self.run.compose.command(
                *self._command("--entrypoint", "sh"), "-c", script, "sh", *options, *self._files,
                profile=DASHBOARD_TOOLS,
            ),
            cwd=self.run.compose.root, env=self.run.compose.environ, input=result, capture_output=True,
            encoding="utf-8", check=False,
        )  # fmt: skip
        if frozen.returncode:
            said = frozen.stderr.strip()
            if frozen.returncode == cli.WRONG_USAGE:
                raise cli.UsageError(f"the report could not be made: {said.partition(_USAGE)[0].strip()}")
            raise cli.ToolError(f"the report could not be made: {said}\nDoes the stack run? make status")
        return frozen.stdout, frozen.stderr.strip().replace(f"{_OUT}: ", "")

    def prepare(self) -> None:
        """Build the image where it is missing or old.

        Raises:
            ToolError: it can't be built.
        """
        run = self.run
        if not prepare_images(run.compose, run.compose.read(), (DASHBOARD_TOOLS,), run.settings):
            raise cli.ToolError(
                "The image with the viewer's command lines could not be built; the lines above say why. Where npm's "
                "registry can't be reached, set NPM_REGISTRY in .env to a mirror of it (.env.example names one)."
            )

    def _command(self, *options: str) -> tuple[str, ...]:
        return ("run", "--rm", "--no-deps", "-T", *options, DASHBOARD_TOOLS)
