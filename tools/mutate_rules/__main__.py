"""The command: python3 -m tools.mutate_rules --help."""

from __future__ import annotations

import math
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from tools import ROOT, cli, mutate_rules
from tools.launcher.commands import open_run
from tools.mutate_rules.accepted import ACCEPTED, read_accepted
from tools.mutate_rules.concern import Concern
from tools.mutate_rules.mutants import Mutant, mutants
from tools.mutate_rules.rule_file import Rule, read_rules
from tools.mutate_rules.trial import CAUGHT, RULES, TESTS, Result, Work, try_all

LEAST_SHARE = 0.95
"""How many of all mutants the tests must catch; an accepted survivor is not caught."""

_EPILOG = """\
A survivor is a test that is missing; or it changes nothing that can be seen, and goes with its reason into
tools/mutate_rules/accepted.toml.

""" + cli.EXIT_STATUS.format(
    good="enough mutants are caught, and every survivor is accepted", bad="too few, or a survivor that is not accepted"
)


class Options(NamedTuple):
    """What to try.

    Attributes:
        rule: a pattern for names of rules, of files, or of groups.
        seconds: how long to take mutants at random, 0 to try all of them.
        seed: of the order in which they are taken.
        list: whether to list the mutants with their tests and run nothing.
        json: whether to print JSON.
    """

    rule: str
    seconds: int
    seed: int
    list: bool
    json: bool


class Report(NamedTuple):
    """Results, with what is needed to judge them.

    Attributes:
        results: one for each mutant that was tried.
        accepted: the reason of each accepted survivor.
        stale: accepted changes that are no mutants, or are caught.
        total: how many mutants there are.
        seconds: how long it took.
    """

    results: list[Result]
    accepted: dict[tuple[str, str], str]
    stale: list[tuple[str, str]]
    total: int
    seconds: float

    @property
    def caught(self) -> int:
        """How many mutants made a test fail."""
        return sum(result.verdict == CAUGHT for result in self.results)

    @property
    def share(self) -> float:
        """How many of those tried were caught, from 0 to 1."""
        return self.caught / len(self.results)

    @property
    def survivors(self) -> list[Result]:
        """Those that no test noticed, or that Prometheus refused: such a mutant shows nothing."""
        return [result for result in self.results if result.verdict != CAUGHT]

    @property
    def unexplained(self) -> list[Result]:
        """The survivors that nobody has accepted."""
        return [result for result in self.survivors if _key(result.mutant) not in self.accepted]


