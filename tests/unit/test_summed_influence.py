"""Tests of groups that are left out of models without rows, from the sums of every level."""

import pickle

import numpy as np
import pandas as pd
import pytest

import ranef
from ranef import DataError, lmer, scale
from ranef.data import batches
from ranef.diagnostics import products_of_batches

pytestmark = pytest.mark.filterwarnings("ignore:singular fit", "ignore:.*REML", "ignore:.*combination", "ignore:.*drop")


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    n = 1_500
    d = pd.DataFrame(
        {
            "g": rng.integers(30, size=n),
            "c": rng.integers(4, size=n),
            "h": rng.integers(12, size=n),
            "x": 2_000 + 8 * rng.normal(size=n),
            "z": rng.normal(size=n),
            "f": rng.choice(list("abc"), n),
            "w": rng.uniform(0.5, 2, size=n),
        }
    )
    d["twice"] = 2 * d.z
    slope = 0.05 * rng.normal(size=30)[d.g] * (d.x - 2_000)
    d["y"] = 0.1 * d.x + rng.normal(size=30)[d.g] + slope + 0.5 * rng.normal(size=(30, 4))[d.g, d.c]
    d["y"] += 0.7 * rng.normal(size=12)[d.h] + 0.3 * (d.f == "b") * d.z + rng.normal(size=n) / np.sqrt(d.w)
    # of which one group alone says something
    d["alone"] = np.where(d.g == 7, d.z, 0.0)
    return d[(d.g != 3) | (d.c == 0)]


def without_rows(formula: str, data: pd.DataFrame, by: str, reml: bool = True, **arguments: object) -> object:
    recipe = scale.survey(formula, data, **arguments).freeze()
    parts = []
    for i in range(3):
        sums = scale.Statistic(recipe, by_level=by)
        sums.update(data[i::3])
        parts.append(sums.to_bytes())
    whole = scale.Statistic.from_bytes(parts[0])
    for part in parts[1:]:
        whole.merge(scale.Statistic.from_bytes(part))
    return whole.fit(REML=reml)


def compare(summed: object, whole: object, by: str) -> None:
    own, with_rows = summed.influence(by), whole.influence(by)
    assert own.names == with_rows.names
    assert own.index.equals(with_rows.index)
    for name, size in {
        "change": np.sqrt(np.diagonal(whole.cov_params())),
        "scaled_change": 1.0,
        "cooks": 1.0,
        "cov_ratio": 1.0,
        "sigma": whole.sigma,
        "n_deleted": 1.0,
    }.items():
        ours, theirs = getattr(own, name) / size, getattr(with_rows, name) / size
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6, err_msg=name)


@pytest.mark.parametrize(
    ("formula", "by"),
    [
        ("y ~ z + f + (1 | g)", "g"),
        ("y ~ x + f * z + (x | g)", "g"),
        ("y ~ x + z + (x + z || g)", "g"),
        ("y ~ x + z + (0 + x | g) + (z | g)", "g"),
        ("y ~ 0 + x + z + (1 | g)", "g"),
        ("y ~ x + z + (x | g) + (z | g:c)", "g"),
        ("y ~ f + (1 | g:c) + (z | g) + (1 | g:c:h)", "g"),
        ("y ~ f + (1 | g:c) + (1 | g:c:h)", "g:c"),
        ("y ~ z + twice + f + (x | g)", "g"),
    ],
)
@pytest.mark.parametrize("arguments", [{}, {"weights": "w", "offset": "z"}], ids=["plain", "weights"])
def test_groups_are_left_out_as_with_rows(data, formula, by, arguments):
    compare(without_rows(formula, data, by, **arguments), lmer(formula, data, **arguments), by)


READ = [
    ("y ~ x + f + (x | g) + (1 | h)", "g"),
    ("y ~ x + f + (x | g) + (1 | h)", "h"),
    ("y ~ z + twice + (1 | g) + (z | h) + (1 | g:c)", "h"),
    ("y ~ 0 + x + z + (0 + z | g) + (1 | g:c) + (1 | h)", "g:c"),
    ("y ~ f + (x | g) + (1 | g:c)", "g"),
]


