"""Reads what a service answers to a scrape."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

_LABEL = r'[a-zA-Z_]\w*="(?:[^"\\]|\\.)*"'
# After the value: a time stamp, and in OpenMetrics an exemplar.
_SAMPLE = re.compile(rf"([a-zA-Z_:][\w:]*)(?:\{{((?:{_LABEL}(?:,{_LABEL})*)?)\}})? (\S+)(?: \d+)?(?: # .*)?", re.A)
_PAIR = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Sample(NamedTuple):
    """The labels, their values as written, and the value of one line."""

    labels: Mapping[str, str]
    value: float


class Exposition:
    """All samples of one scrape. Every method raises AssertionError where something isn't as it should be."""

    def __init__(self, text: str) -> None:
        self.samples: dict[str, list[Sample]] = {}
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip() and not line.startswith("#"):
                found = _SAMPLE.fullmatch(line)
                assert found, f"line {number} of the metrics is no sample: {line[:120]!r}"
                sample = Sample(dict(_PAIR.findall(found[2] or "")), float(found[3]))
                self.samples.setdefault(found[1], []).append(sample)

    def all(self, name: str, **labels: str) -> list[Sample]:
        """The samples with this name and at least these labels."""
        return [sample for sample in self.samples.get(name, []) if labels.items() <= sample.labels.items()]

    def value(self, name: str, **labels: str) -> float:
        """The value of the only sample with this name and at least these labels."""
        found = self.all(name, **labels)
        assert len(found) == 1, f"{len(found)} samples of {series(name, labels)} instead of 1"
        return found[0].value

    def check_histogram(self, name: str, bounds: Sequence[float], **labels: str) -> None:
        """Expect a histogram with these upper bounds, whose buckets add up."""
        buckets = {float(s.labels["le"]): s.value for s in self.all(f"{name}_bucket", **labels)}
        shown, expected = series(name, labels), [*bounds, float("inf")]
        assert sorted(buckets) == expected, f"{shown} has the bounds {sorted(buckets)} instead of {expected}"
        counts = [buckets[bound] for bound in expected]
        assert counts == sorted(counts), f"the buckets of {shown} have to be cumulative, but fall: {counts}"
        count = self.value(f"{name}_count", **labels)
        assert count == counts[-1], f"{shown} counts {count:g}, its last bucket {counts[-1]:g}"
        self.value(f"{name}_sum", **labels)


def series(name: str, labels: Mapping[str, str]) -> str:
    """A series as PromQL writes it, its labels sorted."""
    inside = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
    return f"{name}{{{inside}}}" if inside else name
