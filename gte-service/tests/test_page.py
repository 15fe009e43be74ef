"""The page in a browser: every task can be tried, by keyboard, on a phone, in both languages, and nothing leaves."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hub_server import MODEL, Hub
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service as Driver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from conftest import Service, wait_for
from gte_service.serving.status import ModelStatus, write_model_status
from gte_service.tasks.registry import TASKS

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
# An emoji of one code point and two UTF-16 units, and a family of five code points.
EMOJI = "🎉张三👨‍👩‍👧在北京"


class Page:
    """The service's page in a browser."""

    def __init__(self, driver: Chrome, service: Service) -> None:
        self.driver = driver
        self.origin = f"http://127.0.0.1:{service.port}"

    def open(self, task: str = "embedding", language: str = "en", width: int = 1200) -> None:
        """Load the page anew, with nothing remembered of an earlier test."""
        self.screen(width)
        self.driver.get("about:blank")
        self.drain()
        self.driver.get(f"{self.origin}/?lang={language}#{task}")
        wait_for(lambda: self.text("#task-name") == task, f"the page at {task}")

    def screen(self, width: int) -> None:
        """Make the window that many CSS pixels wide."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def drain(self) -> list[dict[str, Any]]:
        """What the browser has sent since the last look, as DevTools events."""
        entries = [json.loads(entry["message"])["message"] for entry in logged(self.driver, "performance")]
        return [entry for entry in entries if entry["method"] == "Network.requestWillBeSent"]

    def complaints(self) -> list[str]:
        """What the console has said since the last look: script errors, refused policies, failed requests."""
        return [entry["message"] for entry in logged(self.driver, "browser")]

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        found: list[WebElement] = self.driver.find_elements(By.CSS_SELECTOR, selector)
        return found

    def text(self, selector: str) -> str:
        """Text as it is in the document, shown or not."""
        return str(self.one(selector).get_property("textContent"))

    def texts(self, selector: str) -> list[str]:
        return [str(one.get_property("textContent")) for one in self.all(selector)]

    def script(self, code: str, *arguments: object) -> Any:
        return self.driver.execute_script(code, *arguments)

    def write(self, selector: str, text: str) -> None:
        """Put a text into an input, as pasting does: the driver can't type what lies outside of the first plane."""
        self.script(
            "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input', {bubbles: true}))",
            self.one(selector), text,
        )  # fmt: skip

    def send(self) -> None:
        """Send the request and wait for what becomes of it."""
        self.script("document.getElementById('answer-status').textContent = ''")
        self.one("#send").click()
        wait_for(lambda: self.text("#answer-status"), "an answer")

    def send_json(self, body: object) -> None:
        self.one("#as-json").click()
        self.write("#field-json", body if isinstance(body, str) else json.dumps(body, ensure_ascii=False))
        self.send()

    def draw(self, body: dict[str, Any], result: object) -> None:
        """Draw an answer of the agreed shape, whether or not this model would give it."""
        answer = {"result": result, "task_type": body["task_type"], "request_id": "r-1", "elapsed_ms": 5.5}
        outcome = {
            "sent": json.dumps(body), "text": json.dumps(answer), "status": 200, "body": answer, "requestId": "r-1",
            "phases": [{"name": "queue", "ms": 1}, {"name": "inference", "ms": 4}],
        }  # fmt: skip
        drawn = self.driver.execute_async_script(
            "const [outcome, done] = arguments;"
            "const place = document.getElementById('answer');"
            "import('/static/answer.js').then((module) => module.drawOutcome(place, outcome))"
            ".then(() => done(''), (error) => done(String(error)))",
            outcome,
        )
        assert drawn == ""

    def overflow(self) -> int:
        """Pixels by which the document is wider than the window."""
        return int(self.script("return document.documentElement.scrollWidth - window.innerWidth"))

    def marks(self, type_: str) -> list[str]:
        """The highlighted texts of a type, without the tags in them."""
        return list(self.script(
            "return [...document.querySelectorAll(`mark[data-type='${arguments[0]}']`)].map((mark) => {"
            "  const copy = mark.cloneNode(true);"
            "  copy.querySelectorAll('.tag').forEach((tag) => tag.remove());"
            "  return copy.textContent;"
            "}).filter(Boolean)", type_,
        ))  # fmt: skip


