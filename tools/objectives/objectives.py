"""The objectives as objectives.toml states them, checked."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tools.metric_contract import BY_NAME

_SECONDS = {"m": 60, "h": 3600, "d": 86400}
_LATENCY_BOUNDS = BY_NAME["gte_task_latency_seconds"].bounds


class ObjectivesError(Exception):
    """The objectives can't be used; the message says which one, why, and what to do."""


@dataclass(frozen=True)
class Window:
    """A pair of windows in which the budget is watched.

    Attributes:
        long: in Prometheus' notation, such as `6h`.
        short: in which the budget must still be used, so that the alert ends soon after the trouble.
        factor: of the pace that would use up the budget just at the end of the period.
        severity: of the alert, `critical` or `warning`.
        floor: the least number of bad requests in the long window.
    """

    long: str
    short: str
    factor: float
    severity: str
    floor: int


@dataclass(frozen=True)
class Objectives:
    """What each task promises over a period.

    Attributes:
        period: in Prometheus' notation.
        availability: share of the requests, without the invalid ones, that are answered.
        latency: share of the answered requests that take at most `seconds`.
        seconds: a bound of gte_task_latency_seconds.
        windows: in which the budgets are watched.
    """

    period: str
    availability: float
    latency: float
    seconds: float
    windows: tuple[Window, ...]

    @classmethod
    def read(cls, text: str) -> Objectives:
        """Read and check the text of objectives.toml.

        Raises:
            ObjectivesError: it is no TOML, lacks a key, or states what can't be watched.
        """
        try:
            data = tomllib.loads(text)
            period = data["period"]
            objectives = cls(
                period,
                float(data["availability"]["objective"]),
                float(data["latency"]["objective"]),
                float(data["latency"]["seconds"]),
                tuple(_window(window, period) for window in data["windows"]),
            )
        except tomllib.TOMLDecodeError as error:
            raise ObjectivesError(f"it is not valid TOML: {error}") from error
        except KeyError as error:
            raise ObjectivesError(f"the key {error} is missing") from error
        except (TypeError, ValueError) as error:
            raise ObjectivesError(f"a value has the wrong type: {error}") from error
        objectives._check()
        return objectives

    def _check(self) -> None:
        if self.seconds not in _LATENCY_BOUNDS:
            raise ObjectivesError(
                f"latency: {self.seconds:g} s is not a bound of gte_task_latency_seconds, so slower requests can't be "
                f"counted. Take one of {', '.join(f'{bound:g}' for bound in _LATENCY_BOUNDS)}"
            )
        for name, objective in (("availability", self.availability), ("latency", self.latency)):
            if not 0 < objective < 1:
                raise ObjectivesError(f"{name}: an objective of {objective:g} is not between 0 and 1, as 0.99 is")
            for window in self.windows:
                threshold = window.factor * (1 - objective)
                if threshold >= 1:
                    raise ObjectivesError(
                        f"{name}: with an objective of {objective:g} the alert over {window.long} can never fire: it "
                        f"waits for {threshold:.0%} bad requests. Raise the objective over "
                        f"{1 - 1 / window.factor:.3f}, or give that window a smaller budget"
                    )


def seconds_of(duration: str) -> int:
    """The length of a duration such as `30m`, in seconds.

    Raises:
        ObjectivesError: it is not a whole number of minutes, hours or days.
    """
    found = re.fullmatch(r"([1-9][0-9]*)([mhd])", duration)
    if found is None:
        raise ObjectivesError(f"{duration!r} is no duration. Write whole minutes, hours or days: 30m, 6h, 3d")
    return int(found[1]) * _SECONDS[found[2]]


def _window(data: Mapping[str, Any], period: str) -> Window:
    long, short, budget = data["long"], data["short"], float(data["budget"])
    if not seconds_of(short) < seconds_of(long) < seconds_of(period):
        raise ObjectivesError(f"the windows {short} and {long} must be in this order, and shorter than {period}")
    if not 0 < budget < 1:
        raise ObjectivesError(f"window {long}: a budget of {budget:g} is not between 0 and 1")
    if data["severity"] not in ("critical", "warning"):
        raise ObjectivesError(f"window {long}: severity {data['severity']!r} is neither critical nor warning")
    if int(data["floor"]) < 1:
        raise ObjectivesError(f"window {long}: a floor of {data['floor']} is less than 1")
    factor = budget * seconds_of(period) / seconds_of(long)
    return Window(long, short, round(factor, 6), data["severity"], int(data["floor"]))
