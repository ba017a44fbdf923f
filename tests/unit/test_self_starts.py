"""Self-starting curves: values, gradients and starting values against R; derivatives to third order
of formulas in the core and of functions of NumPy against differences.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ranef._core import curve_derivatives
from ranef.curves.evaluate import derivatives_of, differences_of, takes_jets
from ranef.curves.expression import FUNCTIONS, curve_of, parameters_of
from ranef.curves.jets import JetArray, pair, triple
from ranef.curves.self_starts import SELF_STARTS
from ranef.formula.parser import parse_expression

FOLDER = Path(__file__).parents[1] / "reference"
CONTENT = (FOLDER / "nonlinear.json").read_bytes()
REFERENCE: dict[str, Any] = json.loads(CONTENT)
CURVES: dict[str, Any] = REFERENCE["curves"]


def test_checksum() -> None:
    assert hashlib.md5(CONTENT).hexdigest() == (FOLDER / "nonlinear.md5").read_text().strip()


def test_all_of_them() -> None:
    assert set(SELF_STARTS) == set(CURVES)


def made(name: str) -> tuple[Any, list[np.ndarray], np.ndarray]:
    """The curve of an example, its covariates, and its parameters."""
    case, known = CURVES[name], SELF_STARTS[name]
    text = f"{name}({', '.join([*known.inputs, *known.parameters])})"
    node = parse_expression(text)
    assert parameters_of(node, text, known.inputs, (), {}) == known.parameters
    curve = curve_of(node, text, known.parameters, {})
    columns = {k: np.array(case["inputs"][k], dtype=float) for k in known.inputs}
    covariates = [columns[c.name] for c in curve.covariates]
    n = len(case["y"])
    return curve, covariates, np.array([[float(case["parameters"][p])] * n for p in known.parameters])


@pytest.mark.parametrize("name", CURVES)
def test_values_and_gradients_are_those_of_r(name: str) -> None:
    curve, covariates, parameters = made(name)
    found = curve_derivatives(list(curve.steps), covariates, parameters, 1)
    scale = np.abs(CURVES[name]["value"]).max()
    assert np.allclose(found[0], CURVES[name]["value"], rtol=0, atol=1e-13 * scale)
    for j, p in enumerate(curve.parameters):
        expected = np.array(CURVES[name]["gradient"][p])
        assert np.allclose(found[1 + j], expected, rtol=1e-10, atol=1e-11 * np.abs(expected).max())


def checked(found: np.ndarray, moved: Any, p: int) -> None:
    """Second and third derivatives against differences of those one order below."""
    steps = np.eye(p) * 1e-5
    base = 1 + p + p * (p + 1) // 2
    for i in range(p):
        up, down = moved(steps[i]), moved(-steps[i])
        slope = (up - down) / 2e-5
        for j in range(p):
            assert np.allclose(found[1 + p + pair(i, j)], slope[1 + j], rtol=1e-6, atol=1e-6)
            for k in range(j + 1):
                size = 1e-6 * (1 + np.abs(slope[1 + p + pair(j, k)]).max())
                assert np.allclose(found[base + triple(i, j, k)], slope[1 + p + pair(j, k)], rtol=1e-6, atol=size)


@pytest.mark.parametrize("name", CURVES)
def test_derivatives_to_third_order(name: str) -> None:
    curve, covariates, parameters = made(name)
    p = len(parameters)
    scale = np.abs(parameters).max(axis=1, keepdims=True)  # in units of the parameters
    size = np.abs(CURVES[name]["value"]).max()

    def at(step: np.ndarray) -> np.ndarray:
        found = curve_derivatives(list(curve.steps), covariates, parameters + scale * step[:, None], 3)
        powers = [np.ones(1), scale.ravel()]
        out = found.copy()
        out[1 : 1 + p] *= powers[1][:, None]
        for j in range(p):
            for i in range(j + 1):
                out[1 + p + pair(i, j)] *= scale[i] * scale[j]
                for h in range(i + 1):
                    out[1 + p + p * (p + 1) // 2 + triple(h, i, j)] *= scale[h] * scale[i] * scale[j]
        return out / size

    checked(at(np.zeros(p)), at, p)


@pytest.mark.parametrize("name", CURVES)
def test_starting_values_lead_to_least_squares(name: str) -> None:
    """R's getInitial is near the least squares, which follow from ours as well."""
    from scipy.optimize import least_squares

    curve, covariates, _ = made(name)
    known, case = SELF_STARTS[name], CURVES[name]
    y = np.array(case["y"], dtype=float)
    inputs = np.column_stack([np.array(case["inputs"][k], dtype=float) for k in known.inputs])
    start = known.start(inputs, y)
    assert start is not None

    def rest(b: np.ndarray) -> np.ndarray:
        return curve_derivatives(list(curve.steps), covariates, np.tile(b[:, None], len(y)), 0)[0] - y

    assert np.sum(rest(np.array(start)) ** 2) < 0.25 * np.sum((y - y.mean()) ** 2)
    found = least_squares(rest, start, method="lm", xtol=1e-14, ftol=1e-14)
    assert 2 * found.cost <= case["rss"] * (1 + 1e-8)
    expected = list(case["least_squares"].values())
    if 2 * found.cost > case["rss"] * (1 - 1e-6):
        assert np.allclose(found.x, expected, rtol=2e-4)


