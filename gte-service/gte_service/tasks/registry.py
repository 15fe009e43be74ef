"""The tasks of this service, by name: the `TASK` of each module of `types/`."""

from __future__ import annotations

from importlib import import_module

from gte_service.errors import InvalidInput, UnknownTask
from gte_service.tasks.protocol import Task
from gte_service.tasks.types import TASK_TYPES

TASKS: dict[str, Task] = {name: import_module(f"gte_service.tasks.types.{name}").TASK for name in TASK_TYPES}


def find_task(name: object) -> Task:
    """The task of that name.

    Raises:
        InvalidInput: the name is not a string.
        UnknownTask: no task has it; the message lists the known ones.
    """
    known = ", ".join(TASKS)
    if not isinstance(name, str):
        raise InvalidInput(f'"task_type" must be a string, one of: {known}.', field="task_type")
    if name not in TASKS:
        raise UnknownTask(f"there is no task {name[:40]!r}. Known tasks: {known}.", field="task_type")
    return TASKS[name]
