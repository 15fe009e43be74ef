"""Reads the text that a service answers to a scrape: samples, and what is wrong with a histogram."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from smoke.errors import CheckError

_LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\]|\\.)*"'
_SAMPLE = re.compile(
    rf"^(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{{(?P<labels>(?:{_LABEL}(?:,\s*{_LABEL})*,?)?)\}})?\s+(?P<value>\S+)(?:\s+\S+)?$"
)
_LABELS = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
_ESCAPED = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


@dataclass(frozen=True)
class Sample:
    """One line of an exposition: a name, its labels and a value."""

    name: str
    labels: Mapping[str, str]
    value: float


class Exposition:
    """All the samples of one scrape."""

    def __init__(self, text: str) -> None:
        """Reads an exposition in Prometheus' text format or OpenMetrics.

        Raises:
            CheckError: a line is neither a sample nor a comment.
        """
        self._samples = list(_read(text))
        self.names = frozenset(sample.name for sample in self._samples)

    def all(self, name: str, **labels: str) -> list[Sample]:
        """The samples with this name and at least these labels."""
        return [s for s in self._samples if s.name == name and labels.items() <= s.labels.items()]

    def one(self, name: str, **labels: str) -> Sample:
        """The only sample with this name and at least these labels; raises CheckError."""
        found = self.all(name, **labels)
        if len(found) != 1:
            raise CheckError(f"{len(found)} samples of {series(name, labels)} instead of 1")
        return found[0]

    def check_histogram(self, name: str, bounds: tuple[float, ...], **labels: str) -> None:
        """Checks that a histogram has these bounds and adds up; raises CheckError."""
        buckets = {float(s.labels.get("le", "nan")): s.value for s in self.all(f"{name}_bucket", **labels)}
        wanted = (*bounds, float("inf"))
        shown = series(name, labels)
        if tuple(sorted(buckets)) != wanted:
            raise CheckError(f"{shown} has the bounds {sorted(buckets)} instead of {list(wanted)}")
        counts = [buckets[bound] for bound in wanted]
        if counts != sorted(counts):
            raise CheckError(f"the buckets of {shown} fall: {counts}; they have to be cumulative")
        count = self.one(f"{name}_count", **labels).value
        if count != counts[-1]:
            raise CheckError(f"{shown} counts {count:g}, its last bucket {counts[-1]:g}")
        self.one(f"{name}_sum", **labels)


def series(name: str, labels: Mapping[str, str]) -> str:
    """A series as PromQL writes it."""
    inside = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
    return f"{name}{{{inside}}}" if inside else name


def _read(text: str) -> Iterator[Sample]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        # An exemplar of OpenMetrics follows the value and is no part of the sample.
        found = _SAMPLE.match(line.split(" # ", maxsplit=1)[0].strip())
        try:
            if not found:
                raise ValueError(line)
            value = float(found["value"])
        except ValueError:
            raise CheckError(f"line {number} of the metrics is no sample: {line[:120]!r}") from None
        labels = {key: _unescape(text) for key, text in _LABELS.findall(found["labels"] or "")}
        yield Sample(found["name"], labels, value)


def _unescape(text: str) -> str:
    return re.sub(r"\\.", lambda escape: _ESCAPED.get(escape[0], escape[0]), text)
