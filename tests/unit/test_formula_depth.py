"""Calls within calls, and long sums inside of calls: no part is evaluated again and again."""

import numpy as np
import pandas as pd
import pytest

from ranef.design import build_design, functions

DATA = pd.DataFrame({"y": np.arange(12.0) ** 1.5, "x": np.linspace(1.0, 2.0, 12), "g": list("aabbccaabbcc")})


@pytest.mark.parametrize(
    ("column", "times"),
    [
        ("exp(-" * 6 + "x" + ")" * 6, 6),
        ("I(" + " + ".join(["exp(-x)"] * 12) + ")", 12),
        ("I(" + "-" * 10 + "exp(-x))", 1),
        ("pmax(pmax(pmax(pmax(exp(-x), 0), 0.1), 0.15), 0.2)", 1),
        ("ifelse(x > 1.5, ifelse(x > 1.7, ifelse(x > 1.8, exp(-x), 0), 0), 0)", 1),
        ("I(!!!!!(exp(-x) > 0.2))", 1),
    ],
)
def test_parts_are_not_evaluated_again(column: str, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    own = functions.call_function

    def counted(ev: object, node: object) -> object:
        nonlocal calls
        calls += node.function == "exp"  # type: ignore[attr-defined]
        return own(ev, node)  # type: ignore[arg-type]

    monkeypatch.setattr(functions, "call_function", counted)
    build_design(f"y ~ {column} + (1 | g)", DATA)
    # the rows are chosen first, and columns made of them
    assert calls <= 2 * times


def test_fifty_calls_end() -> None:
    built = build_design("y ~ " + "sin(" * 50 + "x" + ")" * 50 + " + (1 | g)", DATA)
    expected = DATA["x"].to_numpy()
    for _ in range(50):
        expected = np.sin(expected)
    np.testing.assert_allclose(np.asarray(built.x)[:, 1], expected, rtol=1e-14)