def read_options(arguments: Sequence[str] | None) -> Options:
    """Read the command line."""
    parser = cli.parser("python3 -m tools.mutate_rules", str(mutate_rules.__doc__), _EPILOG)
    parser.add_argument("--rule", default="*", metavar="PATTERN", help="rules, groups or files to change: 'GTE_*'")
    parser.add_argument(
        "--seconds",
        type=cli.whole_number(1, 86_400),
        default=0,
        help="take mutants at random for so long",
    )
    parser.add_argument("--seed", type=cli.whole_number(0, 2**31), help="of the random order; default: a new one")
    parser.add_argument("--list", action="store_true", help="list the mutants and their tests; run nothing")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    given = parser.parse_args(arguments)
    seed = random.randrange(2**31) if given.seed is None else given.seed  # noqa: S311 (an order, no secret)
    return Options(given.rule, given.seconds, seed, given.list, given.json)


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the mutants and print the report; returns the exit status."""
    options = read_options(arguments)
    rules = [rule for path in sorted(RULES.glob("*.yml")) for rule in read_rules(path)]
    every = [mutant for rule in rules for mutant in mutants(rule)]
    chosen = [mutant for mutant in every if _is_asked_for(mutant.rule, options.rule)]
    concern = Concern(rules, {path.name: path.read_text(encoding="utf-8") for path in sorted(TESTS.glob("*.yml"))})
    work: list[Work] = [(mutant, concern.files(mutant.rule)) for mutant in chosen]
    if not work:
        raise cli.UsageError(f"--rule {options.rule}: no rule, group or file in {RULES} has such a name.")
    if options.list:
        for mutant, files in work:
            print(f"{_title(mutant)}  [{' '.join(files)}]")
        return cli.OK
    report = _try(work, every, options)
    if options.json:
        cli.write_json("--json", "-", as_json(report, options))
    else:
        print("\n".join(table(report, options)))
    return status(report)


def status(report: Report) -> int:
    """The exit status."""
    # The share of a few says nothing about all of them.
    enough = len(report.results) < report.total or report.share >= LEAST_SHARE
    good = enough and not report.unexplained and not report.stale
    return cli.OK if good else cli.FAILED


def table(report: Report, options: Options) -> Iterator[str]:
    """The report for people, line by line."""
    yield f"{'file':<24}{'rule':<58}{'mutants':>8}{'caught':>8}{'accepted':>9}{'survived':>9}"
    rules = dict.fromkeys((result.mutant.rule.file, result.mutant.rule.title) for result in report.results)
    for file, title in sorted(rules):
        of_rule = [each for each in report.results if (each.mutant.rule.file, each.mutant.rule.title) == (file, title)]
        caught = sum(each.verdict == CAUGHT for each in of_rule)
        bad = sum(each in report.unexplained for each in of_rule)
        yield f"{file:<24}{title:<58}{len(of_rule):>8}{caught:>8}{len(of_rule) - caught - bad:>9}{bad:>9}"
    for result in report.unexplained:
        yield f"{result.verdict.upper()}: {_title(result.mutant)}"
    for rule, change in report.stale:
        yield f"STALE: no such mutant, or caught; remove it from {ACCEPTED.relative_to(ROOT)}: {rule} | {change}"
    accepted = len(report.survivors) - len(report.unexplained)
    cpu = sum(result.seconds for result in report.results) / len(report.results)
    yield (
        f"{len(report.results)} of {report.total} mutants tried in {report.seconds:.0f} s "
        f"({report.seconds / len(report.results):.2f} s a mutant, {cpu:.2f} s of one process): "
        f"{report.caught} caught ({report.share:.1%}), {accepted} accepted, {len(report.unexplained)} survived"
    )
    if options.seconds:
        yield f"seed {options.seed}; the same order again: --seconds {options.seconds} --seed {options.seed}"


def as_json(report: Report, options: Options) -> dict[str, object]:
    """The report for programs."""
    return {
        "seed": options.seed if options.seconds else None,
        "mutants": report.total,
        "tried": len(report.results),
        "caught": report.caught,
        "seconds": round(report.seconds, 1),
        "stale": [{"rule": rule, "change": change} for rule, change in report.stale],
        "results": [
            {
                "file": result.mutant.rule.file,
                "line": result.mutant.rule.line,
                "rule": result.mutant.rule.title,
                "change": result.mutant.change,
                "verdict": result.verdict,
                "by": result.by,
                "accepted": report.accepted.get(_key(result.mutant), ""),
            }
            for result in report.results
        ],
    }


def _try(work: list[Work], every: list[Mutant], options: Options) -> Report:
    accepted = read_accepted()
    results: list[Result] = []
    counts: Counter[str] = Counter()
    run = open_run(ROOT, os.environ)
    image = run.compose.read().services["prometheus"].image
    begun = time.monotonic()

    def report(result: Result) -> None:
        results.append(result)
        counts[result.verdict] += 1
        if result.verdict != CAUGHT and _key(result.mutant) not in accepted:
            cli.say(f"{len(results)}/{len(work)} {result.verdict}: {_title(result.mutant)}")

    with tempfile.TemporaryDirectory(prefix="gte-mutants-") as scratch:
        deadline = begun + options.seconds if options.seconds else math.inf
        try_all(_sample(work, options, deadline), image, Path(scratch), report, deadline)
    order = {id(mutant): at for at, (mutant, _) in enumerate(work)}
    results.sort(key=lambda result: order[id(result.mutant)])
    return judge(results, every, accepted, time.monotonic() - begun)


def judge(
    results: list[Result], every: Sequence[Mutant], accepted: dict[tuple[str, str], str], seconds: float
) -> Report:
    """Put results together with what is known about the mutants.

    Args:
        results: of those that were tried.
        every: all mutants there are.
        accepted: the reason for each accepted survivor, by the rule's title and the change.
        seconds: how long it took.

    Raises:
        ToolError: nothing was tried.
    """
    if not results:
        raise cli.ToolError("no mutant was tried. Give it more time: --seconds.")
    caught = {_key(result.mutant) for result in results if result.verdict == CAUGHT}
    exist = {_key(mutant) for mutant in every}
    stale = [key for key in accepted if key not in exist or key in caught]
    return Report(results, accepted, stale, len(every), seconds)


def _sample(work: list[Work], options: Options, deadline: float) -> Iterator[Work]:
    if not options.seconds:
        yield from work
        return
    shuffled = list(work)
    random.Random(options.seed).shuffle(shuffled)  # noqa: S311 (an order, no secret)
    for each in shuffled:
        if time.monotonic() >= deadline:
            return
        yield each


def _is_asked_for(rule: Rule, pattern: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in (rule.name, rule.title, rule.group, rule.file))


def _key(mutant: Mutant) -> tuple[str, str]:
    return mutant.rule.title, mutant.change


def _title(mutant: Mutant) -> str:
    return f"{mutant.rule.file}:{mutant.rule.line} {mutant.rule.title} | {mutant.change}"


if __name__ == "__main__":
    sys.exit(cli.run("mutate-rules", main))
