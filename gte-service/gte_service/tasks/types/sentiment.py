"""Task `sentiment`: whether a text is positive, negative or neutral."""

from __future__ import annotations

from typing import ClassVar

from gte_service.tasks.fields import Body
from gte_service.tasks.protocol import Schema, Task
from gte_service.tasks.prototypes.labels import RANKED, LabelTask


class Sentiment(LabelTask):
    """The text's vector against example sentences of each sentiment, or of the client's own labels."""

    name: ClassVar = "sentiment"
    summary: ClassVar = (
        "Whether a text is positive, negative or neutral, by its similarity to example sentences of each."
    )
    example: ClassVar[Body] = {"task_type": "sentiment", "input_text": "这家店的服务特别好，下次还会再来"}
    result: ClassVar[Schema] = RANKED

    def __init__(self) -> None:
        super().__init__(self.name)


TASK: Task = Sentiment()
