"""Task `embedding`: a text's vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from gte_service.tasks.fields import Body, required, text_of
from gte_service.tasks.model import Model, Passage
from gte_service.tasks.protocol import Schema, Task, answer_each
from gte_service.tasks.schemas import TEXT, one_or_many, request_of


class Embedding:
    """A text becomes a vector of length 1; a list of texts becomes a list of vectors, in order."""

    name: ClassVar = "embedding"
    summary: ClassVar = "The text's vector, of length 1."
    example: ClassVar[Body] = {"task_type": "embedding", "input_text": "张三在北京参加了奥运会"}
    request: ClassVar[Schema] = request_of(name, {"input_text": one_or_many(TEXT, "A text, or a list of texts.")})
    result: ClassVar[Schema] = {"type": "array", "items": {"type": "number"}, "minItems": 1}
    prototypes: ClassVar[Sequence[Passage]] = ()

    def answer(self, body: Body, model: Model, max_texts: int) -> object:
        return answer_each(
            required(body, "input_text"), max_texts, text_of, lambda texts: model.encode(texts).vectors.tolist()
        )


TASK: Task = Embedding()
