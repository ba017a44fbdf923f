"""HTML of results in a browser: readable by itself, and the notebook's own in a notebook."""

import pytest
from chromium import Browser, require_chromium

from ranef import anova, lmer, load_dataset, table

# Colours of texts and of what is behind them, of fragments in and out of a notebook.
COLOURS = """
(() => {
    const colours = where => [...new Set(
        [...document.querySelectorAll(".ranef :is(td, th, p, h3, dd)")]
            .filter(e => Boolean(e.closest(".jp-RenderedHTMLCommon")) == where)
            .map(e => getComputedStyle(e).color + " on " + getComputedStyle(e.closest(".ranef")).backgroundColor))];
    return [colours(false).join("; "), colours(true).join("; ")];
})()
"""
ALONE = {"light": "rgb(31, 35, 40) on rgb(255, 255, 255)", "dark": "rgb(230, 237, 243) on rgb(13, 17, 23)"}


@pytest.fixture(scope="module")
def fragments():
    study = load_dataset("sleepstudy")
    m, smaller = (lmer(f"Reaction ~ Days + ({x} | Subject)", study) for x in ("Days", "1"))
    return [
        m.summary().to_html(),
        m._repr_html_(),
        anova(smaller, m)._repr_html_(),
        m.emmeans("Days")._repr_html_(),
        m.ranef()._repr_html_(),
        m.step()._repr_html_(),
        table(m, smaller).to_html(),
    ]


@pytest.fixture(scope="module")
def browser():
    with Browser(require_chromium()) as opened:
        yield opened


@pytest.mark.parametrize("doctype", ["", "<!doctype html>"])
def test_colours(fragments, browser, doctype, tmp_path):
    # Without a doctype, as when a fragment is written to a file, tables inherit no colour.
    inside = "".join(fragments)
    notebook = f'<div class="jp-RenderedHTMLCommon" style="color:rgb(1, 2, 3)">{inside}</div>'
    file = tmp_path / "page.html"
    file.write_text(doctype + inside + (notebook if doctype else ""), encoding="utf-8")
    for scheme, expected in ALONE.items():
        browser.show(scheme)
        browser.open(file)
        alone, in_notebook = browser.evaluate(COLOURS)
        assert alone == expected
        assert in_notebook == ("rgb(1, 2, 3) on rgba(0, 0, 0, 0)" if doctype else "")
    # Wide tables scroll in their own room, on a telephone too.
    browser.show("light", 390)
    browser.open(file)
    assert browser.evaluate("document.querySelector('.ranef').clientWidth") <= 390


def test_styles_stay_small_and_to_themselves(fragments):
    for fragment in fragments:
        style = fragment[fragment.index("<style>") + 7 : fragment.index("</style>")]
        assert len(style) < 3000
        rules = style.replace("@media(prefers-color-scheme:dark){", "").split("}")
        assert all(not rule or rule.startswith(".ranef:not(.jp-RenderedHTMLCommon *") for rule in rules)
