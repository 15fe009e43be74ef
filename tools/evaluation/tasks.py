"""The eight tasks: where their examples are, how they are asked, and how the answers are scored."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from tools.evaluation import data, own_types, scoring
from tools.evaluation.client import Service, describe
from tools.evaluation.errors import AnswerError
from tools.evaluation.scoring import Measure, TaskScores

# Examples of one request: few enough that a slow machine answers within the service's deadline.
BATCH = 8

_Example = TypeVar("_Example", bound=data.Example)


@dataclass(frozen=True)
class Task(Generic[_Example]):
    """One task of the service.

    Attributes:
        name: its `task_type`.
        form: reads a line of its set.
        ask: the results for examples, in their order, as the service gave them.
        score: computes the scores from examples and results.
        own_types: whether the first of the scores is also measured with types of a client's own.
    """

    name: str
    form: Callable[[data.Line], _Example]
    ask: Callable[[Service, Sequence[_Example]], Iterator[Any]]
    score: Callable[[Sequence[_Example], Sequence[Any]], TaskScores]
    own_types: bool = False

    def examples(self) -> list[_Example]:
        """Its labelled set; raises DataError."""
        return data.read(data.SETS / f"{self.name}.jsonl", self.form)

    def evaluate(self, service: Service, examples: Sequence[_Example]) -> TaskScores:
        """Ask all examples and score the answers.

        Raises:
            AnswerError: an example got an error or no usable answer.
            NoAnswerError: the service can't be reached any more.
            ServiceError: it has changed its model.
        """
        scores = self.score(examples, list(self.ask(service, examples)))
        if not self.own_types:
            return scores
        return replace(scores, measures=(*scores.measures, *self._with_own_types(service, examples)))

    def _with_own_types(self, service: Service, examples: Sequence[_Example]) -> Iterator[Measure]:
        types = own_types.own_types(self.name)
        for way in own_types.WAYS:
            ask = _in_batches(self.name, types=own_types.request(types, way))
            answers = [own_types.with_built_in_names(types, answer) for answer in ask(service, examples)]
            measure = self.score(examples, answers).measures[0]
            yield replace(measure, name=f"{measure.name}, {way.name}")


def _in_batches(name: str, **fields: object) -> Callable[[Service, Sequence[data.Example]], Iterator[Any]]:
    def ask(service: Service, examples: Sequence[data.Example]) -> Iterator[Any]:
        for batch in _batches(examples):
            texts = [example.text for example in batch]
            yield from _results(service, batch, 1, task_type=name, input_text=texts, **fields)

    return ask


def _ask_neighbours(service: Service, examples: Sequence[data.Neighbour]) -> Iterator[Any]:
    # Of one length within a batch, so that the flat list of vectors can be cut again.
    for length, group in itertools.groupby(examples, lambda example: 2 + len(example.far)):
        for batch in _batches(list(group)):
            texts = [text for example in batch for text in (example.text, example.near, *example.far)]
            vectors = list(_results(service, batch, length, task_type="embedding", input_text=texts))
            yield from (vectors[start : start + length] for start in range(0, len(vectors), length))


def _ask_rankings(service: Service, examples: Sequence[data.Ranking]) -> Iterator[Any]:
    for example in examples:
        yield _result(
            service, example, task_type="similarity", input_text=example.text, candidates=list(example.candidates)
        )


def _ask_labels(service: Service, examples: Sequence[data.Labelled]) -> Iterator[Any]:
    for labels, group in itertools.groupby(examples, lambda example: example.labels):
        own = {"labels": list(labels)} if labels else {}
        for batch in _batches(list(group)):
            texts = [example.text for example in batch]
            yield from _results(service, batch, 1, task_type="classification", input_text=texts, **own)


def _ask_questions(service: Service, examples: Sequence[data.Question]) -> Iterator[Any]:
    for example in examples:
        yield _result(service, example, task_type="qa", context=example.text, question=example.question)


TASKS: Mapping[str, Task[Any]] = {
    task.name: task
    for task in (
        Task("embedding", data.neighbour, _ask_neighbours, scoring.neighbours),
        Task("similarity", data.ranking, _ask_rankings, scoring.rankings),
        Task("sentiment", data.sentiment, _in_batches("sentiment"), scoring.labels),
        Task("classification", data.classification, _ask_labels, scoring.labels),
        Task("qa", data.question, _ask_questions, scoring.questions),
        Task("ner", data.named, _in_batches("ner"), scoring.names, own_types=True),
        Task("relation", data.related, _in_batches("relation"), scoring.relations, own_types=True),
        Task("event", data.eventful, _in_batches("event"), scoring.events, own_types=True),
    )
}


def _batches(examples: Sequence[_Example]) -> Iterator[Sequence[_Example]]:
    return (examples[start : start + BATCH] for start in range(0, len(examples), BATCH))


def _result(service: Service, example: data.Example, **request: Any) -> Any:
    try:
        return service.predict(**request)
    except AnswerError as error:
        raise AnswerError(f"{example.where}: {error}") from error


def _results(service: Service, batch: Sequence[data.Example], items: int, **request: Any) -> Iterator[Any]:
    """The results of a batch in which every example has `items` items."""
    span = batch[0].where if len(batch) == 1 else f"{batch[0].where} to {batch[-1].where.rpartition(':')[2]}"
    try:
        results = service.predict(**request)
    except AnswerError as error:
        raise AnswerError(f"{span}: {error}") from error
    if not isinstance(results, list) or len(results) != items * len(batch):
        raise AnswerError(f"{span}: {items * len(batch)} items were sent, and the result is no list of as many.")
    for number, result in enumerate(results):
        if isinstance(result, dict) and "error" in result:
            raise AnswerError(f"{batch[number // items].where}: {describe(result['error'])}")
        yield result
