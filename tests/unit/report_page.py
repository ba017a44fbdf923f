"""A report page as tests read it."""

import re
from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """A page as a list of elements, with the text of each."""

    def __init__(self, text: str):
        super().__init__()
        self.source = text
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[int, str] = {}
        self._open: list[int] = []
        self.feed(text)
        self.close()
        assert not self._open, "elements that are not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.texts[len(self.elements) - 1] = ""
        if tag not in VOID:
            self._open.append(len(self.elements) - 1)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        last = self._open.pop()
        assert self.elements[last][0] == tag, f"</{tag}> closes <{self.elements[last][0]}>"

    def handle_data(self, data: str) -> None:
        for i in self._open:
            self.texts[i] += data

    def all(self, tag: str) -> list[tuple[dict[str, str | None], str]]:
        return [(a, self.texts.get(i, "")) for i, (t, a) in enumerate(self.elements) if t == tag]

    def section(self, name: str) -> str:
        """The text of a section, without its pictures, on one line."""
        match = re.search(rf'<section id="{name}".*?</section>', self.source, re.DOTALL)
        assert match is not None
        bare = Page(re.sub(r"<svg.*?</svg>", "", match.group(), flags=re.DOTALL))
        return " ".join(bare.texts[0].split())


def report(model: object, folder: Path, **options: object) -> Page:
    path = model.report(folder / "report.html", **options)  # type: ignore[attr-defined]
    return Page(path.read_text(encoding="utf-8"))


def rows_of(page: Page, caption: str) -> list[list[str]]:
    """The cells of the body of a table."""
    match = re.search(rf"<caption>{re.escape(caption)}</caption>.*?<tbody>(.*?)</tbody>", page.source, re.DOTALL)
    assert match is not None, caption
    out = []
    for row in re.findall(r"<tr>(.*?)</tr>", match.group(1), re.DOTALL):
        inner = Page(f"<table>{row}</table>")
        out.append([inner.texts[i].strip() for i, (t, _) in enumerate(inner.elements) if t in ("td", "th")])
    return out
