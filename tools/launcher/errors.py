"""What can stop the launcher. Each message says what is wrong, why, and what to do.

LauncherError
├── EngineError     no container engine answers, or it is too old
├── SettingsError   a setting in .env or the environment can't be used
├── ImageError      an image can be neither found, pulled, stood in for, nor built
├── ModelError      the model that the settings ask for can't be used
└── StackError      the services did not become healthy, or are not there
"""

from __future__ import annotations


class LauncherError(Exception):
    """Ends the run with its message and exit status 1."""


class EngineError(LauncherError):
    """No container engine answers, or it is too old."""


class SettingsError(LauncherError):
    """A setting in .env or the environment can't be used."""


class ImageError(LauncherError):
    """An image can be neither found, pulled, stood in for, nor built."""


class ModelError(LauncherError):
    """The model that the settings ask for can't be used."""


class StackError(LauncherError):
    """The services did not become healthy, or are not there."""
