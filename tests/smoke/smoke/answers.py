"""Reads a value out of a JSON answer, or says which part of it isn't as it should be."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, TypeVar

from smoke.errors import CheckError

T = TypeVar("T")


def at(value: Any, *path: str | int, kind: type[T]) -> T:
    """The value at `path` (keys and positions), which has to be a `kind`.

    Raises:
        CheckError: there is no such value, or it is something else.
    """
    seen: Any = value
    for depth, step in enumerate(path):
        usable = isinstance(seen, dict) if isinstance(step, str) else isinstance(seen, list)
        try:
            if not usable:
                raise KeyError(step)
            seen = seen[step]
        except (KeyError, IndexError):
            raise CheckError(f"the answer has no {_name(path[: depth + 1])}: {short(value)}") from None
    # In Python a bool is an int; in JSON it is no number.
    if not isinstance(seen, kind) or (kind is int and isinstance(seen, bool)):
        raise CheckError(f"{_name(path)} is no {kind.__name__}: {short(seen)}")
    return seen


def number_at(value: Any, *path: str | int) -> float:
    """The finite number at `path`; raises CheckError."""
    seen = at(value, *path, kind=object)
    if isinstance(seen, bool) or not isinstance(seen, int | float) or not math.isfinite(seen):
        raise CheckError(f"{_name(path)} is no finite number: {short(seen)}")
    return float(seen)


def vector_at(value: Any, *path: str | int) -> list[float]:
    """The vector of finite numbers of length 1 (Euclidean norm) at `path`; raises CheckError."""
    items = at(value, *path, kind=list)
    vector = [number_at(items, position) for position in range(len(items))]
    norm = math.sqrt(sum(x * x for x in vector))
    if len(vector) < 2 or abs(norm - 1) > 1e-3:
        raise CheckError(f"{_name(path)} is no vector of length 1: {len(vector)} numbers, length {norm:.4f}")
    return vector


def dot(left: Sequence[float], right: Sequence[float]) -> float:
    """The inner product of two vectors of the same size; raises CheckError when the sizes differ."""
    if len(left) != len(right):
        raise CheckError(f"two vectors have different sizes: {len(left)} and {len(right)}")
    return sum(a * b for a, b in zip(left, right, strict=True))


def require(condition: bool, otherwise: str) -> None:
    """Raises CheckError with the message `otherwise` when the condition doesn't hold."""
    if not condition:
        raise CheckError(otherwise)


def short(value: Any) -> str:
    """A value as JSON, cut to a length that a line can bear."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 160 else text[:157] + "..."


def _name(path: Sequence[str | int]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".") or "the answer"
