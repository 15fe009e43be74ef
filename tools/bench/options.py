"""Reads the command line into the options of a run."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools import cli
from tools.bench.engines import ENGINES, PEAK, REFERENCE
from tools.bench.services import OURS_4_WORKERS, SERVICES
from tools.cli import UsageError, list_of, one_of, whole_number

RESULTS = Path(__file__).resolve().parent / "results"
NAMES = tuple(name for name in dict.fromkeys((*ENGINES, *SERVICES)) if name not in {PEAK, OURS_4_WORKERS})
# The 64 requests that 32 clients send would take a quick run over a minute by themselves.
_QUICK = {"texts": 8, "rounds": 1, "clients": (1, 8)}
_USUAL = {"texts": 64, "rounds": 3, "clients": (1, 8, 32)}

EPILOG = (
    cli.EXIT_STATUS.format(
        good="all was measured, whatever the targets say", bad="a candidate failed or gave other vectors"
    )
    + """
The table goes to standard output, progress to standard error. The JSON file is written as figures come, so an
interrupted run keeps them."""
)


@dataclass(frozen=True)
class Options:
    """The options of one run.

    Attributes:
        texts: texts of an engine's turn, and least requests of a slice over HTTP.
        rounds: how often each candidate is measured.
        clients: how many clients send at a time, in each slice.
        candidates: names of what is compared.
        parts: `engine`, `http`, or both.
        start_seconds: how long a candidate may take until it answers for the first time.
        shape: of the model, `full` or `tiny`.
        seed: of the texts.
        out: the folder for the table and the JSON file.
        topologies: (workers, torch threads) to compare instead, () for the defaults, None for the comparison.
        precision: of the topologies.
        remove_images: whether to remove the rivals' image in the end.
    """

    texts: int
    rounds: int
    clients: tuple[int, ...]
    candidates: tuple[str, ...]
    parts: frozenset[str]
    start_seconds: int
    shape: str
    seed: int
    out: Path
    topologies: tuple[tuple[int, int], ...] | None
    precision: str
    remove_images: bool

    @property
    def engines(self) -> list[str]:
        """The engines to compare."""
        return [name for name in ENGINES if name in self.candidates and "engine" in self.parts]

    @property
    def services(self) -> list[str]:
        """The services to compare."""
        return [name for name in SERVICES if name in self.candidates and "http" in self.parts]


def read_options(arguments: Sequence[str]) -> Options:
    """The options of this run.

    Raises:
        UsageError: they contradict each other.
        SystemExit: with status 2, as argparse ends it.
    """
    given = vars(_parser().parse_args(arguments))
    defaults = _QUICK if given.pop("quick") else _USUAL
    options = Options(**given | {name: given[name] or value for name, value in defaults.items()})
    if options.topologies is None and not options.engines and not options.services:
        raise UsageError(
            f"--candidates {','.join(options.candidates)} and --parts {','.join(sorted(options.parts))} leave nothing "
            f"to compare. Engines are {', '.join(ENGINES)}; services are {', '.join(SERVICES)}."
        )
    if options.out.exists() and not options.out.is_dir():
        raise UsageError(f"--out {options.out} is not a folder. Name one; it is made where it doesn't exist.")
    return options


def _parser() -> argparse.ArgumentParser:
    description = "Compares this service with its rivals, interleaved, on the same weights and texts."
    parser = cli.parser("python3 -m tools.bench", description, EPILOG)

    def add(name: str, metavar: str, text: str, **more: object) -> None:
        parser.add_argument(name, metavar=metavar, help=text, **more)  # type: ignore[arg-type]

    # Whatever is asked for, a run is bounded.
    parser.add_argument(
        "--quick",
        action="store_true",
        help="8 texts, 1 round, 1 and 8 clients unless told otherwise: less than 5 minutes",
    )
    add("--texts", "N", "texts of one turn; default: 64", type=whole_number(1, 2048))
    add("--rounds", "N", "turns of each candidate; default: 3", type=whole_number(1, 50))
    add("--clients", "N,N", "default: 1,8,32", type=list_of(whole_number(1, 128)))
    text = f"default: all, {', '.join(NAMES)}; {REFERENCE} gives the vectors to compare with"
    add("--candidates", "NAME,NAME", text, type=list_of(one_of(NAMES)), default=NAMES)
    add("--parts", "engine,http", "default: both", type=_parts, default=frozenset({"engine", "http"}))
    text = "a candidate that takes longer to its first answer has failed; default: 180"
    add("--start-seconds", "N", text, type=whole_number(1, 86400), default=180)
    parser.add_argument(
        "--shape", choices=("full", "tiny"), default="full", help="of the model; tiny is for tests of this program"
    )
    add("--seed", "N", "of the texts; default: 1", type=whole_number(0, 2**31), default=1)
    add("--out", "FOLDER", "for the table and the JSON file; default: %(default)s", type=Path, default=RESULTS)
    text = "compare only our service with so many workers x torch threads; default: from the CPUs"
    add("--topologies", "1x2,2x1", text, type=list_of(_topology), nargs="?", const=())
    parser.add_argument("--precision", choices=("fp32", "int8"), default="fp32", help="of --topologies; default: fp32")
    parser.add_argument(
        "--remove-images", action="store_true", help="remove the rivals' image in the end; it is kept as a cache"
    )
    return parser


def _parts(text: str) -> frozenset[str]:
    return frozenset(list_of(one_of(("engine", "http")))(text))


def _topology(text: str) -> tuple[int, int]:
    words = text.split("x")
    if len(words) != 2:
        raise argparse.ArgumentTypeError(f"{text!r} is not WORKERSxTHREADS, for example 2x1")
    read = whole_number(1, 64)
    return read(words[0]), read(words[1])
