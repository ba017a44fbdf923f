"""Which solver "auto" takes, by predicted memory and time, and the exact finish."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ranef import OptionError, clmm, glmer, lmer, load_dataset, nlmer, scale
from ranef.fit.iterative import choice
from ranef.fit.iterative.choice import ModelSize, best_way, crossed_of

FORMULA = "y ~ x + (1 | g) + (1 | h)"
GB = 1e9


def table(n: int = 8000, levels: tuple[int, int] = (600, 300), seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g, h = (np.r_[np.arange(m), rng.integers(0, m, n - m)] for m in levels)
    rng.shuffle(h)
    x = rng.normal(size=n)
    y = 1 + 0.5 * x + 0.6 * rng.normal(size=levels[0])[g] + 0.4 * rng.normal(size=levels[1])[h] + rng.normal(size=n)
    return pd.DataFrame({"y": y, "x": x, "g": g, "h": h})


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return table()


@pytest.mark.parametrize(
    ("exact", "iterative", "available", "way"),
    [
        ((1 * GB, 0.8), (1 * GB, 1.0), 20 * GB, "exact"),
        ((1 * GB, 1.0), (1 * GB, 1.0), 20 * GB, "hybrid"),  # with two evaluations at the end half as long
        ((1 * GB, 1.0), (1 * GB, 4.1), 20 * GB, "exact"),  # the iterative solver takes longer
        ((1 * GB, 10.0), (1 * GB, 41.0), 20 * GB, "exact"),
        ((1 * GB, 10.0), (1 * GB, 20.0), 20 * GB, "hybrid"),
        ((11 * GB, 1.0), (1 * GB, 1.0), 20 * GB, "hybrid"),  # more than half of the memory
        ((11 * GB, 130.0), (1 * GB, 1.0), 20 * GB, "iterative"),  # one evaluation takes long
        ((21 * GB, 5.0), (1 * GB, 1.0), 20 * GB, "iterative"),
        (None, (1 * GB, 1.0), 20 * GB, "iterative"),
        ((11 * GB, 500.0), (30 * GB, 1.0), 20 * GB, "exact"),  # nothing else fits
        (None, (30 * GB, 1.0), 20 * GB, None),
        ((500 * GB, 0.1), (1 * GB, 1.0), None, "exact"),  # nobody knows the memory
    ],
)
def test_rule(
    exact: tuple[float, float] | None, iterative: tuple[float, float], available: float | None, way: str | None
) -> None:
    assert best_way(exact, iterative, available) == way


def test_nested_factors_are_not_crossed() -> None:
    rng = np.random.default_rng(1)
    pupil = rng.integers(0, 3000, 20_000).astype(np.int32)
    school = pupil // 30
    item = rng.integers(0, 50, 20_000).astype(np.int32)
    assert crossed_of([pupil, school], [3000, 100]) == [1]
    assert sorted(crossed_of([pupil, school, item], [3000, 100, 50])) == [0, 1, 2]
    assert ModelSize(20_000, 1, [(3000, 1), (100, 2)]).besides_largest([0, 1]) == 200


@pytest.fixture
def low_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the evaluations of 300 effects in a dense block took long."""
    monkeypatch.setattr(choice, "FEW_EFFECTS", 100)
    monkeypatch.setattr(choice, "PATIENCE", 1e-9)
    monkeypatch.setattr(choice, "STEPS", 0)


def is_exact(m: object, exact: object) -> None:
    assert m.convergence.solver == "hybrid"  # type: ignore[attr-defined]
    assert m._fit.sampled is None
    assert m.convergence.sampling == 0
    assert m.objective == pytest.approx(exact.objective, abs=1e-6)  # type: ignore[attr-defined]
    np.testing.assert_allclose(m.theta, exact.theta, rtol=1e-4)  # type: ignore[attr-defined]
    np.testing.assert_allclose(m.fixef, exact.fixef, rtol=1e-6)  # type: ignore[attr-defined]


