"""The compiled core's generalized models against plain dense algebra (tests/unit/dense_glmm.py),
numerical integration and finite differences.
"""

from typing import Any

import numpy as np
import pytest

from ranef._core import GlmmSystem
from ranef.families.link import LINKS
from unit.dense_glmm import DenseGlmm

PROBABILITY = ("logit", "probit", "cloglog", "loglog", "cauchit")
FAMILIES = {
    "binomial": (PROBABILITY, None),
    "poisson": (("log", "sqrt", "identity"), None),
    "nbinom2": (("log", "sqrt", "identity"), 1.7),
    "nbinom1": (("log", "sqrt", "identity"), 0.8),
    "gamma": (("log", "inverse", "identity"), 0.4),
    "inverse_gaussian": (("log", "inverse_squared", "inverse", "identity"), 0.3),
    "gaussian": (("log", "inverse"), 0.5),
    "beta": (PROBABILITY, 6.0),
}
PAIRS = [(family, link) for family, (links, _) in FAMILIES.items() for link in links]
STEP = 1e-5


class Case:
    """Simulated data of one family with given random terms."""

    def __init__(self, family: str, link: str, layout: str = "scalar", seed: int = 3):
        rng = np.random.default_rng(seed)
        self.family, self.link, self.dispersion = family, link, FAMILIES[family][1]
        n = 48
        positive = link in ("sqrt", "identity", "inverse", "inverse_squared")
        self.x = np.asfortranarray(np.column_stack([np.ones(n), rng.uniform(-0.5, 0.5, n)]))
        self.beta = np.array([2.0, 0.3]) if positive else np.array([0.3, 0.5])
        self.offset = rng.uniform(-0.1, 0.1, n)
        g, h = rng.permutation(np.arange(n) % 8).astype(np.int32), rng.permutation(np.arange(n) % 5).astype(np.int32)
        one = np.ones((n, 1), order="F")
        two = np.asfortranarray(np.column_stack([np.ones(n), rng.uniform(-0.5, 0.5, n)]))
        size = 0.25 if positive else 0.7
        scalar, vector = np.array([size]), size * np.array([1.0, 0.4, 0.6])
        nested = (g * 2 + (np.arange(n) // 8 % 2)).astype(np.int32)
        layouts: dict[str, tuple[list[Any], list[np.ndarray]]] = {
            "scalar": ([(g, 8, [(one, "unstructured")])], [scalar]),
            "vector": ([(g, 8, [(two, "unstructured")])], [vector]),
            "diagonal": ([(g, 8, [(two, "diagonal")])], [size * np.array([1.0, 0.6])]),
            "crossed": ([(g, 8, [(two, "unstructured")]), (h, 5, [(one, "unstructured")])], [vector, scalar]),
            "nested": ([(nested, 16, [(one, "unstructured")]), (g, 8, [(one, "unstructured")])], [scalar, scalar]),
        }
        self.factors, parts = layouts[layout]
        self.theta = np.concatenate(parts)
        self.zl = self._zl()
        eta = self.x @ self.beta + self.offset + self.zl @ rng.normal(size=self.zl.shape[1])
        if positive:
            eta = np.clip(eta, 0.8, None)
        self.weights = rng.integers(1, 6, n).astype(float) if family == "binomial" else rng.choice([1.0, 2.0], n)
        self.y = self._draw(rng, LINKS[link].mean(eta))
        self.system = GlmmSystem(
            self.x,
            self.y,
            self.weights,
            self.offset,
            self.factors,
            family,
            link.replace("inverse_squared", "1/mu^2"),
            None,
            1,
        )

    def _zl(self) -> np.ndarray:
        blocks, at = [], 0
        for codes, levels, terms in self.factors:
            for z, structure in terms:
                k = z.shape[1]
                factor = np.zeros((k, k))
                count = k if structure == "diagonal" else k * (k + 1) // 2
                part = self.theta[at : at + count]
                if structure == "diagonal":
                    factor = np.diag(part)
                else:
                    factor.T[np.triu_indices(k)] = part
                at += count
                scaled = z @ factor
                block = np.zeros((len(codes), levels * k))
                for j in range(k):
                    block[np.arange(len(codes)), codes * k + j] = scaled[:, j]
                blocks.append(block)
        return np.hstack(blocks)

    def _draw(self, rng: np.random.Generator, mu: np.ndarray) -> np.ndarray:
        from ranef.families import parse_family

        name = {"inverse_gaussian": "inverse.gaussian"}.get(self.family, self.family)
        family = parse_family(f"{name}({self.link})")
        return np.asarray(family.draw(rng, mu, self.weights, self.dispersion or np.nan))

    def dense(self) -> DenseGlmm:
        eta0 = self.x @ self.beta + self.offset
        return DenseGlmm(self.family, self.link, self.dispersion or np.nan, self.weights, self.y, eta0, self.zl)

    def at(self, point: np.ndarray, n_quad: int, curvature: str) -> tuple[float, np.ndarray]:
        """Objective and gradient at (theta, beta, log dispersion)."""
        m, p = len(self.theta), len(self.beta)
        dispersion = None if self.dispersion is None else float(np.exp(point[m + p]))
        found = self.system.evaluate(point[:m].copy(), point[m : m + p].copy(), dispersion, n_quad, curvature)
        return found.objective, np.asarray(found.gradient)

    @property
    def point(self) -> np.ndarray:
        logs = [] if self.dispersion is None else [np.log(self.dispersion)]
        return np.concatenate([self.theta, self.beta, logs])


@pytest.mark.parametrize(("family", "link"), PAIRS)
def test_laplace_is_that_of_dense_algebra(family: str, link: str) -> None:
    case = Case(family, link)
    assert case.at(case.point, 1, "observed")[0] == pytest.approx(case.dense().laplace(), rel=1e-7)


@pytest.mark.parametrize("layout", ["vector", "diagonal", "crossed", "nested"])
@pytest.mark.parametrize(("family", "link"), [("binomial", "logit"), ("poisson", "log"), ("gamma", "log")])
def test_layouts(family: str, link: str, layout: str) -> None:
    case = Case(family, link, layout)
    assert case.at(case.point, 1, "observed")[0] == pytest.approx(case.dense().laplace(), rel=1e-7)


def assert_gradient(case: Case, n_quad: int, curvature: str) -> None:
    point = case.point
    gradient = case.at(point, n_quad, curvature)[1]
    numerical = np.empty_like(point)
    for i in range(len(point)):
        values = []
        for k in (-2, -1, 1, 2):
            moved = point.copy()
            moved[i] += k * STEP * 10
            values.append(case.at(moved, n_quad, curvature)[0])
        numerical[i] = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * STEP * 10)
    assert gradient.shape == numerical.shape
    np.testing.assert_allclose(gradient, numerical, atol=1e-6 * max(1.0, np.abs(gradient).max()))


@pytest.mark.parametrize("curvature", ["observed", "expected"])
@pytest.mark.parametrize(("family", "link"), PAIRS)
def test_gradient_of_every_family(family: str, link: str, curvature: str) -> None:
    assert_gradient(Case(family, link), 1, curvature)


@pytest.mark.parametrize("layout", ["vector", "diagonal", "crossed", "nested"])
@pytest.mark.parametrize(("family", "link"), [("binomial", "probit"), ("poisson", "log"), ("nbinom2", "log")])
def test_gradient_of_every_layout(family: str, link: str, layout: str) -> None:
    assert_gradient(Case(family, link, layout), 1, "observed")


@pytest.mark.parametrize("n_quad", [2, 5, 9])
@pytest.mark.parametrize("layout", ["scalar", "vector", "diagonal"])
@pytest.mark.parametrize(("family", "link"), [("binomial", "cloglog"), ("poisson", "log"), ("gamma", "log")])
def test_gradient_of_quadrature(family: str, link: str, layout: str, n_quad: int) -> None:
    assert_gradient(Case(family, link, layout), n_quad, "observed")


@pytest.mark.parametrize(("family", "link"), PAIRS)
def test_quadrature_is_the_integral(family: str, link: str) -> None:
    case = Case(family, link)
    assert case.at(case.point, 35, "observed")[0] == pytest.approx(case.dense().exact(), rel=0, abs=2e-5)
