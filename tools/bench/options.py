"""Reads the command line once into what a run is."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tools.bench.engines import ENGINES, REFERENCE
from tools.bench.errors import UsageError
from tools.bench.services import OUR_SERVICES, SERVICES

Item = TypeVar("Item")

RESULTS = Path(__file__).resolve().parent / "results"
NAMES = tuple(dict.fromkeys((*ENGINES, *SERVICES)))
MOST_CLIENTS = 128
# Whatever is asked for, a run is bounded.
MOST_TEXTS = 2048
MOST_ROUNDS = 50
# Texts, rounds, clients. The 64 requests that 32 clients send would take a quick run over a minute by themselves.
_QUICK = (8, 1, (1, 8))
_USUAL = (64, 3, (1, 8, 32))

EPILOG = """\
Exit status: 0 all was measured, whatever the targets say; 1 a candidate failed or gave other vectors; 2 wrong usage;
3 there are no figures. The table goes to standard output, progress to standard error."""


@dataclass(frozen=True)
class Options:
    """What a run is.

    Attributes:
        texts: texts of an engine's turn, and least requests of a slice over HTTP.
        rounds: how often each candidate has its turn.
        clients: how many clients send at a time, in each slice.
        candidates: names of what is compared.
        parts: `engine`, `http`, or both.
        shape: `full` or `tiny`.
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
    given = _parser().parse_args(arguments)
    texts, rounds, clients = _QUICK if given.quick else _USUAL
    options = Options(
        texts=given.texts or texts,
        rounds=given.rounds or rounds,
        clients=given.clients or clients,
        candidates=given.candidates,
        parts=given.parts,
        shape=given.shape,
        seed=given.seed,
        out=given.out,
        topologies=given.topologies,
        precision=given.precision,
        remove_images=given.remove_images,
    )
    if options.topologies is None and not options.engines and not options.services:
        raise UsageError(
            f"--candidates {','.join(options.candidates)} and --parts {','.join(sorted(options.parts))} leave nothing "
            f"to compare. Engines are {', '.join(ENGINES)}; services are {', '.join(SERVICES)}."
        )
    if options.out.exists() and not options.out.is_dir():
        raise UsageError(f"--out {options.out} is no folder: name one, it is made where it doesn't exist.")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m tools.bench",
        description="Compares this service with its rivals, in turns, on the same weights and texts.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "--quick",
        action="store_true",
        help="8 texts, 1 round, 1 and 8 clients unless told otherwise: less than 5 minutes",
    )
    add("--texts", type=_between(1, MOST_TEXTS), metavar="N", help="texts of one turn; default: 64")
    add("--rounds", type=_between(1, MOST_ROUNDS), metavar="N", help="turns of each candidate; default: 3")
    add("--clients", type=_list_of(_between(1, MOST_CLIENTS)), metavar="N,N", help="default: 1,8,32")
    add("--candidates", type=_list_of(_one_of(NAMES)), default=NAMES, metavar="NAME,NAME",
        help=f"default: all, {', '.join(NAMES)}; {REFERENCE} gives the vectors to compare with")  # fmt: skip
    add("--parts", type=_parts, default=frozenset({"engine", "http"}), metavar="engine,http", help="default: both")
    add("--shape", choices=("full", "tiny"), default="full", help="of the model; tiny is for tests of this program")
    add("--seed", type=_between(0, 2**31), default=1, metavar="N", help="of the texts; default: 1")
    add(
        "--out",
        type=Path,
        default=RESULTS,
        metavar="FOLDER",
        help="for the table and the JSON file; default: %(default)s",
    )
    add("--topologies", type=_list_of(_topology), nargs="?", const=(), metavar="1x2,2x1",
        help="compare only our service with so many workers x torch threads; default: from the CPUs")  # fmt: skip
    add("--precision", choices=[service.precision for service in OUR_SERVICES], default="fp32",
        help="of --topologies; default: fp32")  # fmt: skip
    add("--remove-images", action="store_true", help="remove the rivals' image in the end; it is kept as a cache")
    return parser


def _list_of(read: Callable[[str], Item]) -> Callable[[str], tuple[Item, ...]]:
    def read_list(text: str) -> tuple[Item, ...]:
        items = tuple(read(word.strip()) for word in text.split(","))
        if len(set(items)) < len(items):
            raise argparse.ArgumentTypeError(f"{text!r} names something twice")
        return items

    return read_list


def _one_of(names: Sequence[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(names)}")
        return text

    return read


def _parts(text: str) -> frozenset[str]:
    return frozenset(_list_of(_one_of(("engine", "http")))(text))


def _topology(text: str) -> tuple[int, int]:
    words = text.split("x")
    if len(words) != 2:
        raise argparse.ArgumentTypeError(f"{text!r} is not WORKERSxTHREADS, for example 2x1")
    read = _between(1, 64)
    return read(words[0]), read(words[1])


def _between(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() else least - 1
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} to {most}")
        return number

    return read
