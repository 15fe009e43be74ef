"""Where a click leads: another dashboard of the same language, with the same time and the same choices."""

from __future__ import annotations

from grafana.boards.model import Json
from grafana.boards.texts import Texts

CELL = "${__value.raw}"
"""The value that is clicked."""
SERIES = "${__field.labels.task_type}"
"""The task of the series that is clicked."""


def to_board(texts: Texts, uid: str, title: str, task: str | None = None) -> Json:
    """A link to a dashboard.

    Args:
        texts: those of the dashboard with the link, for its language.
        uid: of the English dashboard.
        title: of the link.
        task: `CELL` or `SERIES`; None keeps the chosen tasks.
    """
    suffix = "" if texts.language == "en" else "-zh"
    chosen = f"var-task_type={task}" if task else "${task_type:queryparam}"
    keep = "${datasource:queryparam}&${job:queryparam}&${__url_time_range}"
    return {"title": title, "url": f"/d/{uid}{suffix}?{chosen}&{keep}", "targetBlank": False}
