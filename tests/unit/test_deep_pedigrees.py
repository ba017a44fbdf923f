"""Pedigrees of several generations with inbreeding, against the dense matrix by the tabular
method.
"""

import numpy as np
import pandas as pd
import pytest

from ranef import glmer, lmer

pytestmark = pytest.mark.filterwarnings("ignore::ranef.RanefWarning")


def generations(n: int, count: int, seed: int) -> tuple[np.ndarray, pd.DataFrame]:
    """Parents (n, 2) of animals, those of a generation from few of the one before, and a record
    each.
    """
    rng = np.random.default_rng(seed)
    size = n // count
    parents = np.full((n, 2), -1)
    for g in range(1, count):
        before = np.arange((g - 1) * size, g * size)
        sires, dams = before[: max(2, size // 15)], before[size // 2 :]
        for i in range(g * size, (g + 1) * size):
            parents[i] = rng.choice(sires), rng.choice(dams)
    a = np.zeros(n)
    for i, (s, d) in enumerate(parents):
        known = s >= 0
        a[i] = (a[s] + a[d]) / 2 + rng.normal() * 0.5**0.5 if known else rng.normal()
    x = rng.normal(size=n)
    d = pd.DataFrame({"id": [f"a{i}" for i in range(n)], "x": x, "y": 1 + 0.5 * x + a + 1.2 * rng.normal(size=n)})
    return parents, d


def pedigree_of(parents: np.ndarray) -> pd.DataFrame:
    named = [[None if p < 0 else f"a{p}" for p in pair] for pair in parents]
    return pd.DataFrame(
        {"id": [f"a{i}" for i in range(len(parents))], "sire": [p[0] for p in named], "dam": [p[1] for p in named]}
    )


def tabular(parents: np.ndarray) -> np.ndarray:
    """The matrix of relationships, row by row from those of the parents."""
    n = len(parents)
    a = np.zeros((n, n))
    for i, (s, d) in enumerate(parents):
        if s >= 0:
            a[i, :i] = a[:i, i] = 0.5 * (a[s, :i] + a[d, :i])
        a[i, i] = 1.0 + (0.5 * a[s, d] if s >= 0 else 0.0)
    return a


def test_three_hundred_animals_are_those_of_the_dense_matrix() -> None:
    parents, d = generations(300, 6, 2)
    a = tabular(parents)
    assert np.diag(a).max() > 1.05  # some are inbred
    m = lmer("y ~ x + known(1 | id, A)", d, known={"A": pedigree_of(parents)})
    dense = lmer("y ~ x + known(1 | id, A)", d, known={"A": pd.DataFrame(a, index=d["id"], columns=d["id"])})
    assert m.objective == pytest.approx(dense.objective, abs=1e-8)
    # the criterion by n x n algebra
    v = float(m.theta.iloc[0]) ** 2 * a + np.eye(300)
    x = np.column_stack([np.ones(300), d["x"]])
    p = np.linalg.solve(v, x)
    beta = np.linalg.solve(x.T @ p, p.T @ d["y"])
    e = d["y"].to_numpy() - x @ beta
    r2, nu = float(e @ np.linalg.solve(v, e)), 298
    dets = np.linalg.slogdet(v)[1] + np.linalg.slogdet(x.T @ p)[1]
    assert m.objective == pytest.approx(dets + nu * (1 + np.log(2 * np.pi * r2 / nu)), abs=1e-8)
    assert m.heritability().to_numpy() == pytest.approx(dense.heritability().to_numpy(), rel=1e-5)
    # breeding values and their errors
    genes = float(m.theta.iloc[0]) ** 2 * a @ np.linalg.solve(v, e)
    assert m.ranef()["id"].loc[d["id"], "(Intercept)"].to_numpy() == pytest.approx(genes, abs=1e-6)


def test_a_binary_trait_of_a_pedigree_is_that_of_the_dense_matrix() -> None:
    parents, d = generations(150, 5, 3)
    d["z"] = (d["y"] > 1).astype(int)
    a = pd.DataFrame(tabular(parents), index=d["id"], columns=d["id"])
    m = glmer("z ~ x + known(1 | id, A)", d, family="binomial", known={"A": pedigree_of(parents)})
    dense = glmer("z ~ x + known(1 | id, A)", d, family="binomial", known={"A": a})
    assert m.objective == pytest.approx(dense.objective, abs=1e-7)


def test_thousands_of_animals_do_not_depend_on_the_order_of_rows() -> None:
    parents, d = generations(2000, 8, 4)
    pedigree = pedigree_of(parents)
    m = lmer("y ~ x + known(1 | id, A)", d, known={"A": pedigree})
    turned = lmer("y ~ x + known(1 | id, A)", d.iloc[::-1], known={"A": pedigree.sample(frac=1, random_state=1)})
    assert m.convergence.ok
    assert turned.objective == pytest.approx(m.objective, abs=1e-6)
    found = m.heritability().loc["id"]
    assert abs(found["estimate"] - 1 / (1 + 1.44)) < 3 * found["std_error"]
