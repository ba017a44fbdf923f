"""Known matrices and multiple membership against lme4 with a changed Z, and against n x n
algebra.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

import ranef
from ranef import lmer

FOLDER = Path(__file__).parents[1] / "reference"


def read(name: str) -> pd.DataFrame:
    return pd.read_parquet(FOLDER / "known_levels" / f"{name}.parquet")


def cases() -> dict[str, dict[str, Any]]:
    """The stored fits, by name."""
    content = (FOLDER / "known_levels.json").read_bytes()
    assert hashlib.md5(content).hexdigest() == (FOLDER / "known_levels.md5").read_text().strip()
    return {c["id"]: c for c in json.loads(content)["cases"]}


def symmetric(name: str) -> pd.DataFrame:
    """A matrix from its lower triangle."""
    d = read(name)
    names = list(d["row"].cat.categories)
    k = np.zeros((len(names), len(names)))
    i, j = d["row"].cat.codes.to_numpy(), pd.Categorical(d["col"], categories=names).codes
    k[i, j] = k[j, i] = d["value"].to_numpy()
    return pd.DataFrame(k, index=names, columns=names)


CASES = cases()
PEDIGREE, ANIMALS, A = read("sim_pedigree_ped"), read("sim_pedigree"), symmetric("sim_pedigree_A")
TREE, C = read("sim_tree"), symmetric("sim_tree_C")
PUPILS = read("sim_membership")
FORMULA = "y ~ sex + year + known(1 | animal, A)"


def fit(case: dict[str, Any]) -> Any:
    """The same model here."""
    names = {"lmer": lmer, "A": A, "C": C, "sim_pedigree": ANIMALS, "sim_tree": TREE, "sim_membership": PUPILS}
    return eval(case["ranef_call"], names)


@pytest.mark.parametrize("name", CASES)
def test_fits_of_lme4(name: str) -> None:
    best = CASES[name]["best"]
    m = fit(CASES[name])
    theta = np.array(list(best["theta"].values()))
    system = m._fit.system.get()
    assert system.evaluate(theta, m._fit.reml).objective == pytest.approx(best["objective"], abs=1e-9)
    assert m.convergence.ok
    assert m.objective <= best["objective"] + 1e-9
    se = np.array(list(best["se"].values()))
    assert np.abs(m.fixef.to_numpy() - list(best["beta"].values())).max() < 1e-5 * se.min()
    assert m.bse.to_numpy() == pytest.approx(se, rel=1e-5)
    assert m.sigma == pytest.approx(best["sigma"], rel=1e-5)
    assert [b.sd[0] for b in m.varcorr.values()] == pytest.approx(
        [v["sd"][0] for v in best["varcorr"].values()], rel=1e-4
    )
    # lme4's effects are those of the changed Z: times a root they are those of the levels
    of = {"known_pedigree": A, "known_pedigree_ml": A, "known_pedigree_permanent": A, "known_tree": C}
    for (i, mine), theirs in zip(enumerate(m.ranef().values()), best["ranef"].values(), strict=True):
        values, levels = np.array(theirs["values"]["(Intercept)"]), theirs["levels"]
        if i == 0 and name in of:
            values = np.linalg.cholesky(of[name].loc[levels, levels]) @ values[: len(levels)]
        assert mine.loc[levels, "(Intercept)"].to_numpy() == pytest.approx(values[: len(levels)], abs=1e-4)
    assert m.fittedvalues.to_numpy()[:10] == pytest.approx(best["fitted"]["first"], abs=1e-4)
    assert m.npar == best["npar"]


def test_facts_of_the_design() -> None:
    assert lmer(FORMULA, ANIMALS, known={"A": A}).objective == pytest.approx(877.761433, abs=1e-6)
    assert lmer(FORMULA, ANIMALS, known={"A": A}, REML=False).objective == pytest.approx(879.171039, abs=1e-6)
    both = lmer(f"{FORMULA} + (1 | animal)", ANIMALS, known={"A": A})
    assert both.objective == pytest.approx(875.495869, abs=1e-6)
    assert both.ngroups == {"animal": 90}
    assert list(both.ranef()) == ["animal", "animal.1"]
    assert len(both.ranef()["animal"]) == 130


def test_the_relationships_of_a_pedigree_are_those_of_r() -> None:
    m = lmer(FORMULA, ANIMALS, known={"A": PEDIGREE})
    relation = m._fit.terms[0].relation
    root = pd.DataFrame(relation.root().toarray(), index=relation.levels).loc[A.index].to_numpy()
    assert np.abs(root @ root.T - A.to_numpy()).max() < 1e-12
    assert (np.diagonal(A) > 1).any()  # some are inbred


def test_predictions_with_one_of_two_terms_on_a_factor() -> None:
    both = lmer(f"{FORMULA} + (1 | animal)", ANIMALS, known={"A": A})
    fixed = both.predict(re="population").to_numpy()
    for re, key in (("~ known(1 | animal, A)", "animal"), ("~ (1 | animal)", "animal.1")):
        own = both.ranef()[key].loc[ANIMALS["animal"], "(Intercept)"].to_numpy()
        assert both.predict(re=re).to_numpy() == pytest.approx(fixed + own, abs=1e-10)


@pytest.mark.parametrize(
    ("formula", "matrix"),
    [
        (FORMULA, PEDIGREE),
        (FORMULA, pl.from_pandas(PEDIGREE)),
        (FORMULA, pl.DataFrame({str(c): A[c].to_numpy() for c in A})),
        (FORMULA, pl.DataFrame({"animal": list(A.index), **{str(c): A[c].to_numpy() for c in A}})),
        (FORMULA, (A.to_numpy(), list(A.index))),
        (FORMULA, (sparse.csc_array(A.to_numpy()), list(A.index))),
        ("y ~ sex + year + known(1 | animal, A, inverse=True)", (np.linalg.inv(A), list(A.index))),
        (FORMULA, PEDIGREE.rename(columns={"animal": "x", "sire": "y", "dam": "z"}).sample(frac=1, random_state=1)),
        (FORMULA, A.iloc[::-1, ::-1]),
    ],
)
def test_forms_of_one_matrix(formula: str, matrix: Any) -> None:
    m = lmer(formula, ANIMALS, known={"A": matrix})
    assert m.objective == pytest.approx(877.7614329782685, abs=1e-8)
    assert m.ranef()["animal"].loc["a041", "(Intercept)"] == pytest.approx(-0.742961, abs=1e-4)


def test_unrelated_levels_and_single_members_are_random_intercepts() -> None:
    levels = sorted(ANIMALS["animal"].unique())
    unrelated = pd.DataFrame(np.eye(len(levels)), index=levels, columns=levels)
    plain = lmer("y ~ sex + year + (1 | animal)", ANIMALS)
    known = lmer("y ~ sex + year + known(1 | animal, A)", ANIMALS, known={"A": unrelated})
    single = lmer("y ~ sex + year + (1 | mm(animal))", ANIMALS)
    for m in (known, single):
        assert m.objective == pytest.approx(plain.objective, abs=1e-9)
        assert m.bse.to_numpy() == pytest.approx(plain.bse.to_numpy(), rel=1e-6)
        assert m.df.to_numpy() == pytest.approx(plain.df.to_numpy(), rel=1e-5)
        frame, covariance = next(iter(m.ranef(condvar=True).values()))
        other, theirs = plain.ranef(condvar=True)["animal"]
        assert frame.loc[other.index].to_numpy() == pytest.approx(other.to_numpy(), abs=1e-5)
        at = frame.index.get_indexer(other.index)
        assert covariance[at] == pytest.approx(theirs, rel=1e-5)


def dense(m: Any, blocks: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, np.ndarray]:
    """Everything from n x n matrices; a block is Z of all levels and K (x) Sigma."""
    x, y, s2 = m._fit.x, m._fit.design.y, m.sigma**2
    v = s2 * np.eye(len(y)) + sum(z @ g @ z.T for z, g in blocks)
    w = np.linalg.inv(v)
    phi = np.linalg.inv(x.T @ w @ x)
    beta = phi @ x.T @ w @ y
    r = y - x @ beta
    n, p = x.shape
    rss = r @ w @ r * s2
    reml = np.linalg.slogdet(v / s2)[1] + np.linalg.slogdet(x.T @ w @ x * s2)[1]
    reml += (n - p) * (1 + np.log(2 * np.pi * rss / (n - p)))
    return {"v": v, "w": w, "phi": phi, "beta": beta, "r": r, "objective": reml}


def test_slopes_under_a_matrix_against_dense_algebra() -> None:
    rng = np.random.default_rng(5)
    d = ANIMALS.assign(x=rng.normal(size=len(ANIMALS)))
    d["y"] += 1.5 * d["x"] * (d["animal"].cat.codes % 7 - 3) / 3
    m = lmer("y ~ x + sex + known(x | animal, A)", d, known={"A": PEDIGREE})
    codes = A.index.get_indexer(d["animal"])
    z = np.zeros((len(d), 2 * len(A)))
    z[np.arange(len(d)), 2 * codes] = 1.0
    z[np.arange(len(d)), 2 * codes + 1] = d["x"]
    g = np.kron(A.to_numpy(), m.varcorr["animal"].cov)
    full = dense(m, [(z, g)])
    assert m.objective == pytest.approx(full["objective"], abs=1e-8)
    assert m.fixef.to_numpy() == pytest.approx(full["beta"], abs=1e-8)
    assert m.cov_params().to_numpy() == pytest.approx(full["phi"], rel=1e-8)
    modes = (g @ z.T @ full["w"] @ full["r"]).reshape(-1, 2)
    frame, covariance = m.ranef(condvar=True)["animal"]
    assert frame.loc[A.index].to_numpy() == pytest.approx(modes, abs=1e-8)
    whole = g - g @ z.T @ full["w"] @ z @ g
    at = frame.index.get_indexer(A.index)
    for i, level in enumerate(at):
        assert covariance[level] == pytest.approx(whole[2 * i : 2 * i + 2, 2 * i : 2 * i + 2], abs=1e-8)
    # predictions of an animal without rows: their variance and that of a new observation
    free = next(a for a in A.index if a not in set(d["animal"]))
    new = pd.DataFrame({"x": [0.5], "sex": ["m"], "animal": [free]})
    x0 = np.array([1.0, 0.5, 1.0])
    z0 = np.zeros(len(g))
    i = A.index.get_loc(free)
    z0[2 * i : 2 * i + 2] = [1.0, 0.5]
    slope = x0 - m._fit.x.T @ full["w"] @ z @ g @ z0
    variance = z0 @ whole @ z0 + slope @ full["phi"] @ slope
    found = m.predict(new, se=True).iloc[0]
    assert found["fit"] == pytest.approx(x0 @ full["beta"] + z0 @ modes.ravel(), abs=1e-8)
    assert found["se"] == pytest.approx(np.sqrt(variance), rel=1e-8)
    interval = m.predict(new, re="population", interval="prediction").iloc[0]
    around = x0 @ full["phi"] @ x0 + z0 @ g @ z0 + m.sigma**2
    assert (interval["upper"] - interval["fit"]) / 1.959964 == pytest.approx(np.sqrt(around), rel=1e-6)


def member_matrix(levels: list[str]) -> np.ndarray:
    z = np.zeros((len(PUPILS), len(levels)))
    for t, w in (("t1", "w1"), ("t2", "w2"), ("t3", "w3")):
        there = PUPILS[t].notna().to_numpy()
        np.add.at(z, (np.flatnonzero(there), [levels.index(v) for v in PUPILS[t][there]]), PUPILS[w][there])
    return z


@pytest.mark.parametrize("kind", ["mm", "known"])
def test_kenward_roger_and_satterthwaite_against_dense_algebra(kind: str) -> None:
    """Numbers of degrees of freedom from derivatives of V, which is linear in the variances."""
    if kind == "mm":
        m = lmer("y ~ x + (1 | mm(t1, t2, t3, weights=[w1, w2, w3]))", PUPILS)
        z = member_matrix([f"T{i:02d}" for i in range(1, 25)])
        parts = [z @ z.T]
    else:
        m = lmer(f"{FORMULA} + (1 | animal)", ANIMALS, known={"A": A})
        z = np.zeros((len(ANIMALS), len(A)))
        z[np.arange(len(ANIMALS)), A.index.get_indexer(ANIMALS["animal"])] = 1.0
        parts = [z @ A.to_numpy() @ z.T, z @ z.T]
    variances = [b.cov[0, 0] for b in m.varcorr.values()]
    v = m.sigma**2 * np.eye(m.nobs) + sum(s * b for s, b in zip(variances, parts, strict=True))
    x, w, derivatives = m._fit.x, np.linalg.inv(v), [*parts, np.eye(m.nobs)]
    phi = np.linalg.inv(x.T @ w @ x)
    proj = w - w @ x @ phi @ x.T @ w
    py = proj @ m._fit.design.y
    k = len(derivatives)
    expected, observed = np.empty((k, k)), np.empty((k, k))
    first = [-x.T @ w @ b @ w @ x for b in derivatives]
    for i, a in enumerate(derivatives):
        for j, b in enumerate(derivatives):
            trace = np.trace(proj @ a @ proj @ b)
            expected[i, j], observed[i, j] = trace, 2 * py @ a @ proj @ b @ py - trace
    slopes = np.array([-(phi @ p @ phi) for p in first])
    gradient = np.array([[s[c, c] for s in slopes] for c in range(len(phi))])
    df = 2 * np.diagonal(phi) ** 2 / np.einsum("ci,ij,cj->c", gradient, 2 * np.linalg.inv(observed), gradient)
    assert m.df.to_numpy() == pytest.approx(df, rel=2e-5)
    cov = 2 * np.linalg.inv(expected)
    extra = sum(
        cov[i, j] * (x.T @ w @ a @ w @ b @ w @ x - first[i] @ phi @ first[j])
        for i, a in enumerate(derivatives)
        for j, b in enumerate(derivatives)
    )
    adjusted = phi + 2 * phi @ extra @ phi
    assert m.cov_params(ddf="kenward-roger").to_numpy() == pytest.approx(adjusted, rel=1e-6, abs=1e-9)


def test_heritability_with_its_error_by_differences() -> None:
    m = lmer(f"{FORMULA} + (1 | animal)", ANIMALS, known={"A": A})
    sd = [b.sd[0] for b in m.varcorr.values()]
    total = sd[0] ** 2 + sd[1] ** 2 + m.sigma**2
    found = m.heritability().loc["animal"]
    assert found["estimate"] == pytest.approx(sd[0] ** 2 / total, rel=1e-9)
    theta, h = m._fit.theta, 1e-3
    evaluate = m._fit.system.get().evaluate

    def second(a: np.ndarray, b: np.ndarray) -> float:
        signs = [(1, 1), (1, -1), (-1, 1), (-1, -1)]
        values = [s * t * evaluate(theta + s * a + t * b, True).objective for s, t in signs]
        return float(sum(values) / (4 * h * h))

    unit = np.eye(2) * h
    hessian = np.array([[second(a, b) for b in unit] for a in unit])
    share = lambda t: t[0] ** 2 / (t @ t + 1.0)  # noqa: E731
    slope = np.array([(share(theta + a) - share(theta - a)) / (2 * h) for a in unit])
    assert found["std_error"] == pytest.approx(np.sqrt(2 * slope @ np.linalg.inv(hessian) @ slope), rel=1e-3)


def test_simulated_responses_have_the_covariance_of_the_model() -> None:
    m = lmer("y ~ x + known(1 | species, C)", TREE, known={"C": C})
    z = np.zeros((len(TREE), len(C)))
    z[np.arange(len(TREE)), C.index.get_indexer(TREE["species"])] = 1.0
    v = m.varcorr["species"].cov[0, 0] * z @ C.to_numpy() @ z.T + m.sigma**2 * np.eye(len(TREE))
    draws = m.simulate(4000, rng=3).to_numpy() - (m._fit.x @ m.fixef.to_numpy())[:, None]
    white = np.linalg.solve(np.linalg.cholesky(v), draws)
    error = (white @ white.T / 4000 - np.eye(len(v))) * np.sqrt(4000 / (1.0 + np.eye(len(v))))
    assert np.mean(error**2) == pytest.approx(1.0, abs=0.1)


def test_profile_and_likelihood_ratio() -> None:
    m = lmer(f"{FORMULA} + (1 | animal)", ANIMALS, known={"A": A}, REML=False)
    less = lmer(FORMULA, ANIMALS, known={"A": A}, REML=False)
    table = ranef.anova(m, less)
    assert float(table["chisq"].iloc[-1]) == pytest.approx(less.objective - m.objective, abs=1e-6)
    limits = less.conf_int(method="profile").loc["sd_(Intercept)|animal"]
    system = less._fit.system.get()
    # the likelihood, all else maximised, is lower by half of 3.84 at the ends
    from scipy.optimize import brentq

    x, y = less._fit.x, less._fit.design.y
    z = np.zeros((len(ANIMALS), len(A)))
    z[np.arange(len(ANIMALS)), A.index.get_indexer(ANIMALS["animal"])] = 1.0
    k = z @ A.to_numpy() @ z.T

    def deviance(sd: float) -> float:
        from scipy.optimize import minimize_scalar

        def at(log_sigma: float) -> float:
            v = sd**2 * k + np.exp(2 * log_sigma) * np.eye(len(y))
            w = np.linalg.inv(v)
            r = y - x @ np.linalg.solve(x.T @ w @ x, x.T @ w @ y)
            return float(np.linalg.slogdet(v)[1] + r @ w @ r + len(y) * np.log(2 * np.pi))

        return float(minimize_scalar(at, bounds=(0.0, 2.0), method="bounded", options={"xatol": 1e-9}).fun)

    assert system is not None
    upper = brentq(lambda s: deviance(s) - less.objective - 3.841459, limits["upper"] - 0.05, limits["upper"] + 0.05)
    assert limits["upper"] == pytest.approx(upper, abs=1e-4)
