"""What JSON Schema can't say of a request, and the document therefore says in words."""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.hook
def filter_body(context: Any, body: Any) -> bool:
    """Leave out bodies that name a label twice."""
    return not isinstance(body, dict) or not any(_repeats(body.get(field)) for field in ("labels", "types"))


def _repeats(labels: object) -> bool:
    if not isinstance(labels, list):
        return False
    names = [str(one.get("label") if isinstance(one, dict) else one) for one in labels]
    return len(set(names)) < len(names)
