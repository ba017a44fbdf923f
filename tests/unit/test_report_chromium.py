"""The report in a browser: it loads without a complaint and without asking the network,
in light and dark, and shows the model's numbers.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

from chromium import Browser, require_chromium

from ranef import glmer, lmer, load_dataset

EXAM = "normexam ~ standLRT * schavg + (standLRT | school)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser(require_chromium()) as opened:
        yield opened


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Path:
    path = lmer(EXAM, load_dataset("exam")).report(tmp_path_factory.mktemp("report") / "exam.html")
    browser.console.clear()
    browser.requests.clear()
    browser.open(path)
    return path


def luminance(colour: str) -> float:
    """Relative luminance of ``rgb(r, g, b)`` (WCAG 2)."""
    parts = [float(v) / 255 for v in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def test_no_complaints_and_no_requests(browser: Browser, page: Path) -> None:
    assert browser.console == []
    assert {r for r in browser.requests if not r.startswith("data:")} == {page.as_uri()}


def test_what_it_would_complain_about(browser: Browser, tmp_path: Path) -> None:
    """The test above can fail: a page that logs an error and asks for an image is seen to do so."""
    bad = tmp_path / "bad.html"
    bad.write_text("<!DOCTYPE html><img src='absent.png' alt=''><script>console.error('seen')</script>")
    browser.console.clear()
    browser.requests.clear()
    browser.open(bad)
    assert any("seen" in said for said in browser.console)
    assert any(r.endswith("absent.png") for r in browser.requests)


def test_the_browser_shows_the_numbers(browser: Browser, page: Path) -> None:
    browser.open(page)
    model = lmer(EXAM, load_dataset("exam"))
    cells = browser.evaluate(
        "[...document.querySelectorAll('#fixed table tbody tr')].map(r => [...r.cells].map(c => c.innerText))"
    )
    assert [row[0] for row in cells] == list(model.fixef.index)
    assert [float(row[1]) for row in cells] == pytest.approx(model.fixef.tolist(), abs=6e-4)
    assert [float(row[2]) for row in cells] == pytest.approx(model.bse.tolist(), abs=6e-4)
    assert "None of the automatic checks calls for caution" in browser.evaluate(
        "document.querySelector('#short').innerText"
    )
    # MathML is drawn, not shown as text.
    assert browser.evaluate("document.querySelector('math').getBoundingClientRect().height") > 100


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(browser: Browser, page: Path, scheme: str) -> None:
    browser.open(page)
    browser.show(scheme)
    colours = browser.evaluate(
        """(() => {
          const of = (node, property) => getComputedStyle(node)[property];
          const paper = of(document.body, 'backgroundColor');
          const words = 'p, li, td, th, dt, dd, h1, h2, h3, a:not(.skip), caption, figcaption, code';
          const texts = [...document.querySelectorAll(words)];
          const drawn = [...document.querySelectorAll('figure svg text')];
          return {paper,
                  text: [...new Set(texts.map(n => of(n, 'color')))],
                  drawn: [...new Set(drawn.map(n => of(n, 'fill')))],
                  lines: [...new Set([...document.querySelectorAll('figure svg path')]
                    .map(n => of(n, 'stroke')).filter(c => c.startsWith('rgb(')))]};
        })()"""
    )
    assert (luminance(colours["paper"]) > 0.5) == (scheme == "light")
    for colour in (*colours["text"], *colours["drawn"]):
        assert contrast(colour, colours["paper"]) >= 4.5, colour
    # Lines of the grid are meant to be faint; all others are seen.
    assert sum(contrast(c, colours["paper"]) >= 3 for c in colours["lines"]) >= len(colours["lines"]) - 1


def test_a_telephone(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.show("light", width=400)
    assert browser.evaluate("document.documentElement.scrollWidth") <= 400
    narrow = browser.evaluate(
        "Math.min(...[...document.querySelectorAll('figure svg')].map(n => n.getBoundingClientRect().width))"
    )
    assert narrow > 250


def test_keyboard(browser: Browser, page: Path) -> None:
    browser.open(page)
    key = {"key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9}
    browser.ask("Input.dispatchKeyEvent", type="keyDown", **key)
    browser.ask("Input.dispatchKeyEvent", type="keyUp", **key)
    focused = browser.evaluate(
        "(() => { const n = document.activeElement, s = getComputedStyle(n); return [n.className, "
        "n.getBoundingClientRect().left >= 0, s.outlineStyle] })()"
    )
    assert focused == ["skip", True, "solid"]


def test_generalized_model(browser: Browser, tmp_path: Path) -> None:
    model = glmer("use ~ age + urban + (1 | district)", load_dataset("Contraception"), family="binomial")
    path = model.report(tmp_path / "use.html")
    browser.console.clear()
    browser.requests.clear()
    browser.open(path)
    assert browser.console == []
    assert {r for r in browser.requests if not r.startswith("data:")} == {path.as_uri()}
    assert "the odds of use = Y" in browser.evaluate("document.querySelector('#fixed').innerText")
