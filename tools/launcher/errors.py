"""The errors that end a run of the launcher, each with its exit status.

tools.cli.ToolError
└── LauncherError       3
    ├── EngineError     3   no container engine answers, or it is too old
    ├── SettingsError   2   a setting in .env or the environment can't be used; nothing was started
    ├── ImageError      3   an image can be neither found, pulled, replaced by a stand-in, nor built
    ├── ModelError      3   the service can't tell which model it can start with
    ├── NotRunningError 3   a check needs a service that doesn't run
    └── StackError      1   services did not become healthy
"""

from __future__ import annotations

from tools import cli


class LauncherError(cli.ToolError):
    """Base of the errors below. A message says what is wrong, why, and what to do."""


class EngineError(LauncherError):
    """No container engine answers, or it is too old."""


class SettingsError(LauncherError):
    """A setting in .env or the environment can't be used."""

    status = cli.WRONG_USAGE


class ImageError(LauncherError):
    """An image can be neither found, pulled, replaced by a stand-in, nor built."""


class ModelError(LauncherError):
    """The service can't tell which model it can start with."""


class NotRunningError(LauncherError):
    """A check needs a service that doesn't run."""


class StackError(LauncherError):
    """Services did not become healthy."""

    status = cli.FAILED
