"""The diagnostic panel and the picture of correlations of models whose rows are correlated."""

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot

from ranef import OptionError, gls, lmer, load_dataset, mmrm
from ranef.diagnostics.row_correlation import autocorrelation, normalized_rows, semivariogram
from ranef.estimates.whitened_rows import whitened_rows

matplotlib.use("Agg")

ORTHODONT = load_dataset("orthodont")
LINE = "distance ~ Sex * age"


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


@pytest.fixture
def crossed():
    data = load_dataset("sleepstudy").assign(day=lambda d: d["Days"] + 1.0).sample(frac=1, random_state=2)
    return lmer("Reaction ~ Days + (1 | Subject)", data, correlation="ar1(Days | Subject)", variance="power(day)")


def test_residuals_of_whitened_responses_are_the_normalized_ones(crossed):
    """Rows in any order: the system by blocks has those of the core."""
    for m in (crossed, gls(LINE, ORTHODONT, correlation="us(factor(age) | Subject)")):
        fit = m._fit
        system = whitened_rows(fit)
        whitened = fit.whitened(np.asarray(fit.design.y, dtype=float))[system.order] / fit.sigma
        found = system.residuals(whitened[:, None])[:, 0]
        assert found == pytest.approx(m.residuals("normalized").to_numpy()[system.order], abs=1e-7)


def test_autocorrelation_by_lag_is_that_of_pairs_by_hand():
    """As ``ACF(m, resType = "normalized")`` of nlme: pairs in a subject by the mean square."""
    m = gls(LINE, ORTHODONT, correlation="arma(1 | Subject, p=0, q=1)")
    e = m.residuals("normalized").to_numpy().reshape(27, 4)
    found = autocorrelation(m._fit.design.residual, normalized_rows(m._fit, np.random.default_rng(1)))
    expected = [np.mean(e[:, h:] * e[:, :-h]) / np.mean(e**2) for h in (1, 2, 3)]
    assert found.value == pytest.approx(expected, abs=1e-12)
    assert found.pairs.tolist() == [81, 54, 27]
    assert found.p_value < 0.01


def test_semivariogram_by_distance_is_that_of_pairs_by_hand():
    m = gls(LINE, ORTHODONT, correlation="exp(age | Subject)")
    e = m.residuals("normalized").to_numpy().reshape(27, 4)
    found = semivariogram(m._fit.design.residual, normalized_rows(m._fit, np.random.default_rng(1)))
    assert found.at.tolist() == [2.0, 4.0, 6.0]
    expected = [np.mean((e[:, h:] - e[:, :-h]) ** 2) / 2 for h in (1, 2, 3)]
    assert found.value == pytest.approx(expected, abs=1e-12)


def test_ranges_hold_what_the_model_draws():
    """Chance findings are rare in data from the model: residuals of new draws, parameters known."""
    m = gls(LINE, ORTHODONT, correlation="ar1(1 | Subject)")
    rows = m._fit.design.residual
    at = normalized_rows(m._fit, np.random.default_rng(1))
    others = normalized_rows(m._fit, np.random.default_rng(2)).drawn.T[:200]
    p = [autocorrelation(rows, type(at)(own, at.drawn[:, :250], at.order)).p_value for own in others]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.05)
    assert np.mean(p) == pytest.approx(0.5, abs=0.07)


def test_panel_names_what_a_structure_leaves(crossed):
    titles = [a.get_title(loc="left") for a in crossed.check(rng=1)]
    assert titles[:2] == ["Autocorrelation left", "Semivariogram left"]
    assert len(titles) == 6
    axes = gls(LINE, ORTHODONT, correlation="arma(1 | Subject, p=0, q=1)").check(rng=1)
    assert "at lag 2" in axes[0].sentence
    assert "does not have all the correlation" in axes[0].sentence
    assert len(lmer(LINE + " + (1 | Subject)", ORTHODONT, variance="by_group(Sex)").check(rng=1)) == 4


def test_picture_of_the_correlations():
    m = gls(LINE, ORTHODONT, correlation="ar1(factor(age) | Subject)", variance="by_group(Sex)")
    (axes,) = m.plot.residual_correlation()
    rho = m.structure["rho"]
    assert axes.data.loc["8"].tolist() == pytest.approx([1, rho, rho**2, rho**3])
    m = mmrm("distance ~ age + us(age | Sex/Subject)", ORTHODONT)
    axes = m.plot.residual_correlation()
    assert [a.get_title(loc="left") for a in axes] == ["Male", "Female"]
    assert next(t.get_text() for t in axes[0].texts) == f"sd {np.sqrt(m.residual_cov['Male'].iat[0, 0]):.3g}"
    with pytest.raises(OptionError, match="independent"):
        lmer(LINE + " + (1 | Subject)", ORTHODONT).plot.residual_correlation()
