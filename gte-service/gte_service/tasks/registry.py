"""The tasks of this service, by name: the `TASK` of each module of `types/`."""

from __future__ import annotations

from importlib import import_module

from gte_service.errors import InvalidInput, UnknownTask
from gte_service.tasks.fields import did_you_mean
from gte_service.tasks.protocol import Task
from gte_service.tasks.types import TASK_TYPES

TASKS: dict[str, Task] = {name: import_module(f"gte_service.tasks.types.{name}").TASK for name in TASK_TYPES}


def find_task(name: object) -> Task:
    """The task of that name.

    Raises:
        InvalidInput: the name is not a string.
        UnknownTask: no task has it; the message names the most similar one and lists all.
    """
    known = ", ".join(TASKS)
    if not isinstance(name, str):
        raise InvalidInput(f'"task_type" must be a string, one of: {known}.', field="task_type")
    if name not in TASKS:
        meant = did_you_mean(name, TASKS)
        raise UnknownTask(f"there is no task {name[:40]!r}.{meant} Known tasks: {known}.", field="task_type")
    return TASKS[name]
