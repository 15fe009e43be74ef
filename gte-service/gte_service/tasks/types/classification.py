"""Task `classification`: the label that fits a text."""

from __future__ import annotations

from typing import ClassVar

from gte_service.tasks.fields import Body
from gte_service.tasks.protocol import Schema, Task
from gte_service.tasks.prototypes.labels import RANKED, LabelTask


class Classification(LabelTask):
    """The text's vector against example sentences of twelve topics, or of the client's own labels."""

    name: ClassVar = "classification"
    summary: ClassVar = (
        "The topic of a text, or one of your own labels, by its similarity to example sentences of each."
    )
    example: ClassVar[Body] = {"task_type": "classification", "input_text": "央行宣布下调存款准备金率，股市应声上涨"}
    result: ClassVar[Schema] = RANKED

    def __init__(self) -> None:
        super().__init__(self.name)


TASK: Task = Classification()