@pytest.mark.usefixtures("low_limits")
def test_exact_finish_leaves_nothing_sampled(data: pd.DataFrame) -> None:
    exact = lmer(FORMULA, data, control={"solver": "exact"})
    for reml in (True, False):
        m = lmer(FORMULA, data, REML=reml)
        is_exact(m, lmer(FORMULA, data, REML=reml, control={"solver": "exact"}))
        assert m.convergence.ok
        assert m.convergence.evaluations <= 2
    assert scale.plan(FORMULA, data).solver == "hybrid"
    text = " ".join(str(lmer(FORMULA, data).summary()).split())
    assert "finished by exact evaluations" in text
    assert "nothing is sampled" in m.convergence.explanation
    assert exact.convergence.solver == "exact"
    assert "iterative" not in str(exact.summary())
    # what needs a factor is there
    again = lmer(FORMULA, data)
    pd.testing.assert_frame_equal(again.anova(), exact.anova(), rtol=1e-3)
    assert again.ranef(condvar=True) is not None


@pytest.mark.usefixtures("low_limits")
def test_batches_are_kept_for_both_solvers(data: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(2):
        data[i::2].to_parquet(tmp_path / f"{i}.parquet")
    exact = scale.fit(FORMULA, str(tmp_path), control={"solver": "exact"})
    assert exact.convergence.solver == "exact"
    m = scale.fit(FORMULA, str(tmp_path))
    is_exact(m, exact)
    assert scale.plan(FORMULA, str(tmp_path)).solver == "hybrid"
    np.testing.assert_allclose(m.bse, exact.bse, rtol=1e-5)
    assert m.nobs == exact.nobs == len(data)
    # a checkpoint says which way was taken
    kept = scale.fit(FORMULA, str(tmp_path), checkpoint=tmp_path / "fit.ranef")
    assert kept.convergence.solver == "hybrid"
    with monkeypatch.context() as other:
        other.setattr(choice, "LAST", 0.0)
        again = scale.fit(FORMULA, str(tmp_path), checkpoint=tmp_path / "fit.ranef")
    assert (again.objective, *again.theta) == (kept.objective, *kept.theta) == (m.objective, *m.theta)
    (tmp_path / "fit.ranef").unlink()
    monkeypatch.setattr(choice, "LAST", 0.0)
    m = scale.fit(FORMULA, str(tmp_path))
    assert m.convergence.solver == "iterative"
    assert m._fit.sampled is not None
    assert scale.plan(FORMULA, str(tmp_path)).solver == "iterative"
    assert lmer(FORMULA, data).convergence.solver == "iterative"


@pytest.mark.filterwarnings("ignore:singular fit")
@pytest.mark.usefixtures("low_limits")
def test_where_only_the_exact_solver_does(data: pd.DataFrame) -> None:
    nested = data.assign(h=data.g // 2)
    assert lmer(FORMULA, nested).convergence.solver == "exact"
    assert scale.plan(FORMULA, nested).solver == "exact"
    assert lmer("y ~ x + (x | g)", data).convergence.solver == "exact"
    same = lmer("y ~ x + (1 | g) + (1 | h) + (x | h)", data)
    assert same.convergence.solver == "exact"


def test_small_models_are_not_looked_at(data: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(choice, "exact_size", refuse)
    assert lmer(FORMULA, data).convergence.solver == "exact"


def test_models_without_the_iterative_solver_say_so() -> None:
    control = {"solver": "iterative"}
    fruits = load_dataset("Arabidopsis").rename(columns={"total.fruits": "fruits"})
    with pytest.raises(OptionError, match="not for clmm"):
        clmm("rating ~ temp + (1 | judge)", load_dataset("wine"), control=control)
    with pytest.raises(OptionError, match="not for nlmer"):
        nlmer("circumference ~ SSlogis(age, A, x, s) ~ (A | Tree)", load_dataset("Orange"), control=control)
    with pytest.raises(OptionError, match="not for models with several linear predictors"):
        glmer("fruits ~ nutrient + (1 | popu)", fruits, family="poisson", zi_formula="~ 1", control=control)
