"""What the tasks answer through the API, with the demo model: it compares characters, so the texts here share some."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch

from conftest import Service, models_home
from gte_service.engine import Allowance, Encoded, Encoder
from gte_service.engine.bert import Bert
from gte_service.engine.store.prepared import Prepared
from gte_service.errors import InferenceFailed, ModelBroken
from gte_service.tasks.model import Model, Prototypes, VectorCache
from gte_service.tasks.prototypes.store import prototypes_file, read_prototypes
from gte_service.tasks.registry import TASKS

SENTENCE = "张三在北京参加了奥运会"


def result(service: Service, task_type: str, input_text: object, **fields: object) -> Any:
    answer = service.predict(task_type, input_text, **fields)
    assert answer.status == 200, answer.text
    assert answer.json["task_type"] == task_type
    return answer.json["result"]


def typed(entities: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(entity["text"], entity["type"]) for entity in entities]


def test_the_sentence_of_the_tutorial(service: Service) -> None:
    entities = result(service, "ner", SENTENCE)["entities"]
    assert typed(entities) == [("张三", "person"), ("北京", "place"), ("奥运会", "event")]
    assert [(entity["start"], entity["end"]) for entity in entities] == [(0, 2), (3, 5), (8, 11)]
    assert all(0.5 < entity["score"] <= 1 for entity in entities)
    (event,) = result(service, "event", SENTENCE)["events"]
    assert (event["type"], event["trigger"]) == ("competition", {"text": "参加", "start": 5, "end": 7})
    assert {(it["role"], it["text"]) for it in event["arguments"]} == {
        ("subject", "张三"),
        ("place", "北京"),
        ("object", "奥运会"),
    }


@pytest.mark.parametrize(
    "text",
    [
        "😀😀张三在👨‍👩‍👧北京参加了奥运会",
        "ＡＢＣ　张三　在北京１２３参加了奥运会！！",
        "Zhang said: 张三在北京\t参加了\n奥运会 e\u0301",
        "\ud83d半个张三在北京参加了奥运会",
    ],
)
def test_offsets_are_those_of_the_original_text(service: Service, text: str) -> None:
    entities = result(service, "ner", text)["entities"]
    assert {("张三", "person"), ("北京", "place"), ("奥运会", "event")} <= set(typed(entities))
    for entity in entities:
        assert text[entity["start"] : entity["end"]] == entity["text"]


def test_full_width_letters_and_digits_are_read_as_half_width(service: Service) -> None:
    half = result(service, "ner", "他在2019年9月10日花了26美元")["entities"]
    full = result(service, "ner", "他在２０１９年９月１０日花了２６美元")["entities"]
    assert typed(half) == [("2019年9月10日", "time"), ("26美元", "quantity")]
    assert typed(full) == [("２０１９年９月１０日", "time"), ("２６美元", "quantity")]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("阿里巴巴集团的总部在杭州", ("阿里巴巴集团", "organization")),
        ("诸葛明昨天没有来", ("诸葛明", "person")),
        ("我读完了《百年孤独》", ("百年孤独", "work")),
        ("会议在周三上午9点开始", ("周三上午9点", "time")),
        ("我在用ChatGPT写代码", ("ChatGPT", "product")),
        ("她毕业于东北大学", ("东北大学", "organization")),
    ],
)
def test_an_entity_is_found_completely(service: Service, text: str, wanted: tuple[str, str]) -> None:
    assert wanted in typed(result(service, "ner", text)["entities"])


@pytest.mark.parametrize("text", ["有一家公司和几个人", "一位老师走了", "我觉得很好", "。", "🙂"])
def test_a_text_without_names_has_no_entities(service: Service, text: str) -> None:
    assert result(service, "ner", text)["entities"] == []


def test_only_what_the_model_has_read_is_answered(service: Service) -> None:
    assert result(service, "ner", "好" * 600 + SENTENCE)["entities"] == []
    # 510 tokens and the two special ones: the last character of 奥运会 is cut off.
    assert result(service, "ner", "好" * 508 + "奥运会")["entities"] == []
    assert typed(result(service, "ner", "好" * 507 + "奥运会")["entities"]) == [("奥运会", "event")]


def test_a_clients_own_types(service: Service) -> None:
    types = [{"label": "水果", "examples": ["苹果", "香蕉"]}, {"label": "工具", "description": "锤子和螺丝刀"}]
    entities = result(service, "ner", "桌上有香蕉和锤子", types=types)["entities"]
    assert {("香蕉", "水果"), ("锤子", "工具")} <= set(typed(entities))
    assert {entity["type"] for entity in entities} <= {"水果", "工具"}


def test_a_relation_has_a_direction(service: Service) -> None:
    def triples(text: str) -> set[tuple[str, str, str]]:
        found = result(service, "relation", text)["relations"]
        return {(it["subject"]["text"], it["relation"], it["object"]["text"]) for it in found}

    assert triples("张三出生于北京") == {("张三", "born_in", "北京")}
    assert triples("微软收购了动视暴雪公司") == {("微软", "acquired", "动视暴雪公司")}
    assert ("马云", "founder_of", "阿里巴巴集团") in triples("阿里巴巴集团创始人马云出席了会议")
    assert triples("张三和李四毕业于清华大学") == {
        ("张三", "studied_at", "清华大学"),
        ("李四", "studied_at", "清华大学"),
    }
    assert triples("张三去了北京。李四在上海出生。") & {("张三", "born_in", "北京")} == set()
    assert triples("张三的妻子李四毕业于清华大学") == {
        ("张三", "spouse_of", "李四"),
        ("李四", "studied_at", "清华大学"),
    }
    assert triples("张三和李四去年结婚了") == {("张三", "spouse_of", "李四")}
    assert triples("微软公司Ceo张三来了") == {("张三", "leader_of", "微软公司")}
    assert triples("张三昨天在北京买了一本书") == set()


def test_a_clients_own_relations(service: Service) -> None:
    found = result(service, "relation", "腾讯投资了京东", types=["投资", "诉讼"])["relations"]
    assert [(it["subject"]["text"], it["relation"], it["object"]["text"]) for it in found] == [("腾讯", "投资", "京东")]


def test_an_event_in_the_passive_turns_its_roles(service: Service) -> None:
    (event,) = result(service, "event", "动视暴雪公司被微软收购")["events"]
    assert event["type"] == "acquisition"
    assert {(it["role"], it["text"]) for it in event["arguments"]} == {("object", "动视暴雪公司"), ("subject", "微软")}


def test_a_clients_own_events(service: Service) -> None:
    events = result(service, "event", "公司昨天裁员了", types=["裁员", "融资"])["events"]
    assert [(event["type"], event["trigger"]["text"]) for event in events] == [("裁员", "裁员")]
    assert ("time", "昨天") in {(it["role"], it["text"]) for it in events[0]["arguments"]}


def test_a_text_without_an_event_has_no_events(service: Service) -> None:
    assert result(service, "event", "老师介绍作业的要求", types=["裁员", "融资"])["events"] == []
    assert result(service, "event", "今天天气很好")["events"] == []


def test_a_question_is_answered_from_its_context(service: Service) -> None:
    context = "张三出生于1990年，现在住在上海。他去年在北京参加了奥运会。"
    for answer in (
        result(service, "qa", f"{context}|张三住在哪里？"),
        # The bar that an input method for Chinese types.
        result(service, "qa", f"{context}｜张三住在哪里？"),
        service.ask("/predict", {"task_type": "qa", "context": context, "question": "张三住在哪里？"}).json["result"],
    ):
        assert (answer["found"], answer["answer"]) == (True, "上海")
        assert context[answer["start"] : answer["end"]] == "上海"
        assert answer["sentence"] == {"text": "张三出生于1990年，现在住在上海。", "start": 0, "end": 18}
        assert answer["score"] > 0.5


def test_a_wide_bar_beside_a_plain_one_is_a_part_of_the_text(service: Service) -> None:
    answer = result(service, "qa", "张三住在上海｜浦东。|张三住在哪里？")
    assert answer["sentence"]["text"] == "张三住在上海｜浦东。"


def test_an_answer_in_a_later_sentence_is_found_at_its_place(service: Service) -> None:
    context = "张三出生于1990年。😀他去年在北京参加了奥运会。"
    answer = result(service, "qa", f"{context}|他在哪里参加了奥运会？")
    assert answer["answer"] == context[answer["start"] : answer["end"]] == "北京"
    sentence = answer["sentence"]
    assert sentence["text"] == context[sentence["start"] : sentence["end"]] == "😀他去年在北京参加了奥运会。"


def test_of_several_amounts_the_one_that_is_asked_for_is_the_answer(service: Service) -> None:
    for fruit, price in (("苹果", "五元"), ("香蕉", "八元")):
        answer = result(service, "qa", f"一斤苹果的价格是五元，一斤香蕉的价格是八元。|一斤{fruit}的价格是多少钱？")
        assert answer["answer"] == price


def test_a_question_that_the_context_does_not_answer_is_not_answered(service: Service) -> None:
    # The second context has an amount, as is asked for, and is about something else.
    for context in ("张三在北京参加了奥运会。", "张三在北京买了三十本书。"):
        answer = result(service, "qa", f"{context}|水的沸点是多少度？")
        assert answer["found"] is False
        assert answer["answer"] is answer["start"] is answer["end"] is None
        assert answer["score"] < 0.5


def test_labels_are_ranked_with_scores_that_add_up_to_1(service: Service) -> None:
    for task_type in ("sentiment", "classification"):
        ranked = result(service, task_type, "这部手机的屏幕很好")
        scores = [it["score"] for it in ranked["ranking"]]
        assert scores == sorted(scores, reverse=True)
        assert math.isclose(sum(scores), 1, abs_tol=0.01)
        assert ranked["label"] == ranked["ranking"][0]["label"]
        assert ranked["margin"] == pytest.approx(scores[0] - scores[1], abs=2e-4)
    assert len(result(service, "sentiment", "好")["ranking"]) == 3
    assert len(result(service, "classification", "好")["ranking"]) == 12


def test_a_clients_own_labels(service: Service) -> None:
    labels = [
        {"label": "退款", "examples": ["我要退款", "钱什么时候退回来"]},
        {"label": "物流", "description": "快递到哪里了，什么时候送到"},
        "发票",
    ]
    wanted = ["退款", "物流", "发票"]
    texts = ["请把我的退款退回来", "快递什么时候送到", "开一张发票"]
    assert [it["label"] for it in result(service, "classification", texts, labels=labels)] == wanted


@pytest.mark.parametrize(
    ("labels", "field", "words"),
    [
        ("体育", "labels", "must be a list"),
        (["体育"], "labels", "at least 2"),
        (["体育", "体育"], "labels", "twice"),
        (["体育", 3], "labels[1]", "not a number"),
        (["体育", " "], "labels[1]", "empty"),
        (["体育", {"description": "x"}], "labels[1].label", 'lacks "label"'),
        (["体育", {"label": "x", "exmples": ["y"]}], "labels[1]", "unknown field 'exmples'"),
        (["体育", {"label": "x", "examples": "y"}], "labels[1].examples", "must be a list"),
        (["体育", {"label": "x", "examples": [1]}], "labels[1].examples[0]", "must be a string"),
    ],
)
def test_the_error_of_bad_labels_names_the_problem(service: Service, labels: object, field: str, words: str) -> None:
    answer = service.predict("classification", "x", labels=labels)
    assert answer.status == 400, answer.text
    assert answer.json["error"]["field"] == field
    assert words in answer.json["error"]["message"]


def test_too_many_labels_are_refused(service: Service) -> None:
    for labels in (
        [str(number) for number in range(65)],
        [{"label": str(number), "examples": [f"{number} {k}" for k in range(60)]} for number in range(35)],
    ):
        answer = service.predict("classification", "x", labels=labels)
        assert (answer.status, answer.json["error"]["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"input_text": "no bar"}, "input_text", "context|question"),
        ({"input_text": "a|b|c"}, "input_text", "separate fields"),
        ({"input_text": "a｜b｜c"}, "input_text", "separate fields"),
        ({"input_text": "a｜b|"}, "input_text", "separate fields"),
        ({"input_text": "a| "}, "input_text", "context|question"),
        ({"input_text": {"a": 1}}, "input_text", "not an object"),
        ({"context": "a"}, "question", "missing"),
        ({"question": "a"}, "context", "missing"),
        ({"context": "a", "question": "b", "input_text": "a|b"}, "input_text", "not both"),
    ],
)
def test_the_error_of_a_question_in_a_wrong_form_names_the_problem(
    service: Service, body: dict[str, object], field: str, words: str
) -> None:
    answer = service.ask("/predict", {"task_type": "qa", **body})
    assert answer.status == 400, answer.text
    assert answer.json["error"]["field"] == field
    assert words in answer.json["error"]["message"]


def test_too_many_sentences_are_refused(service: Service) -> None:
    answer = service.ask("/predict", {"task_type": "qa", "context": "好。" * 2049, "question": "谁？"})
    assert (answer.status, answer.json["error"]["code"]) == (413, "too_large")


@pytest.mark.parametrize("task_type", ["sentiment", "classification", "qa", "ner", "relation", "event"])
def test_a_text_as_long_as_a_body_may_be_is_answered_soon(service: Service, task_type: str) -> None:
    for piece in ("王明", "A-", "1,", "张·"):
        text = piece * (4_000_000 // len(json.dumps(piece)))
        begun = time.monotonic()
        result(service, task_type, f"{text}|谁？{text[:100]}" if task_type == "qa" else text)
        assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    ("task_type", "items"),
    [
        ("embedding", [SENTENCE, 1, "股票"]),
        ("sentiment", [SENTENCE, None, "股票"]),
        ("classification", [SENTENCE, "", "股票"]),
        ("qa", [f"{SENTENCE}|谁在北京？", "no bar", "股票大跌了|什么大跌了？"]),
        ("ner", [SENTENCE, [], "股票"]),
        ("relation", [SENTENCE, {}, "张三出生于北京"]),
        ("event", [SENTENCE, True, "股票"]),
        ("similarity", [["a", "b"], ["a"], ["天气", "股票"]]),
    ],
)
def test_each_item_of_a_batch_is_answered_as_if_alone(service: Service, task_type: str, items: list[Any]) -> None:
    first, bad, last = result(service, task_type, items)
    assert first == approximately(result(service, task_type, items[0]))
    assert last == approximately(result(service, task_type, items[2]))
    assert bad["error"]["code"] == "invalid_input"
    assert bad["error"]["field"].startswith("input_text[1]")


@pytest.fixture
def failing_at_odd(lexical: Prepared, monkeypatch: pytest.MonkeyPatch) -> Iterator[Model]:
    """The demo model, whose computations fail wherever a text has the character 囧."""
    vocabulary = (lexical.folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    forward, odd = Bert.forward, vocabulary.index("囧")

    def failing(self: Bert, texts: Sequence[Sequence[int]], with_token_vectors: Sequence[bool]) -> list[torch.Tensor]:
        if any(odd in text for text in texts):
            raise RuntimeError("no such text")
        computed: list[torch.Tensor] = forward(self, texts, with_token_vectors)
        return computed

    monkeypatch.setattr(Bert, "forward", failing)
    vectors = read_prototypes(prototypes_file(models_home(), lexical.revision, "fp32", TASKS), TASKS)
    with Encoder(lexical.folder) as encoder:
        yield Model(encoder, {name: Prototypes(rows) for name, rows in vectors.items()}, VectorCache())


@pytest.mark.parametrize(
    ("task_type", "good", "odd"),
    [
        ("embedding", SENTENCE, "囧"),
        ("sentiment", SENTENCE, "很囧"),
        ("classification", SENTENCE, "很囧"),
        ("qa", f"{SENTENCE}|谁在北京？", "很囧。|谁？"),
        ("ner", SENTENCE, "张三很囧"),
        ("relation", SENTENCE, "张三很囧"),
        ("event", SENTENCE, "张三很囧"),
        ("similarity", ["a", "b"], ["a", "囧"]),
    ],
)
def test_a_text_at_which_the_model_fails_fails_its_own_item_of_a_batch(
    failing_at_odd: Model, task_type: str, good: object, odd: object
) -> None:
    def answer(input_text: object) -> Any:
        return TASKS[task_type].answer({"input_text": input_text}, failing_at_odd, 256)

    first, failed, last = answer([good, odd, good])
    assert approximately(first) == approximately(last)
    assert "error" not in first
    assert (failed["error"]["code"], failed["error"]["field"]) == ("internal", "input_text[1]")
    with pytest.raises(InferenceFailed):
        answer([odd, odd])


def test_a_model_that_is_being_replaced_is_asked_once_for_a_batch(failing_at_odd: Model) -> None:
    asked: list[Sequence[str]] = []

    class Broken:
        dimensions = 128

        def encode_parts(
            self, parts: Sequence[Sequence[str]], deadline: float, token_vectors: bool, allowance: Allowance
        ) -> Iterator[Encoded]:
            asked.extend(parts)
            raise ModelBroken("the model has hung")

    model = Model(Broken(), failing_at_odd.prototypes, VectorCache())
    with pytest.raises(ModelBroken):
        TASKS["embedding"].answer({"input_text": ["好", "很好"]}, model, 256)
    assert asked == [["好", "很好"]]


def approximately(value: Any) -> Any:
    """Vectors and scores may differ in the last digits, with the company in which they were computed."""
    if isinstance(value, float):
        return pytest.approx(value, abs=2e-4)
    if isinstance(value, list):
        return [approximately(item) for item in value]
    return {name: approximately(item) for name, item in value.items()} if isinstance(value, dict) else value