def test_equal_rates_divide_no_zero_by_zero() -> None:
    """SSfol near lKe = lKa: Dose exp(2 lKe - lCl) t exp(-ke t)."""
    known = SELF_STARTS["SSfol"]
    text = f"SSfol({', '.join([*known.inputs, *known.parameters])})"
    curve = curve_of(parse_expression(text), text, known.parameters, {})
    t = np.array([0.0, 0.5, 2.0, 10.0])
    columns = {"Dose": np.full(4, 4.0), "input": t}
    covariates = [columns[c.name] for c in curve.covariates]
    for gap in (0.0, 1e-12, 1e-9, 1e-5):
        parameters = np.array([[-0.5] * 4, [-0.5 + gap] * 4, [-2.0] * 4])
        found = curve_derivatives(list(curve.steps), covariates, parameters, 3)
        assert np.isfinite(found).all()
        exact = 4.0 * np.exp(-1.0 + 2.0) * t * np.exp(-np.exp(-0.5) * t)
        assert np.allclose(found[0], exact, rtol=10 * gap + 1e-13)


def test_functions_of_numpy_pass_on_derivatives() -> None:
    """The same numbers as the formula in the core, to third order."""

    def curve(t: Any, a: Any, b: Any, c: Any) -> Any:
        e = np.exp(-b * t)
        return a * (1 - e) / np.sqrt(1 + c**2) + np.where(t > 1, np.log1p(c * t), np.sin(a)) - 2 ** (-b) + 1 / c

    n = 6
    t = np.linspace(0.2, 3.0, n)
    parameters = np.array([[1.3] * n, [0.7] * n, [0.9] * n]) + 0.01 * np.arange(n)
    text = "f(t, a, b, c)"
    made_curve = curve_of(parse_expression(text), text, ("a", "b", "c"), {"f": curve})
    assert made_curve.calls_python
    assert takes_jets(made_curve, [t], parameters)
    found = derivatives_of(made_curve, [t], parameters, 3)
    assert np.allclose(found[0], curve(t, *parameters))

    def at(step: np.ndarray) -> np.ndarray:
        return derivatives_of(made_curve, [t], parameters + step[:, None], 3)

    checked(found, at, 3)
    by_differences = differences_of(made_curve, [t], parameters, 2)
    assert np.allclose(by_differences, found[: len(by_differences)], rtol=1e-6, atol=1e-6)


def test_what_passes_no_derivatives_on_is_seen() -> None:
    import math

    text = "f(t, a)"
    plain = curve_of(parse_expression(text), text, ("a",), {"f": lambda t, a: np.array([math.exp(v) for v in a]) * t})
    assert not takes_jets(plain, [np.ones(2)], np.ones((1, 2)))


@pytest.mark.parametrize("name", [f for f in FUNCTIONS if f != "exprel"])
def test_functions_of_the_core_equal_numpys(name: str) -> None:
    text = f"{name}(a * x)"
    curve = curve_of(parse_expression(text), text, ("a",), {})
    x = np.array([0.2, 0.5, 0.9])
    found = curve_derivatives(list(curve.steps), [x], np.array([[0.8, 0.8, 0.8]]), 3)
    known = {"plogis": lambda v: 1 / (1 + np.exp(-v)), "atan": np.arctan}
    jet = known.get(name, getattr(np, name, None))(JetArray.variable(np.full(3, 0.8), 0, 1, 3) * x)
    assert np.allclose(found, jet.parts, rtol=1e-12)


def test_data_of_the_examples() -> None:
    assert all(len(pd.unique(np.array(c["y"]))) > 3 for c in CURVES.values())
