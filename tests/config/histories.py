"""Simulated histories of requests, and what the real rules make of them: `python3 -m tests.config.histories --help`.

Each history is a task whose requests are drawn at random, put into the buckets of gte_task_latency_seconds and handed,
minute by minute, to the rules in prometheus/rules/gte-baseline.yml. `promtool test rules` evaluates them with
Prometheus' own engine. It prints only what differs from what is expected; nothing is expected, so it prints all.
"""

from __future__ import annotations

import json
import math
import random
import re
import sys
import tempfile
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.config.promtool import FOLDER, failures_in
from tools import cli
from tools.metric_contract import BY_NAME

DAY = 1440
WEEK = 7 * DAY
INCIDENT = 60
"""Minutes that an incident lasts."""
_SETTLING = 30
"""Minutes after an incident in which the alert may still come and go."""
_BOUNDS = BY_NAME["gte_task_latency_seconds"].bounds
# Latencies are log-normal: the P95 is 2.3 times the median.
_SPREAD = 0.5
_P95 = 1.6449
_FIRING = 'ALERTS{alertname="GTE_SlowerThanUsual",alertstate="firing"}'

Moment = tuple[float, float]
"""Requests a minute, and the P95 of their latency in seconds."""
History = Callable[[int], Moment]
"""The usual traffic of each minute since the beginning, a Saturday at midnight."""


@dataclass(frozen=True)
class Found:
    """What the rules made of one history.

    Attributes:
        false_alarms: how often the alert began to fire outside the incidents, in the week with the most.
        minutes: for each incident, how long after its beginning the alert fired; None if it did not.
    """

    false_alarms: int
    minutes: Sequence[float | None]


