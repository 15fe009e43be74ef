"""The tasks of this service, by name: the `TASK` of each module of this folder that has one."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module

import gte_service.tasks as folder
from gte_service.errors import InvalidInput, UnknownTask
from gte_service.tasks.protocol import Task


def _found() -> Iterator[Task]:
    for module in pkgutil.iter_modules(folder.__path__, f"{folder.__name__}."):
        # Not this module itself, which is being imported.
        if module.name != __name__ and (task := getattr(import_module(module.name), "TASK", None)):
            yield task


TASKS: dict[str, Task] = {task.name: task for task in _found()}


def find_task(name: object) -> Task:
    """The task of a name.

    Raises:
        InvalidInput: the name is not a string.
        UnknownTask: there is none; the message lists those there are.
    """
    known = ", ".join(TASKS)
    if not isinstance(name, str):
        raise InvalidInput(f'"task_type" must be a string, one of: {known}.', field="task_type")
    if name not in TASKS:
        raise UnknownTask(f"there is no task {name[:40]!r}. Known tasks: {known}.", field="task_type")
    return TASKS[name]