@pytest.mark.parametrize(("formula", "by"), READ)
@pytest.mark.parametrize("arguments", [{}, {"weights": "w", "offset": "z", "subset": "z < 2"}], ids=["plain", "more"])
@pytest.mark.parametrize("held", [10**7, 300])
def test_rows_that_are_read_again(data, tmp_path, monkeypatch, formula, by, arguments, held):
    """For factors that are crossed, in one reading, and in several of some levels each."""
    monkeypatch.setattr(batches, "MANY_ROWS", 1)
    monkeypatch.setattr(products_of_batches, "HELD", held)
    for i in range(3):
        data[i::3].to_parquet(tmp_path / f"{i}.parquet", index=False)
    summed = scale.fit(formula, str(tmp_path), **arguments)
    compare(summed.with_data(str(tmp_path)), lmer(formula, data, **arguments), by)


def test_by_maximum_likelihood_and_where_a_variance_is_zero(data):
    d = data.assign(y=np.random.default_rng(1).normal(size=len(data)))
    for formula in ("y ~ z + (1 | g)", "y ~ z + (x | g) + (1 | g:c)"):
        whole = lmer(formula, d, REML=False)
        assert any(whole.convergence.boundary.values())
        compare(without_rows(formula, d, "g", reml=False), whole, "g")


def test_what_has_no_estimate_without_a_level(data):
    formula = "y ~ z + alone + (1 | g)"
    summed = without_rows(formula, data, "g")
    lost = summed.influence("g").to_frame().cooks_distance.isna()
    assert lost.index[lost].tolist() == ["7"]
    compare(summed, lmer(formula, data), "g")


def test_the_fit_without_a_level_is_that_of_its_rows(data):
    """Against sums without the level, which are fitted again with theta where it is."""
    formula = "y ~ z + f + (z | g) + (1 | g:c)"
    recipe = scale.survey(formula, data).freeze()
    sums = scale.Statistic(recipe, by_level="g")
    sums.update(data)
    m = sums.fit()
    own = m.influence("g")
    for level in ("3", "11"):
        left = sums.without(g=level).fit()._fit
        solution = left.system.get(1).solution(m._fit.theta[left.order.core_of_theta], True, 1)
        np.testing.assert_allclose(np.array(solution.beta) - m.fixef, own.dfbeta.loc[level], atol=1e-8)


def test_levels_that_came_later(data):
    formula = "y ~ z + (z | g) + (1 | g:c)"
    first, later = data[data.g >= 5], data[data.g < 5]
    sums = scale.Statistic(scale.survey(formula, first).freeze(), by_level="g")
    sums.update(first)
    sums.update(later, new_levels="add")
    compare(sums.fit(), lmer(formula, data), "g")
    compare(sums.without(g=["2", "6"]).fit(), lmer(formula, data[~data.g.isin([2, 6])]), "g")


def test_of_files_and_copies(data, tmp_path):
    m = without_rows("y ~ z + (1 | g)", data, "g")
    m.save(tmp_path / "m.ranef")
    expected = m.influence("g").to_frame()
    for again in (ranef.load(tmp_path / "m.ranef"), pickle.loads(pickle.dumps(m))):
        pd.testing.assert_frame_equal(again.influence("g").to_frame(), expected)
    drawn = m.plot.influence("g").data
    assert drawn.change.abs().max() == pytest.approx(m.influence("g").dfbetas.abs().max(axis=1).max())


def test_what_needs_rows_says_so(data):
    m = without_rows("y ~ z + (1 | g) + (1 | h)", data, "g")
    with pytest.raises(DataError, match="'h' is crossed with 'g'"):
        m.influence("g")
    with pytest.raises(DataError, match="needs the rows"):
        m.influence()
    plain = scale.fit("y ~ z + (1 | g)", data)
    with pytest.raises(DataError, match=r"needs the rows.*by_level='g'"):
        plain.influence("g")


def test_other_rows_and_no_factor_are_refused(data, tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "MANY_ROWS", 1)
    data.to_parquet(tmp_path / "all.parquet", index=False)
    data[:900].to_parquet(tmp_path / "fewer.parquet", index=False)
    formula = "y ~ z + (1 | g) + (1 | h)"
    with pytest.raises(DataError, match="rows that can be used, and the model was made of"):
        scale.fit(formula, str(tmp_path / "all.parquet")).with_data(str(tmp_path / "fewer.parquet")).influence("g")
    iterative = scale.fit(formula, str(tmp_path / "all.parquet"), control={"solver": "iterative"})
    for m in (iterative, iterative.with_data(str(tmp_path / "all.parquet"))):
        with pytest.raises(DataError, match="influence of groups"):
            m.influence("g")
