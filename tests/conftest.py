"""Lets every test import what tests share,
``from reference.store import load_case``, and press Ctrl-C.
"""

import gc
import signal
import sys
from html import escape
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

# A shell starts commands in the background with this signal ignored, and what waits for it would
# wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

gc.disable()


def pytest_collection_finish() -> None:
    """The collector of garbage need not look again and again at what thousands of tests are made
    of: it begins with what the tests themselves make.
    """
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Report pages have the titles of their pictures and not the drawings, which take most of the
    time: for tests of what a page says.
    """

    def figure_svg(figure: object, name: str, title: str, description: str) -> str:
        return f'<svg role="img"><title id="{name}-title">{escape(title)}</title></svg>'

    monkeypatch.setattr("ranef.plots.svg.figure_svg", figure_svg)
