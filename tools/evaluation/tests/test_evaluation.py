"""The labelled sets, the measures, and how answers are scored."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tools import ROOT
from tools.evaluation import data, measures, own_types, scoring
from tools.evaluation.errors import AnswerError, DataError
from tools.evaluation.scoring import TaskScores
from tools.evaluation.tasks import TASKS

# The examples must not be ones that the service was made from or that its documents show.
TASKS_FOLDER = ROOT / "gte-service" / "gte_service" / "tasks"
SHOWN = [ROOT / "README.md", *TASKS_FOLDER.rglob("*.py"), *TASKS_FOLDER.rglob("*.yaml")]


def shown() -> str:
    """Their text, less the markup of entities and punctuation."""
    text = "".join(path.read_text(encoding="utf-8") for path in SHOWN)
    return plain(re.sub(r"\{([^{}|]*)\|[^{}|]*\}", r"\1", text))


def plain(text: str) -> str:
    return re.sub(r"[\W_]+", "", text)


def examples(name: str) -> list[Any]:
    return TASKS[name].examples()


def scores(judgement: TaskScores) -> dict[str, float]:
    return {measure.name: measure.score for measure in judgement.measures}


# The labelled sets

_EVENT = '{"type": "visit", "trigger": "x", "arguments": {}}'


@pytest.mark.parametrize("name", TASKS)
def test_a_set_has_at_least_40_whole_examples(name: str) -> None:
    assert len(examples(name)) >= 40


@pytest.mark.parametrize("name", TASKS)
def test_no_example_is_one_that_the_service_or_its_documents_hold(name: str) -> None:
    held = shown()
    assert plain("张三在北京参加了奥运会") in held
    assert not [example.where for example in examples(name) if plain(example.text) in held]


@pytest.mark.parametrize(
    ("name", "kinds", "least"),
    [("sentiment", data.SENTIMENTS, 15), ("classification", data.TOPICS, 4), ("ner", data.ENTITY_TYPES, 8),
     ("relation", data.RELATIONS, 4), ("event", data.EVENT_TYPES, 3)],
)  # fmt: skip
def test_every_kind_occurs_often_enough_and_none_dominates(name: str, kinds: tuple[str, ...], least: int) -> None:
    found: Counter[str] = Counter()
    for example in examples(name):
        if isinstance(example, data.Labelled):
            found.update([] if example.labels else [example.label])
        elif isinstance(example, data.Named):
            found.update(entity.type for entity in example.entities)
        elif isinstance(example, data.Related):
            found.update(relation for _, relation, _ in example.relations)
        else:
            found.update(event.type for event in example.events)
    assert set(found) == set(kinds)
    assert min(found.values()) >= least
    assert max(found.values()) <= sum(found.values()) / 3


def test_texts_without_anything_to_find_and_labels_of_their_own_are_among_them() -> None:
    assert 0.2 <= measures.accuracy([example.answer is None for example in examples("qa")]) <= 0.3
    assert sum(not example.entities for example in examples("ner")) >= 3
    assert sum(not example.relations for example in examples("relation")) >= 8
    assert sum(not example.events for example in examples("event")) >= 6
    assert sum(bool(example.labels) for example in examples("classification")) >= 8
    places = Counter(example.answer for example in examples("similarity"))
    assert max(places.values()) <= len(examples("similarity")) / 3


def test_every_role_of_an_event_occurs() -> None:
    roles = {role for example in examples("event") for event in example.events for role, _ in event.arguments}
    assert roles == set(data.ROLES)


def test_the_sets_hold_all_widths_emoji_and_english() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in data.SETS.glob("*.jsonl"))
    for sort in ("，", ",", "ＡＰＰ", "👍", "password"):
        assert sort in text


@pytest.mark.parametrize(
    ("form", "line", "words"),
    [
        (data.sentiment, "nonsense", "is not JSON"),
        (data.sentiment, "[1]", "is no JSON object"),
        (data.sentiment, '{"label": "positive"}', "no text in field 'text'"),
        (data.sentiment, '{"text": " ", "label": "positive"}', "no text in field 'text'"),
        (data.sentiment, '{"text": "x", "label": "good"}', "'good', which is none of positive, negative"),
        (data.sentiment, '{"text": "x", "label": "positive", "lable": 1}', "unknown field 'lable'"),
        (data.classification, '{"text": "x", "label": "a", "labels": ["b", "c"]}', "'a', which is none of b, c"),
        (data.classification, '{"text": "x", "label": "a", "labels": ["a"]}', "2 to 64 texts in the list 'labels'"),
        (data.classification, '{"text": "x", "label": "a", "labels": ["a", "a"]}', "same text twice in 'labels'"),
        (data.neighbour, '{"text": "x", "near": "y", "far": ["z"]}', "2 to 3 texts in the list 'far'"),
        (data.neighbour, '{"text": "x", "near": "y", "far": ["z", "y"]}', "same text twice"),
        (data.ranking, '{"query": "x", "candidates": ["a", "b", "c"], "answer": 0}', "4 texts"),
        (data.ranking, '{"query": "x", "candidates": ["a", "b", "c", "d"], "answer": 4}', "position from 0 to 3"),
        (data.ranking, '{"query": "x", "candidates": ["a", "b", "c", "d"], "answer": true}', "position from 0 to 3"),
        (data.question, '{"context": "x", "question": "y", "answer": "z"}', "the answer 'z', which does not occur"),
        (data.question, '{"context": "x", "question": "y"}', "no field 'answer'"),
        (data.named, '{"text": "{张三|human}"}', "the type 'human'"),
        (data.named, '{"text": "{张三|person"}', "mark that is not closed"),
        (data.named, '{"text": "{{张三|person}|person}"}', "mark that is not closed"),
        (data.named, '{"text": "{ |person}"}', "no text in the mark"),
        (data.related, '{"text": "x"}', "no list in 'relations'"),
        (data.related, '{"text": "xy", "relations": [["x", "born_in"]]}', "no [subject, relation, object]"),
        (data.related, '{"text": "xy", "relations": [["x", "likes", "y"]]}', "the relation 'likes'"),
        (data.related, '{"text": "xy", "relations": [["z", "born_in", "y"]]}', "the subject 'z', which does not occur"),
        (data.related, '{"text": "xy", "relations": [["x", "born_in", "y"], ["x", "born_in", "y"]]}', "twice"),
        (data.eventful, '{"text": "x", "events": [{"type": "visit", "trigger": "x"}]}', "without exactly"),
        (data.eventful, '{"text": "x", "events": [{"type": "v", "trigger": "x", "arguments": {}}]}', "event type 'v'"),
        (data.eventful, '{"text": "x", "events": [{"type": "visit", "trigger": "y", "arguments": {}}]}', "trigger 'y'"),
        (data.eventful, '{"text": "x", "events": [{"type": "visit", "trigger": "x", "arguments": []}]}',
         "no object of"),
        (data.eventful, '{"text": "x", "events": [{"type": "visit", "trigger": "x", "arguments": {"who": ["x"]}}]}',
         "the role 'who'"),
        (data.eventful, '{"text": "x", "events": [{"type": "visit", "trigger": "x", "arguments": {"time": ["y"]}}]}',
         "the time 'y'"),
        (data.eventful, '{"text": "x", "events": [%s, %s]}' % (2 * (_EVENT,)), "two events of one type and trigger"),
    ],
)  # fmt: skip
def test_a_damaged_line_is_named(tmp_path: Path, form: Callable[[data.Line], Any], line: str, words: str) -> None:
    (tmp_path / "set.jsonl").write_text("\n" + line + "\n", encoding="utf-8")
    with pytest.raises(DataError) as error:
        data.read(tmp_path / "set.jsonl", form)
    assert str(error.value).startswith("set.jsonl:2 ")
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no example"),
        (b"\xff", "can't be read"),
        (2 * b'{"text": "x", "label": "neutral"}\n', "set.jsonl:2 asks the same as set.jsonl:1"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "set.jsonl").write_bytes(content)
    with pytest.raises(DataError, match=words):
        data.read(tmp_path / "set.jsonl", data.sentiment)


def test_two_questions_may_share_their_context(tmp_path: Path) -> None:
    lines = [json.dumps({"context": "x", "question": question, "answer": "x"}) for question in "ab"]
    (tmp_path / "set.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert len(data.read(tmp_path / "set.jsonl", data.question)) == 2


def test_markup_gives_spans_in_code_points() -> None:
    found = data.named(data.Line("x:1", json.dumps({"text": "😀{张三|person}在{北京|place}"})))
    assert found.text == "😀张三在北京"
    assert found.entities == (data.Entity(1, 3, "person"), data.Entity(4, 6, "place"))
    assert found.text[4:6] == "北京"


# The measures


def test_f1_is_counted_over_all_examples_together() -> None:
    # Two of three expected found, and two of four found expected: 2 * 2 / (4 + 3).
    found = measures.overlap([{"a", "b"}, {"c"}], [{"a", "x"}, {"c", "y"}])
    assert found == measures.Overlap(right=2, found=4, expected=3)
    assert found.precision == 0.5
    assert found.recall == pytest.approx(2 / 3)
    assert found.f1 == pytest.approx(4 / 7)


def test_the_same_thing_in_another_example_is_not_found() -> None:
    assert measures.overlap([{"a"}, set()], [set(), {"a"}]).f1 == 0


def test_a_thing_counts_once_an_example() -> None:
    assert measures.overlap([["a"]], [["a", "a"]]) == measures.Overlap(1, 1, 1)


def test_nothing_to_find_and_nothing_found_is_right() -> None:
    empty = measures.overlap([set()], [set()])
    assert (empty.precision, empty.recall, empty.f1) == (1, 1, 1)


def test_what_differs_in_number_does_not_belong_together() -> None:
    with pytest.raises(ValueError, match="shorter"):
        measures.overlap([{"a"}, {"b"}], [{"a"}])


def test_accuracy_and_mean() -> None:
    assert measures.accuracy([True, True, False, True]) == 0.75
    assert measures.mean([0.5, 1.0, 0.0]) == 0.5
    for nothing in (measures.accuracy, measures.mean):
        with pytest.raises(ValueError, match="nothing"):
            nothing([])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("《呐喊》", "呐喊"),
        (" 北京。", "北京"),
        ("“你好，世界”", "你好，世界"),
        ("3.5", "3.5"),
        ("90%", "90"),
        ("。！", ""),
    ],
)
def test_punctuation_at_the_ends_does_not_count(text: str, expected: str) -> None:
    assert measures.bare(text) == expected


@pytest.mark.parametrize(
    ("span", "expected"), [((1, 5), (2, 4)), ((2, 4), (2, 4)), ((0, 2), (0, 1)), ((1, 2), (1, 2)), ((4, 6), (5, 6))]
)
def test_a_span_shrinks_likewise(span: tuple[int, int], expected: tuple[int, int]) -> None:
    assert measures.bare_span("读《呐喊》吧", *span) == expected


@pytest.mark.parametrize(
    ("expected", "found", "f1"),
    [
        ("北京", "北京", 1),
        ("北京市", "北京", 2 * 1 * (2 / 3) / (1 + 2 / 3)),
        ("北京", "京北", 1),
        ("人人", "人", 2 * 1 * 0.5 / 1.5),
        ("北京", "上海", 0),
        ("北京", "", 0),
    ],
)
def test_character_f1_counts_each_character_as_often_as_it_occurs(expected: str, found: str, f1: float) -> None:
    assert measures.character_f1(expected, found) == pytest.approx(f1)


# How answers are scored


def test_a_far_text_that_is_as_near_makes_an_embedding_wrong() -> None:
    def example(name: str) -> data.Neighbour:
        return data.Neighbour(name, "text", "near", ("far", "farther"))

    right = [[1.0, 0.0], [1.0, 0.1], [1.0, 0.2], [0.0, 1.0]]
    as_near = [[1.0, 0.0], [1.0, 0.1], [2.0, 0.2], [0.0, 1.0]]
    nearer = [[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [1.0, 0.0]]
    scored = scoring.neighbours([example(name) for name in "abc"], [right, as_near, nearer])
    assert scores(scored) == {"near text is the nearest": pytest.approx(1 / 3)}
    assert [wrong.where for wrong in scored.wrong] == ["b", "c"]
    assert scored.wrong[1].found.startswith("farther (1.000")


def test_a_ranking_is_right_by_its_first() -> None:
    asked = [data.Ranking(where, "x", ("k", "l", "m", "n"), 2) for where in "ab"]
    scored = scoring.rankings(asked, [{"ranking": [2, 0, 1, 3]}, {"ranking": [0, 2, 1, 3]}])
    assert list(scores(scored).values()) == [0.5]
    assert [(wrong.where, wrong.expected, wrong.found) for wrong in scored.wrong] == [("b", "m", "k")]


def test_labels_of_their_own_are_counted_apart() -> None:
    asked = [data.Labelled("a", "x", "sports", ()), data.Labelled("b", "x", "food", ()),
             data.Labelled("c", "x", "甲", ("甲", "乙"))]  # fmt: skip
    scored = scoring.labels(asked, [{"label": "sports"}, {"label": "travel"}, {"label": "甲"}])
    assert scores(scored) == {"right label": 0.5, "right label, of labels sent along": 1}
    assert [measure.examples for measure in scored.measures] == [2, 1]
    assert [(wrong.where, wrong.expected, wrong.found) for wrong in scored.wrong] == [("b", "food", "travel")]


def test_an_answer_is_measured_where_there_is_one_and_found_or_not_everywhere() -> None:
    asked = [data.Question(where, "北京市和《呐喊》", "?", answer)
             for where, answer in zip("abcde", ["《呐喊》", "北京市", "北京市", None, None], strict=True)]  # fmt: skip
    none = {"found": False, "answer": None}
    scored = scoring.questions(
        asked, [{"found": True, "answer": "呐喊"}, {"found": True, "answer": "北京"}, none, none,
                {"found": True, "answer": "北京"}]
    )  # fmt: skip
    assert scores(scored) == {
        "exact match, where there is an answer": pytest.approx(1 / 3),
        "character F1, where there is an answer": pytest.approx((1 + 0.8 + 0) / 3),
        "found or not found, rightly": pytest.approx(3 / 5),
    }
    assert [wrong.where for wrong in scored.wrong] == ["b", "c", "e"]
    assert [measure.examples for measure in scored.measures] == [3, 3, 5]


def entity(start: int, end: int, kind: str) -> dict[str, Any]:
    return {"text": "any", "type": kind, "start": start, "end": end}


def test_entities_are_right_by_span_and_type() -> None:
    text = "张三读《呐喊》"
    asked = [
        data.Named("a", text, (data.Entity(0, 2, "person"), data.Entity(3, 7, "work"))),
        data.Named("b", "上海", (data.Entity(0, 2, "place"),)),
        data.Named("c", "好的", ()),
    ]
    scored = scoring.names(
        asked,
        [
            {"entities": [entity(0, 2, "person"), entity(4, 6, "work")]},
            {"entities": [entity(0, 2, "person"), entity(0, 1, "place")]},
            {"entities": []},
        ],
    )
    # Of three expected and four found, two are right with their type and three by their span.
    assert scores(scored) == {"F1 of entities: span and type": 4 / 7, "F1 of spans alone": 6 / 7}
    assert [(wrong.where, wrong.expected, wrong.found) for wrong in scored.wrong] == [
        ("b", "上海 place", "上 place; 上海 person")
    ]


def relation(subject: str, name: str, object_: str) -> dict[str, Any]:
    return {"subject": {"text": subject}, "relation": name, "object": {"text": object_}}


def test_a_relation_has_a_direction_unless_it_is_symmetric() -> None:
    text = "《呐喊》的作者鲁迅和许广平"
    asked = [
        data.Related("a", text, (("鲁迅", "author_of", "《呐喊》"), ("鲁迅", "spouse_of", "许广平"))),
        data.Related("b", text, (("鲁迅", "author_of", "呐喊"),)),
    ]
    both_ways = [relation("许广平", "spouse_of", "鲁迅"), relation("鲁迅", "spouse_of", "许广平")]
    scored = scoring.relations(
        asked,
        [
            {"relations": [relation("鲁迅", "author_of", "呐喊》"), *both_ways]},
            {"relations": [relation("呐喊", "author_of", "鲁迅")]},
        ],
    )
    assert list(scores(scored).values()) == [pytest.approx(2 * 2 / (3 + 3))]
    assert [(wrong.where, wrong.expected, wrong.found) for wrong in scored.wrong] == [
        ("b", "鲁迅 author_of 呐喊", "呐喊 author_of 鲁迅")
    ]


def event(kind: str, trigger: str, arguments: Iterable[tuple[str, str]]) -> dict[str, Any]:
    written = [{"role": role, "text": text} for role, text in arguments]
    return {"type": kind, "trigger": {"text": trigger}, "arguments": written}


def test_triggers_and_arguments_of_events_are_measured_apart() -> None:
    asked = [
        data.Eventful("a", "x", (data.Event("visit", "“访问”", (("subject", "《田文》"), ("time", "昨天"))),)),
        data.Eventful("b", "x", (data.Event("death", "去世", (("subject", "秦川"),)),)),
        data.Eventful("c", "x", ()),
    ]
    answers = [
        [event("visit", "访问。", [("subject", "田文，"), ("place", "昨天")])],
        [event("accident", "去世", [("subject", "秦川")])],
        [],
    ]
    scored = scoring.events(asked, [{"events": answer} for answer in answers])
    # One trigger of two is right; of three arguments expected and three found, one is.
    assert scores(scored) == {"F1 of (type, trigger)": 0.5, "F1 of (type, role, argument)": pytest.approx(1 / 3)}
    assert [wrong.where for wrong in scored.wrong] == ["a", "b"]


def right_answer(example: Any) -> Any:
    """The answer of a service without fault."""
    if isinstance(example, data.Neighbour):
        return [[1.0, 0.0], [1.0, 0.1], *([0.0, 1.0] for _ in example.far)]
    if isinstance(example, data.Ranking):
        return {"ranking": sorted(range(4), key=lambda number: number != example.answer)}
    if isinstance(example, data.Labelled):
        return {"label": example.label}
    if isinstance(example, data.Question):
        return {"found": example.answer is not None, "answer": example.answer}
    if isinstance(example, data.Named):
        return {"entities": [vars(entity) for entity in example.entities]}
    return {
        "relations": [relation(*triple) for triple in getattr(example, "relations", ())],
        "events": [event(found.type, found.trigger, found.arguments) for found in getattr(example, "events", ())],
    }


@pytest.mark.parametrize("name", TASKS)
def test_right_answers_to_the_whole_set_score_1(name: str) -> None:
    asked = examples(name)
    scored = TASKS[name].score(asked, [right_answer(example) for example in asked])
    assert set(scores(scored).values()) == {1.0}
    assert scored.wrong == ()


@pytest.mark.parametrize(
    ("name", "nothing"), [("ner", {"entities": []}), ("relation", {"relations": []}), ("event", {"events": []})]
)
def test_finding_nothing_scores_0_however_many_texts_have_nothing(name: str, nothing: Any) -> None:
    asked = examples(name)
    assert set(scores(TASKS[name].score(asked, [nothing] * len(asked))).values()) == {0.0}


@pytest.mark.parametrize(
    ("name", "answer", "words"),
    [
        ("embedding", [[1.0], [1.0], ["1"], [1.0]], "no vector"),
        ("embedding", [[1.0], [1.0, 0.0], [1.0], [1.0]], "differ in length"),
        ("similarity", {"ranking": [0, 1, 2]}, "every candidate once"),
        ("similarity", {"ranking": [True, 0, 2, 3]}, "every candidate once"),
        ("sentiment", {"score": 1}, "no 'label' of type str"),
        ("qa", {"found": 1, "answer": "x"}, "no 'found' of type bool"),
        ("qa", {"found": True, "answer": None}, "no 'answer' of type str"),
        ("ner", {"entities": [{"type": "person", "start": 0, "end": 999}]}, "no part of a text"),
        ("ner", {"entities": [{"type": "person", "start": False, "end": 1}]}, "no 'start' of type int"),
        ("relation", {"relations": [{"subject": "x"}]}, "no 'subject' of type dict"),
        ("event", [], "no 'events' of type list"),
    ],
)
def test_an_answer_of_another_shape_is_told_with_its_example(name: str, answer: Any, words: str) -> None:
    with pytest.raises(AnswerError) as error:
        TASKS[name].score(examples(name)[:1], [answer])
    assert str(error.value).startswith(f"{name}.jsonl:1: ")
    assert words in str(error.value)


@pytest.mark.parametrize("task", own_types.TYPES)
def test_answers_with_labels_of_a_clients_own_are_compared_as_the_types_that_they_stand_for(task: str) -> None:
    types = own_types.own_types(task)
    assert {own.type for own in types} == set(own_types.TYPES[task])
    asked = examples(task)
    labels = {own.type: own.label for own in types}
    for example in asked:
        answer = right_answer(example)
        sent = {
            "entities": [{**it, "type": labels[it["type"]]} for it in answer.get("entities", ())],
            "relations": [{**it, "relation": labels[it["relation"]]} for it in answer.get("relations", ())],
            "events": [{**it, "type": labels[it["type"]]} for it in answer.get("events", ())],
        }
        found = own_types.with_built_in_names(types, sent)
        (place,) = {"ner": ["entities"], "relation": ["relations"], "event": ["events"]}[task]
        assert found[place] == answer[place]


def test_a_type_that_was_not_sent_is_told() -> None:
    with pytest.raises(AnswerError, match="relation: the answer has the type 'born_in', which was not sent"):
        own_types.with_built_in_names(own_types.own_types("relation"), {"relations": [{"relation": "born_in"}]})


def test_labels_are_sent_by_name_or_with_their_descriptions() -> None:
    by_name, by_description = (own_types.request(own_types.own_types("ner"), way) for way in own_types.WAYS)
    assert by_name[0] == "人物"
    assert by_description[0] == {"label": "人物", "description": "人的姓名"}
