"""The task types, one file each: a module of this folder is a task, and its name is the `task_type` that clients send.

This file imports none of them, so that the metric contract knows the names without loading a model's libraries.
"""

from __future__ import annotations

import pkgutil

TASK_TYPES = tuple(module.name for module in pkgutil.iter_modules(__path__))
"""The name of every task, in alphabetical order."""
