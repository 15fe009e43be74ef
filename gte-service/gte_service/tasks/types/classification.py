"""Task `classification`: which of some labels a text has."""

from __future__ import annotations

from typing import ClassVar

from gte_service.tasks.fields import Body
from gte_service.tasks.protocol import Schema, Task
from gte_service.tasks.prototypes.labels import RANKED, LabelTask


class Classification(LabelTask):
    """The text's vector against example sentences of twelve topics, or of the client's own labels."""

    name: ClassVar = "classification"
    summary: ClassVar = (
        "The topic of a text, or which of your own labels it has, by its nearness to example sentences of each."
    )
    example: ClassVar[Body] = {"task_type": "classification", "input_text": "央行宣布下调存款准备金率，股市应声上涨"}
    result: ClassVar[Schema] = RANKED

    def __init__(self) -> None:
        """Read the example sentences."""
        super().__init__(self.name)


TASK: Task = Classification()