def logged(driver: Chrome, kind: str) -> list[dict[str, Any]]:
    """The entries of the browser's log since the last look, without those about its own pages."""
    entries: list[dict[str, Any]] = driver.get_log(kind)
    # On a busy machine Chromium's start page complains that its own font loads slowly.
    return [entry for entry in entries if not entry["message"].startswith("chrome://")]


@contextmanager
def browser(folder: Path, language: str = "en") -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in (*FLAGS, f"--user-data-dir={folder}", f"--accept-lang={language}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=Driver(executable_path="/usr/bin/chromedriver"))
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with browser(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture
def page(driver: Chrome, service: Service) -> Page:
    logged(driver, "browser")
    return Page(driver, service)


def entity(text: str, type_: str, text_around: str = EMOJI) -> dict[str, Any]:
    start = text_around.index(text)
    return {"text": text, "type": type_, "start": start, "end": start + len(text), "score": 0.9}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("task", TASKS)
def test_the_example_of_a_task_is_filled_in_and_its_answer_drawn(page: Page, task: str, language: str) -> None:
    page.open(task, language)
    assert page.text("#tasks [aria-current]") == page.text("#task-title")
    page.send()
    assert page.text(".summary .good") == "200"
    assert page.text("#request-id")
    assert page.text(f".drawing.{task}").strip()
    assert not page.all(".error")
    # The form holds the whole example.
    page.one("#as-json").click()
    shown = json.loads(str(page.one("#field-json").get_property("value")))
    example = dict(TASKS[task].example)
    if task == "qa" and "|" in str(example.get("input_text")):
        example["context"], example["question"] = str(example.pop("input_text")).split("|")
    assert shown == example
    assert page.complaints() == []
    assert {urlsplit(event["params"]["request"]["url"]).netloc for event in page.drain()} <= {
        urlsplit(page.origin).netloc, "",
    }  # fmt: skip


@pytest.mark.parametrize("task", TASKS)
def test_nothing_sticks_out_of_a_narrow_screen(page: Page, task: str) -> None:
    page.open(task, "en", 320)
    page.one("#curl summary").click()
    page.send()
    page.one(".raw summary").click()
    wait_for(lambda: page.text(".raw code"), "the raw JSON")
    assert page.overflow() <= 0
    page.screen(360)
    assert page.overflow() <= 0
    # Nor do words that have no place to break.
    page.send_json({"task_type": task, "input_text": "long" * 200, "unknown_field_" * 20: "x" * 300})
    assert page.overflow() <= 0


def test_the_language_is_the_browsers_unless_one_is_chosen(service: Service, tmp_path: Path) -> None:
    with browser(tmp_path, "zh-CN,zh") as chinese:
        page = Page(chinese, service)
        chinese.get(f"{page.origin}/#similarity")
        assert page.one("html").get_attribute("lang") == "zh-CN"
        assert (page.text("#send"), page.text("#task-title")) == ("发送", "相似度")
        page.one("#language").click()
        wait_for(lambda: page.one("html").get_attribute("lang") == "en", "the English page")
        assert (page.text("#send"), page.text("#task-title")) == ("Send", "Similarity")


def test_it_can_be_used_with_the_keyboard_alone(page: Page) -> None:
    page.open("embedding")
    reached: list[str] = []
    for _ in range(60):
        page.driver.switch_to.active_element.send_keys(Keys.TAB)
        name = page.script(
            "const now = document.activeElement;"
            "const ring = getComputedStyle(now);"
            "if (now !== document.body && ring.outlineStyle === 'none') return 'no visible focus: ' + now.outerHTML;"
            "return now.id || now.getAttribute('href') || now.tagName"
        )
        if name in reached or name == "BODY":
            break
        reached.append(name)
    assert not [name for name in reached if name.startswith("no visible focus")]
    wanted = ["#similarity", "as-form", "as-json", "field-input_text", "send", "reset", "SUMMARY"]
    assert [name for name in reached if name in wanted] == wanted
    page.one("#tasks a[href='#similarity']").send_keys(Keys.ENTER)
    wait_for(lambda: page.text("#task-name") == "similarity", "the other task")
    page.one("#field-input_text").send_keys(Keys.CONTROL, Keys.ENTER)
    wait_for(lambda: page.text("#answer-status"), "an answer")
    assert page.all(".bars li")


def test_every_input_and_button_has_a_name(page: Page) -> None:
    for task in TASKS:
        page.open(task)
        page.send()
        nameless = [one for one in page.all("textarea, input, button, a, progress") if not one.accessible_name.strip()]
        assert [one.get_attribute("outerHTML") for one in nameless if one.is_displayed()] == []


def test_typed_text_stays_while_another_task_is_chosen(page: Page) -> None:
    page.open("embedding")
    page.write("#field-input_text", "我的文字")
    page.send()
    page.one("#tasks a[href='#similarity']").click()
    wait_for(lambda: page.text("#task-name") == "similarity", "the other task")
    assert page.all("#answer .empty")
    page.driver.back()
    wait_for(lambda: page.text("#task-name") == "embedding", "the first task")
    assert page.one("#field-input_text").get_property("value") == "我的文字"
    assert page.all(".drawing.embedding")
    page.one("#reset").click()
    assert page.one("#field-input_text").get_property("value") == TASKS["embedding"].example["input_text"]


def test_several_lines_are_a_batch_with_a_matrix_of_cosines(page: Page, service: Service) -> None:
    page.open("embedding")
    page.write("#field-input_text", "今天天气很好\n\n今天天气不错\n股市大跌\n")
    page.send()
    texts = ["今天天气很好", "今天天气不错", "股市大跌"]
    assert page.texts(".item-text") == texts
    near = service.predict("similarity", texts[:2]).json["result"]["score"]
    cells = page.texts(".matrix tbody td")
    assert len(cells) == 9
    assert float(cells[1].replace("−", "-")) == pytest.approx(near, abs=0.001)


def test_a_bad_item_shows_its_error_in_its_place(page: Page) -> None:
    page.open("embedding")
    page.send_json({"task_type": "embedding", "input_text": ["股票", None, "天气"]})
    assert len(page.all(".items > li")) == 3
    assert "not null" in page.text(".items > li:nth-child(2) .error")
    assert "input_text[1]" in page.text(".items > li:nth-child(2) .error")
    # The matrix leaves out the text that has no vector.
    assert page.texts(".matrix tbody th [dir]") == ["股票", "天气"]


def test_similarities_are_a_value_a_ranking_or_a_list(page: Page) -> None:
    page.open("similarity")
    page.write("#field-candidates", "股市大跌\n今天天气很好")
    page.send()
    assert page.texts(".bars .label") == ["今天天气很好", "股市大跌"]
    assert page.texts(".bars .number")[0] == "1.000"
    widths = page.script("return [...document.querySelectorAll('.bars .fill')].map((bar) => bar.offsetWidth)")
    assert widths[0] > 50 > widths[1]
    page.one("input[value=pairs]").click()
    page.write("#field-first", "天气")
    page.write("#field-second", "天气")
    page.send()
    assert page.texts(".drawing .value strong") == ["1.000"]
    page.write("#field-first", "天气\n股票\n一边")
    page.write("#field-second", "天气\n基金")
    page.send()
    assert len(page.all(".items > li")) == 3
    assert "exactly two" in page.text(".items > li:nth-child(3) .error")


def test_an_error_is_shown_as_the_api_says_it_and_its_field_is_marked(page: Page, service: Service) -> None:
    page.open("similarity")
    page.write("#field-candidates", "")
    page.send()
    error = service.predict("similarity", "今天天气很好", candidates=[]).json["error"]
    assert page.text(".error .message") == f"Error {error['message']}"
    assert page.texts(".error code") == [error["code"], error["field"]]
    assert page.text(".summary .bad") == "400"
    assert len(page.text("#request-id")) == 32
    assert page.one("#field-candidates").get_attribute("aria-invalid") == "true"
    assert error["message"] in page.text("#answer-status")
    page.send_json("this is not JSON")
    assert "invalid_json" in page.text(".error")
    page.one("#as-form").click()
    assert "stays as JSON" in page.text("#form-note")
    # The browser reports the two answers with status 400, and nothing else.
    assert all("400 (BAD REQUEST)" in line for line in page.complaints())


def test_an_error_on_the_chinese_page_is_said_in_chinese(page: Page) -> None:
    page.open("similarity", "zh")
    page.write("#field-candidates", "")
    page.send()
    assert page.text(".error .message") == "错误 candidates 是空列表，请至少填写一项。"
    assert "candidates 是空列表" in page.text("#answer-status")
    page.send_json({"task_type": "embedding", "input_text": ["股票", None]})
    assert "input_text[1] 应为字符串，而不是 null。" in page.text(".items > li:nth-child(2) .error")


def test_an_api_key_is_asked_for_only_where_one_is_needed(
    page: Page, driver: Chrome, new_service: Callable[..., Service], tmp_path: Path
) -> None:
    page.open()
    assert page.all("#key") == []
    key = "a-key-of-the-tests-0123456789"
    (tmp_path / "keys").write_text(f"{key}\n")
    service = new_service(GTE_API_KEYS_FILE=str(tmp_path / "keys"), GTE_WORKERS="1")
    service.wait_until("ready")
    guarded = Page(driver, service)
    guarded.open()
    guarded.send()
    assert "unauthorized" in guarded.text(".error")
    assert guarded.one("#key").get_attribute("aria-invalid") == "true"
    guarded.write("#key", key)
    guarded.send()
    assert guarded.text(".summary .good, .summary strong") == "200"
    curl = guarded.one("#curl-text").get_property("textContent")
    assert "$GTE_API_KEY" in str(curl)
    assert key not in str(curl)
    driver.refresh()
    wait_for(lambda: guarded.text("#task-name") == "embedding", "the page again")
    assert guarded.one("#key").get_property("value") == key


def test_text_is_never_taken_for_markup(page: Page) -> None:
    evil = "<img src=x onerror=\"document.title='broken'\"></textarea><script>document.title='broken'</script>"
    page.open("similarity")
    page.write("#field-input_text", evil)
    page.write("#field-candidates", evil)
    page.send()
    assert page.text(".bars .label") == evil
    assert evil in page.text("#curl-text").replace('\\"', '"').replace("'\\''", "'")
    page.send_json({"task_type": evil, "input_text": evil})
    assert "there is no task" in page.text(".error .message")
    page.draw(
        {"task_type": "ner", "input_text": evil},
        {"entities": [{"text": evil, "type": evil, "start": 0, "end": 9, "score": 1}]},
    )
    assert page.marks(evil.replace("'", "\\'")) == [evil[:9]]
    assert not page.all("#answer img, #answer script")
    assert "broken" not in page.driver.title
    assert not [line for line in page.complaints() if "400 (BAD REQUEST)" not in line]


def test_offsets_are_code_points(page: Page) -> None:
    page.open()
    page.draw(
        {"task_type": "ner", "input_text": EMOJI}, {"entities": [entity("张三", "person"), entity("北京", "place")]}
    )
    assert page.marks("person") == ["张三"]
    assert page.marks("place") == ["北京"]
    assert page.texts(".legend .named") == ["person", "place", "queue", "inference"]


def test_overlapping_and_impossible_spans_leave_the_text_complete(page: Page) -> None:
    text = "北京大学第一医院"
    page.open()
    spans = [
        entity("北京大学", "organization", text),
        entity("大学第一", "work", text),
        entity("北京", "place", text),
        {"text": "?", "type": "person", "start": 6, "end": 99, "score": 1},
        {"text": "?", "type": "person", "start": None, "end": None, "score": 1},
    ]
    page.draw({"task_type": "ner", "input_text": text}, {"entities": spans})
    assert page.script(
        "const copy = document.querySelector('.drawing .text').cloneNode(true);"
        "copy.querySelectorAll('.tag').forEach((tag) => tag.remove()); return copy.textContent"
    ) == text  # fmt: skip
    assert "".join(page.marks("organization")) == "北京大学"
    assert "".join(page.marks("work")) == "大学第一"
    assert page.marks("place") == ["北京"]
    assert page.marks("person") == []
    # What overlaps lies on lines of its own.
    bottoms = page.script(
        "return ['organization', 'place', 'work'].map((type) =>"
        " Math.round(document.querySelector(`mark[data-type=${type}]`).getBoundingClientRect().bottom))"
    )
    assert len(set(bottoms)) > 1


def test_relations_events_answers_and_labels_are_drawn(page: Page) -> None:
    text = "马云创办了阿里巴巴"
    page.open("embedding", "zh")
    subject, company = entity("马云", "person", text), entity("阿里巴巴", "organization", text)
    relation = {"subject": subject, "relation": "founder_of", "object": company, "score": 0.8}
    page.draw({"task_type": "relation", "input_text": text}, {"entities": [subject, company], "relations": [relation]})
    assert page.text(".relations li") == "马云→ founder_of 创办 →阿里巴巴0.800"
    event = {
        "type": "product_launch", "score": 0.7, "trigger": entity("创办", "x", text),
        "arguments": [{"role": "subject", **subject}, {"role": "object", **company}],
    }  # fmt: skip
    page.draw({"task_type": "event", "input_text": text}, {"events": [event]})
    assert page.marks("trigger") == ["创办"]
    assert page.texts(".roles dt") == ["trigger 触发词", "subject 主体", "object 客体"]
    sentence = {"text": text, "start": 0, "end": len(text)}
    answer = {"found": True, "answer": "阿里巴巴", "score": 0.8, "start": 5, "end": 9, "sentence": sentence}
    asked = {"task_type": "qa", "context": text, "question": "马云创办了什么？"}
    page.draw(asked, answer)
    assert page.marks("answer") == ["阿里巴巴"]
    assert "".join(page.marks("sentence")) == text
    nothing = {**answer, "found": False, "answer": None, "start": None, "end": None}
    page.draw({"task_type": "qa", "input_text": [f"{text}|谁？", f"{text}|什么？"]}, [nothing, answer])
    assert page.texts(".question") == ["谁？", "什么？"]
    assert "没有答案" in page.text(".items > li:nth-child(1)")
    ranking = [{"label": "positive", "score": 0.75}, {"label": "my own", "score": 0.25}]
    page.draw(
        {"task_type": "sentiment", "input_text": text},
        {"label": "positive", "score": 0.75, "margin": 0.5, "ranking": ranking},
    )
    assert page.texts(".bars .label") == ["positive 正面", "my own"]
    page.draw({"task_type": "ner", "input_text": text}, {"surprise": 1})
    assert "JSON" in page.text(".drawing.ner")


def test_time_is_shown_by_phase(page: Page) -> None:
    page.open()
    page.send()
    assert page.texts(".phases .named") == ["tokenize", "queue", "inference", "postprocess"]
    assert page.text("#elapsed").endswith(" ms")
    page.draw({"task_type": "embedding", "input_text": "x"}, [0.6, 0.8])
    parts = page.script(
        "const width = document.querySelector('.stack').offsetWidth;"
        "return [...document.querySelectorAll('.stack span')].map((part) => part.offsetWidth / width)"
    )
    assert parts == pytest.approx([1 / 5.5, 4 / 5.5], abs=0.02)
    assert "2 numbers, length 1.0000" in page.text(".drawing")


def test_the_curl_command_sends_what_the_page_sends(page: Page) -> None:
    page.open()
    text = 'it\'s "quoted" $HOME `id` \\ !! 🎉 <b>'
    page.write("#field-input_text", text)
    # The shell's own words: what curl would be handed.
    words = subprocess.run(
        ["sh", "-c", f"curl() {{ printf '%s\\0' \"$@\"; }}\n{page.text('#curl-text')}"],
        capture_output=True, check=True,
    ).stdout.decode().split("\0")  # fmt: skip
    assert words[:3] == ["-X", "POST", f"{page.origin}/predict"]
    assert json.loads(words[words.index("--data-raw") + 1]) == {"task_type": "embedding", "input_text": text}


def test_the_page_of_a_model_on_its_way_shows_how_far_it_is(
    driver: Chrome, lexical_source: Path, new_service: Callable[..., Service], tmp_path: Path
) -> None:
    hub = Hub(Path(shutil.copytree(lexical_source, tmp_path / "hub")))
    try:
        hub.stop_after = (hub.folder / "pytorch_model.bin").stat().st_size // 2
        service = new_service(
            GTE_MODEL=MODEL,
            GTE_WORKERS="1",
            HOME=str(tmp_path),
            MODELSCOPE_ENDPOINT=hub.endpoint,
            MODELSCOPE_CACHE=str(tmp_path / "cache"),
            MODELSCOPE_HOME=str(tmp_path / "modelscope"),
        )
        service.wait_until("downloading")
        page = Page(driver, service)
        page.open()
        wait_for(page.one("#progress").is_displayed, "the bar")
        # The hub has stopped in the middle, so nobody else writes now.
        half = ModelStatus(MODEL, False, "downloading", downloaded_bytes=430_000_000, total_bytes=1_000_000_000)
        write_model_status(service.home / "run", half)
        wait_for(lambda: page.one("#progress").get_property("value") == 43, "progress")
        assert page.text("#progress-text") == "43 % · 430 / 1000 MB"
        assert "43 %" in page.text("#state-detail")
        page.send()
        assert "model_not_ready" in page.text(".error")
        hub.stop_after = None
        hub.release.set()
        wait_for(lambda: page.text("#state-id") == "ready", "the page sees that the model is ready")
        assert not page.one("#download").is_displayed()
        assert len(page.text("#revision")) == 12
        service.stop()
        page.send()
        assert "can't be reached" in page.text(".error .message")
    finally:
        hub.close()
