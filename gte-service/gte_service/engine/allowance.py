"""Bounds the computation for one request, over all of its calls: the one measure of its cost."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gte_service.errors import TooLarge


@dataclass
class Allowance:
    """A request's texts and tokens, and its place in the queue. For one thread at a time.

    Every text that the model is to compute counts: a label, a candidate, and each sentence of a context too.

    Attributes:
        most_texts: texts that the request may have computed.
        most_tokens: tokens that it may have computed, special ones included and those that are cut off not.
        texts: texts counted so far.
        tokens: tokens counted so far.
        admitted: the `time.monotonic()` at which its first text was queued, None before.
        queued: texts that have been queued.
    """

    most_texts: float = math.inf
    most_tokens: float = math.inf
    texts: int = 0
    tokens: int = 0
    admitted: float | None = None
    queued: int = 0

    def add_texts(self, texts: int) -> None:
        """Count texts before anything is done with them.

        Raises:
            TooLarge: they are too many.
        """
        self.texts += texts
        if self.texts > self.most_texts:
            raise TooLarge(
                f"this request has {self.texts} texts to compute, each label, candidate and sentence of a context "
                f"included; at most {self.most_texts} are allowed. Send several requests."
            )

    def add_tokens(self, tokens: int) -> None:
        """Count tokens before they are computed.

        Raises:
            TooLarge: they are too many.
        """
        self.tokens += tokens
        if self.tokens > self.most_tokens:
            raise TooLarge(
                f"this request has {self.tokens} tokens to compute; at most {self.most_tokens} are allowed. "
                "Send several requests, or shorter texts."
            )