def histories(days: int, usual: float, dice: random.Random) -> Mapping[str, History]:
    """The histories by name; `usual` is the P95 in seconds around which they lie."""
    shifts = [dice.randint(-5, 5) for _ in range(days)]
    batch_minutes = dice.randint(20, 60)

    def steady(minute: int) -> Moment:
        return 40, usual

    def wave(minute: int) -> Moment:
        height = -math.cos(2 * math.pi * minute / DAY)
        return 40 * (1 + 0.7 * height), usual * (1 + 0.35 * height)

    def nightly(minute: int) -> Moment:
        day, minute = divmod(minute, DAY)
        return 40, usual * (3 if 120 <= minute + shifts[day] < 120 + batch_minutes else 1)

    def sundays(minute: int) -> Moment:
        return 40, usual * (1.8 if minute % WEEK // DAY == 1 else 1)

    def thin(minute: int) -> Moment:
        return 6, usual

    def too_thin(minute: int) -> Moment:
        return 0.5, usual

    return {each.__name__: each for each in (steady, wave, nightly, sundays, thin, too_thin)}


def ask_the_rules(days: int, incidents: Sequence[int], usual: float, seed: int) -> dict[str, Found]:
    """Let the rules live through all histories.

    Args:
        days: how long.
        incidents: minutes at which the P95 of every history rises, for an hour, to twice its median of 24 hours.
        usual: P95 in seconds.
        seed: of the drawn requests.
    """
    dice = random.Random(seed)
    named = histories(days, usual, dice)
    series = dict(one for task, history in named.items() for one in _series(task, history, days, incidents, dice))
    begins = f"({_FIRING} unless {_FIRING} offset 1m)"
    # Text, and the minute at which it is asked.
    first = f"min_over_time(timestamp({_FIRING})[{INCIDENT}m:1m])"
    questions = [(f"{first} - {60 * at}", at + INCIDENT) for at in incidents]
    settled = INCIDENT + _SETTLING
    outside = [(f"count_over_time({begins}[{settled}m:1m])", at + settled) for at in incidents]
    ends = range(WEEK, days * DAY + WEEK, WEEK)
    weeks = [(f"count_over_time({begins}[7d:1m])", min(end, days * DAY)) for end in ends]
    answers = _promtool(series, [*questions, *outside, *weeks])
    found = {}
    for task in named:
        alarms = [int(answer.get(task, 0)) for answer in answers[2 * len(incidents) :]]
        for at, answer in zip(incidents, answers[len(incidents) :], strict=False):
            alarms[at // WEEK] -= int(answer.get(task, 0))
        seconds = [answer.get(task) for answer in answers[: len(incidents)]]
        found[task] = Found(max(alarms), [None if each is None else each / 60 for each in seconds])
    return found


def _recorded(usual: float) -> float:
    """The P95 that histogram_quantile() reads from the buckets when it is `usual`, with requests without number."""
    below, share_below = 0.0, 0.0
    for bound in _BOUNDS:
        share = 0.5 * math.erfc(-((math.log(bound / usual)) / _SPREAD + _P95) / math.sqrt(2))
        if share >= 0.95:
            return below + (bound - below) * (0.95 - share_below) / (share - share_below)
        below, share_below = bound, share
    return below


def _twice(history: History, at: int) -> float:
    """The P95 that is recorded as twice the median of the 24 hours before a minute."""
    aim = 2 * median(_recorded(history(minute)[1]) for minute in range(at - DAY, at, 5))
    low, high = _BOUNDS[0], _BOUNDS[-1]
    while high / low > 1.001:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if _recorded(middle) < aim else (low, middle)
    return high


def _series(
    task: str, history: History, days: int, incidents: Sequence[int], dice: random.Random
) -> Iterator[tuple[str, str]]:
    logs = [math.log(bound) for bound in _BOUNDS]
    counts = [0] * (len(_BOUNDS) + 1)
    samples: list[list[int]] = [[0] * len(counts)]
    slow = {minute: twice for at in incidents for twice in [_twice(history, at)] for minute in range(at, at + INCIDENT)}
    for minute in range(days * DAY):
        rate, usual = history(minute)
        middle = math.log(slow.get(minute, usual)) - _P95 * _SPREAD
        for _ in range(_requests(rate, dice)):
            counts[bisect_left(logs, dice.gauss(middle, _SPREAD))] += 1
        total, sample = 0, []
        for count in counts:
            total += count
            sample.append(total)
        samples.append(sample)
    labels = f'job="gte-service",task_type="{task}"'
    # A bound below all requests or above them all says nothing, but for the nearest of each.
    first = max((index for index, count in enumerate(samples[-1]) if not count), default=0)
    last = samples[-1].index(samples[-1][-1])
    for index in range(first, last + 1):
        text = " ".join(str(sample[index]) for sample in samples)
        if index < len(_BOUNDS):
            yield f'gte_task_latency_seconds_bucket{{{labels},le="{_BOUNDS[index]}"}}', text
    text = " ".join(str(sample[-1]) for sample in samples)
    yield f'gte_task_latency_seconds_bucket{{{labels},le="+Inf"}}', text
    yield f"gte_task_latency_seconds_count{{{labels}}}", text
    yield f'gte_task_requests_total{{{labels},status="success"}}', text


def _requests(rate: float, dice: random.Random) -> int:
    """How many requests come in a minute: the Poisson distribution, by the time between two of them."""
    number, passed = 0, dice.expovariate(rate)
    while passed < 1:
        number += 1
        passed += dice.expovariate(rate)
    return number


def _promtool(series: Mapping[str, str], questions: Sequence[tuple[str, int]]) -> list[dict[str, float]]:
    """Answers to PromQL, by task, each asked at a minute while the rules live through the series."""
    tests = {
        "rule_files": ["/etc/prometheus/rules/gte-baseline.yml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "name": "histories",
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [
                    {
                        "expr": f'label_replace(sum by (task_type) ({text}), "question", "{number}", "", "")',
                        "eval_time": f"{minute}m",
                        "exp_samples": [],
                    }
                    for number, (text, minute) in enumerate(questions)
                ],
            }
        ],
    }
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        # JSON is YAML.
        (Path(folder) / "histories.yml").write_text(json.dumps(tests), encoding="utf-8")
        folders = {FOLDER: "/etc/prometheus", Path(folder): "/histories"}
        text = "\n".join(failures_in("histories.yml", "/histories", folders, seconds=3600).values())
    answers: list[dict[str, float]] = [{} for _ in questions]
    for number, task, value in re.findall(r'\{question="(\d+)", task_type="(\w+)"\} ([-+.\dE]+)', text):
        answers[int(number)][task] = float(value)
    return answers


def _incidents(days: int) -> list[int]:
    """Two in every third day from the tenth on, at hours that move on.

    None is on a Sunday or Monday: twice the median is usual on the one, and not above yesterday on the other.
    """
    usable = [day for day in range(9, days, 3) if day % 7 not in (1, 2)]
    return [
        (day * 24 + hour) * 60 + 7
        for number, day in enumerate(usable)
        for hour in ((4 + 5 * number) % 12, (4 + 5 * number) % 12 + 11)
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table of false alarms and of what was found; returns the exit status."""
    parser = cli.parser(
        "python3 -m tests.config.histories",
        "Feeds simulated histories of requests to the real rules of the baseline: false alarms, incidents found.",
        cli.EXIT_STATUS.format(good="at most one false alarm a week, all found in time", bad="not so"),
    )
    parser.add_argument("--days", type=cli.whole_number(11, 60), default=21, help="length of each; default: 21")
    parser.add_argument("--seed", type=cli.whole_number(0, 10**9), default=1, help="of the drawn requests; default: 1")
    parser.add_argument("--milliseconds", type=cli.whole_number(50, 5000), default=300, help="usual P95; default: 300")
    given = parser.parse_args(arguments)
    found = ask_the_rules(given.days, _incidents(given.days), given.milliseconds / 1000, given.seed)
    print(f"{'history':<10}{'false alarms in the worst week':>32}{'found':>8}   minutes until each was found")
    for name, each in found.items():
        minutes = [minute for minute in each.minutes if minute is not None]
        texts = " ".join("–" if minute is None else f"{minute:.0f}" for minute in each.minutes)
        print(f"{name:<10}{each.false_alarms:>32}{len(minutes):>5}/{len(each.minutes)}   {texts}")
    return cli.OK if all(kept(name, each) for name, each in found.items()) else cli.FAILED


def kept(name: str, found: Found) -> bool:
    """Whether at most one false alarm came in a week and each incident was found in time.

    In time is within 20 minutes. Of 30 requests in five minutes the P95 swings by a fifth, so that it doesn't stay at
    twice its median: within the hour. A task with fewer than 20 must be silent.
    """
    if name == "too_thin":
        return found.false_alarms == 0 and not any(found.minutes)
    latest = INCIDENT if name == "thin" else 20
    return found.false_alarms <= 1 and all(minute is not None and minute <= latest for minute in found.minutes)


if __name__ == "__main__":
    sys.exit(cli.run("histories", main))
