"""Finds the runbooks, one Markdown file an alert and language, and makes HTML of them."""

import re
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.token import Token

from alert_inbox.language import ENGLISH, WORDS, Words
from alert_inbox.links import is_web_link

_FILE = re.compile(r"(\w+)({})\.md".format("|".join(re.escape(words.runbook_ending) for words in WORDS)))


def _code_block(_renderer: object, tokens: list[Token], index: int, *_: object) -> str:
    """Render each line as an element: where a narrow screen wraps it, the rest is indented."""
    lines = tokens[index].content.splitlines(keepends=True)
    return f"<pre><code>{''.join(f'<span>{escapeHtml(line)}</span>' for line in lines)}</code></pre>\n"


# Raw HTML stays text, and pictures are left out: the page's policy would load none.
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
_MARKDOWN.add_render_rule("fence", _code_block)


@dataclass(frozen=True)
class Runbook:
    """One runbook in one language: `html` has no markup but that of Markdown, and no address but web ones."""

    name: str
    words: Words
    html: str


class Runbooks:
    """The runbooks in a folder: `<alert>.md` in English, `<alert>.zh-CN.md` in Chinese."""

    def __init__(self, folder: Path | None) -> None:
        self._files = {
            (found[1], found[2]): path
            for path in (folder.iterdir() if folder else ())
            if (found := _FILE.fullmatch(path.name))
        }

    @property
    def names(self) -> list[str]:
        """The alerts that have one, in the order of the alphabet."""
        return sorted({name for name, _ in self._files})

    def find(self, name: str, words: Words) -> Runbook | None:
        """Return the runbook of an alert in the reader's language, else in the one there is; None without any."""
        for language in (words, ENGLISH, *WORDS):
            if path := self._files.get((name, language.runbook_ending)):
                return Runbook(name, language, self._render(path.read_text(encoding="utf-8")))
        return None

    def _render(self, text: str) -> str:
        tokens = _MARKDOWN.parse(text)
        for token in tokens:
            # The alignment of a table's column, which the page's policy refuses.
            token.attrs.pop("style", None)
            if token.children:
                token.children = self._with_links_that_lead_somewhere(token.children)
        return str(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}))

    def _with_links_that_lead_somewhere(self, tokens: list[Token]) -> list[Token]:
        """Make links to files of other runbooks links to their pages; of links to other files, only the text stays."""
        kept: list[Token] = []
        inside_dropped = False
        for token in tokens:
            if token.type == "link_open":
                address = self._address(str(token.attrs["href"]))
                inside_dropped = not address
                token.attrs["href"] = address
            if not (inside_dropped and token.type in ("link_open", "link_close")):
                kept.append(token)
        return kept

    def _address(self, target: str) -> str:
        if is_web_link(target):
            return target
        found = _FILE.fullmatch(target.removeprefix("./").partition("#")[0])
        return found[1] if found and found[1] in self.names else ""
