"""Task `embedding`: a text's vector."""

from __future__ import annotations

from typing import ClassVar

from gte_service.tasks.protocol import Body, Encode, required, text_of, texts_of


class Embedding:
    """A text becomes a vector of length 1; a list of texts becomes a list of vectors, in order."""

    name = "embedding"
    example: ClassVar[Body] = {"task_type": "embedding", "input_text": "张三在北京参加了奥运会"}

    def answer(self, body: Body, encode: Encode, max_texts: int) -> object:
        """One list of floats, or a list of them; see `Task.answer`."""
        value = required(body, "input_text")
        if isinstance(value, list):
            return encode(texts_of(value, "input_text", max_texts)).vectors.tolist()
        return encode([text_of(value, "input_text")]).vectors[0].tolist()
