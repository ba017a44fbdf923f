"""Random effects in the scale of ordered categories, against brute force and quadrature."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.stats import chi2, norm

from ranef import FormulaError, OptionError, RanefError, clmm, load_dataset

WINE = load_dataset("wine")
pytestmark = pytest.mark.filterwarnings(
    "ignore:singular fit", "ignore:the fit did not converge", "ignore:.*limit on evaluations"
)

#: Where the parameters are those of the test, and the fit is only the way to the likelihood.
FEW = {"max_evaluations": 6}

CROSSED = "rating ~ temp + (1 |p| judge) + (1 | bottle)"


def _distribution(link):
    if link == "probit":
        return norm.cdf
    if link == "logit":
        return lambda t: 1 / (1 + np.exp(-t))
    return lambda t: -np.expm1(-np.exp(t))


def _rows(fit):
    """Location columns, thresholds and scale of the rows, as functions of the parameters."""
    design = fit.design
    nominal = next((p.x for p in design.parts if p.name == "nominal"), None)
    return design.x, nominal, fit.predictor("scale").design.x, design.y.astype(int)


def _log_likelihoods(fit, beta, extras, zeta, location, scale):
    """Log-likelihood (n,) of the rows with random parts of location and log scale added."""
    x, nominal, columns, y = _rows(fit)
    f = _distribution(fit.family.link)
    cuts = fit.thresholds_at(extras, nominal, len(y))
    s = np.exp(-(columns @ zeta + scale))
    t = (cuts - (x @ beta + location)[:, None]) * s[:, None]
    below = np.pad(f(t), ((0, 0), (1, 1)), constant_values=((0, 0), (0.0, 1.0)))
    rows = np.arange(len(y))
    with np.errstate(divide="ignore"):
        return np.log(below[rows, y] - below[rows, y - 1])


@pytest.fixture(scope="module")
def crossed():
    return clmm(CROSSED, WINE, link="logit", nominal="~ contact", scale="~ temp + (1 |p| judge)")


def test_criterion_is_that_of_brute_force(crossed) -> None:
    """-2 log-likelihood by Laplace's approximation, mode and Hessian by differences in NumPy."""
    fit = crossed._fit
    joint = {s.formula: s for s in fit.whole.order.spans}
    judge, bottle = fit.whole.design.random
    theta = np.zeros(len(fit.whole_theta))
    factor = np.array([[0.9, 0.0], [0.3, 0.5]])
    theta[joint[0].theta_start : joint[0].theta_stop] = [0.9, 0.3, 0.5]
    theta[joint[1].theta_start] = 0.6
    beta, extras = fit.beta + 0.1, fit.extras + 0.02 * np.arange(len(fit.extras))
    zeta = fit.predictor("scale").beta - 0.05
    j, k = len(judge.levels), len(bottle.levels)

    def h(u):
        b = u[: 2 * j].reshape(j, 2) @ factor.T
        own = 0.6 * u[2 * j :]
        location = b[judge.codes, 0] + own[bottle.codes]
        return 0.5 * u @ u - _log_likelihoods(fit, beta, extras, zeta, location, b[judge.codes, 1]).sum()

    found = minimize(h, np.zeros(2 * j + k), method="BFGS", options={"gtol": 1e-9, "maxiter": 2000})
    n, e = len(found.x), 1e-3
    units = e * np.eye(n)

    def second(a, b):
        u = found.x
        return (h(u + a + b) - h(u + a - b) - h(u - a + b) + h(u - a - b)) / (4 * e * e)

    def differences():
        upper = np.array([[second(units[a], units[b]) if a <= b else 0.0 for b in range(n)] for a in range(n)])
        return upper + np.triu(upper, 1).T

    hessian = differences()
    # differences of second order: once more with half the step takes their error away
    units, e = units / 2, e / 2
    half = differences()
    expected = 2 * found.fun + np.linalg.slogdet((4 * half - hessian) / 3)[1]
    core = np.ascontiguousarray(theta[fit.whole.order.core_of_theta])
    at = fit.system.get(1).evaluate(core, fit.joined(beta, extras, zeta), None, 1, "observed")
    assert at.objective == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "loglog", "cauchit"])
def test_gradient_equals_differences(link: str) -> None:
    m = clmm(CROSSED, WINE, link=link, nominal="~ contact", scale="~ temp + (1 |p| judge)", control=FEW)
    fit, rng = m._fit, np.random.default_rng(3)
    system, t = fit.system.get(1), len(fit.whole_theta)
    x = np.concatenate([fit.core_theta, fit.core_beta]) + 0.1 * rng.standard_normal(t + len(fit.core_beta))
    x[:t] += 0.3

    def at(x):
        return system.evaluate(x[:t], x[t:], None, 1, "observed")

    step = 1e-4 * np.eye(len(x))
    near = np.array([at(x + s).objective - at(x - s).objective for s in step])
    far = np.array([at(x + 2 * s).objective - at(x - 2 * s).objective for s in step])
    slopes = (8 * near - far) / 12e-4
    assert np.allclose(at(x).gradient, slopes, atol=1e-6 * np.maximum(1, np.abs(slopes)))


def test_quadrature_is_the_integral() -> None:
    """One factor with an effect on the location and one on the scale: sums on a fine grid."""
    m = clmm("rating ~ temp + (1 |p| judge)", WINE, link="probit", scale="~ (1 |p| judge)", n_quad=25, control=FEW)
    fit = m._fit
    factor = np.array([[1.1, 0.0], [0.2, 0.4]])
    grid, step = np.linspace(-8.0, 8.0, 121, retstep=True)
    u, v = (g.ravel() for g in np.meshgrid(grid, grid, indexing="ij"))
    location, scale = factor @ np.stack([u, v])
    cuts, fixed, y = m.thresholds.to_numpy(), fit.design.x @ fit.beta, fit.design.y.astype(int)
    judge, total = fit.design.random[0], 0.0
    for level in range(len(judge.levels)):
        rows = np.flatnonzero(judge.codes == level)
        t = (cuts - (fixed[rows] + location[:, None])[..., None]) * np.exp(-scale)[:, None, None]
        p = np.diff(np.pad(norm.cdf(t), ((0, 0), (0, 0), (1, 1)), constant_values=((0, 0), (0, 0), (0, 1))), axis=2)
        own = p[:, np.arange(len(rows)), y[rows] - 1].prod(axis=1)
        total += np.log((own * norm.pdf(u) * norm.pdf(v)).sum() * step**2)
    at = fit.system.get(1).evaluate(np.array([1.1, 0.2, 0.4]), fit.core_beta, None, 35, "observed")
    assert at.objective == pytest.approx(-2 * total, abs=5e-6)


def test_without_variance_it_is_the_model_without_them() -> None:
    plain = clmm("rating ~ temp + (1 | judge)", WINE, scale="~ contact")
    m = clmm("rating ~ temp + (1 | judge)", WINE, scale="~ contact + (1 | judge)")
    fit = m._fit
    spans = {s.formula: s for s in fit.whole.order.spans}
    theta = np.zeros(2)
    theta[spans[0].theta_start] = plain._fit.theta[0]
    at = fit.system.get(1).evaluate(
        np.ascontiguousarray(theta[fit.whole.order.core_of_theta]), plain._fit.core_beta, None, 1, "observed"
    )
    assert at.objective == pytest.approx(plain.objective, abs=1e-8)
    assert m.objective <= plain.objective + 1e-8
    assert m.npar == plain.npar + 1


@pytest.fixture(scope="module")
def drawn():
    """Raters who differ in where they are and in how much of the scale they use."""
    rng = np.random.default_rng(4)
    n, groups = 3000, 60
    data = pd.DataFrame({"g": rng.integers(0, groups, n), "x": rng.normal(size=n)})
    a = rng.normal(size=groups)
    s = 0.4 * rng.normal(size=groups) + 0.2 * a
    latent = 0.8 * data.x + a[data.g] + np.exp(0.3 * data.x + s[data.g]) * rng.normal(size=n)
    data["y"] = pd.Categorical(np.digitize(latent, [-1.5, -0.3, 0.6, 1.8]), ordered=True)
    m = clmm("y ~ x + (1 |p| g)", data, link="probit", scale="~ x + (1 |p| g)")
    return data, s, m


def test_what_was_drawn_is_found(drawn) -> None:
    _, s, m = drawn
    assert m.convergence.ok
    assert m.component("scale").fixef["x"] == pytest.approx(0.3, abs=3 * m.component("scale").bse["x"])
    block = m.varcorr["g"]
    assert block.names == ("cond.(Intercept)", "scale.(Intercept)")
    assert block.sd[1] == pytest.approx(np.sqrt(0.4**2 + 0.2**2), abs=0.15)
    assert block.corr[0, 1] == pytest.approx(0.2 / np.sqrt(0.2), abs=0.3)
    modes = m.component("scale").ranef()["g"].iloc[:, 0]
    assert np.corrcoef(modes, s)[0, 1] > 0.9
    assert list(m.component("scale").varcorr) == ["g"]
    assert m.conf_int(component="scale").loc["x"].between(0.1, 0.5).all()
    assert list(m.conf_int(component="all").index.get_level_values(0).unique()) == ["cond", "thresholds", "scale"]


def test_predictions_have_the_scale_of_their_group(drawn) -> None:
    data, _, m = drawn
    fit = m._fit
    zeta = m.component("scale").linear_predictor
    own = data.g.to_numpy()
    scale = m.component("scale")
    expected = scale.fixef["x"] * data.x + scale.ranef()["g"].to_numpy()[own, 0]
    assert np.allclose(zeta, expected, atol=1e-10)
    below = norm.cdf((m.thresholds.to_numpy() - fit.eta[:, None]) * np.exp(-expected.to_numpy())[:, None])
    found = m.predict(type="prob")
    assert np.allclose(found, np.diff(np.pad(below, ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1)))), atol=1e-12)
    assert np.allclose(m.predict(data.head(20), type="prob"), found.head(20), atol=1e-12)
    population = m.predict(data.head(3).drop(columns="g"), type="prob", re="population")
    assert np.allclose(population.sum(axis=1), 1.0)
    assert not np.allclose(population, found.head(3), atol=1e-3)


@pytest.fixture(scope="module")
def redrawn(drawn):
    """Fits of a parametric bootstrap."""
    m = drawn[2]
    draws = m.simulate(12, rng=5)
    return [m.refit(draws[c]) for c in draws]


def test_standard_errors_move_with_all_parameters(drawn, redrawn) -> None:
    """The spread of predictions of parametric bootstrap fits is of the size of the errors."""
    data, _, m = drawn
    new = pd.DataFrame({"x": [0.0, 1.0]})
    se = m.predict(new, type="prob", re="population", se=True)["se"].to_numpy()
    spread = [again.predict(new, type="prob", re="population").to_numpy() for again in redrawn]
    ratio = np.std(spread, axis=0, ddof=1) / se
    assert 0.6 < np.median(ratio) < 1.6
    conditional = m.predict(data.head(5), type="prob", se=True)
    assert (conditional["se"].to_numpy() > 0).all()


def test_saved_and_fitted_to_other_rows(drawn, tmp_path) -> None:
    import ranef

    data, _, m = drawn
    m.save(tmp_path / "m.ranef")
    again = ranef.load(tmp_path / "m.ranef")
    assert np.allclose(again.predict(type="prob"), m.predict(type="prob"))
    shuffled = clmm(m.formula, data.sample(frac=1.0, random_state=1), link="probit", scale="~ x + (1 |p| g)")
    assert shuffled.objective == pytest.approx(m.objective, abs=1e-7)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"nominal": "~ contact + (1 | judge)"}, FormulaError, "random effects in nominal are not fitted"),
        ({"scale": "~ (1 | judge)", "start": [1.0]}, OptionError, "start= is for models without random effects in"),
    ],
)
def test_what_is_refused(arguments, error, says) -> None:
    with pytest.raises(error, match=says):
        clmm("rating ~ temp + (1 | judge)", WINE, **arguments)


def test_names_of_bars_survive_an_update() -> None:
    m = clmm("rating ~ temp + contact + (1 |p| judge)", WINE, scale="~ (1 |p| judge)")
    assert m.update(". ~ . - contact").formula == "rating ~ temp + (1 |p| judge)"
    assert "(1 |p| judge)" in str(m.summary())


def test_scores_are_those_of_all_parameters(drawn) -> None:
    """Scores of the groups sum to the gradient, which is zero at the optimum."""
    from ranef.fit.scores import row_score

    fit = drawn[2]._fit
    codes = fit.design.random[0].codes
    scores = np.array([row_score(fit, np.flatnonzero(codes == g)) for g in range(codes.max() + 1)])
    assert scores.shape[1] == len(fit.joint_covariance())
    errors = np.sqrt(np.diagonal(fit.joint_covariance()))
    assert np.abs(scores.sum(axis=0) * errors).max() < 1e-3


def test_what_other_programs_lack_is_said(drawn) -> None:
    with pytest.raises(RanefError, match="random effects in the scale"):
        drawn[2].to_syntax("lme4")


def test_averages_are_integrals(drawn, redrawn) -> None:
    """Over location and scale together, on a fine grid in NumPy; with the errors of differences."""
    data, _, m = drawn
    grid, step = np.linspace(-8.0, 8.0, 801, retstep=True)
    u, v = (g.ravel() for g in np.meshgrid(grid, grid, indexing="ij"))
    b = np.linalg.cholesky(m.varcorr["g"].cov) @ np.stack([u, v])
    weight = norm.pdf(u) * norm.pdf(v) * step**2
    eta, zeta = m.fixef["x"] * 0.7 + b[0], m.component("scale").fixef["x"] * 0.7 + b[1]
    below = [(norm.cdf((cut - eta) * np.exp(-zeta)) * weight).sum() for cut in m.thresholds]
    expected = np.diff([0.0, *below, 1.0])
    found = m.predict({"x": [0.7]}, type="prob", re="marginal").to_numpy()[0]
    np.testing.assert_allclose(found, expected, atol=1e-7)
    unseen = m.predict({"x": [0.7], "g": [999]}, type="prob", new_levels="marginal").to_numpy()[0]
    np.testing.assert_allclose(unseen, found, atol=1e-12)
    own = m.predict(data.head(3), type="prob", new_levels="marginal")
    np.testing.assert_allclose(own, m.predict(data.head(3), type="prob"), atol=1e-12)
    se = m.predict({"x": [0.7]}, type="prob", re="marginal", se=True)["se"].to_numpy()[0]
    spread = [again.predict({"x": [0.7]}, type="prob", re="marginal").to_numpy()[0] for again in redrawn]
    assert 0.6 < np.median(np.std(spread, axis=0, ddof=1) / se) < 1.6


def test_the_panel_of_checks(drawn) -> None:
    from ranef.diagnostics.check import check
    from ranef.fit.refits.modes import modes_of

    fit = drawn[2]._fit
    titles = [part.title for part in check(fit, 1)]
    assert titles == [
        "Simulated residuals",
        "Residuals along x",
        "Observed and simulated responses",
        "Random effects: (Intercept) of g",
        "Accuracy of Laplace's approximation",
    ]
    own = modes_of(fit, fit.design.y)
    np.testing.assert_allclose(own.effects[0], fit.b[0], atol=1e-8)
    np.testing.assert_allclose(own.fitted, [fit.eta, fit.log_scale], atol=1e-8)


def test_new_responses_have_effects_of_both(drawn) -> None:
    """Shares of categories in new groups, against sums over draws of both effects in NumPy."""
    data, _, m = drawn
    new = pd.DataFrame({"x": [0.5] * 3000, "g": [f"new{i}" for i in range(3000)]})
    found = m.simulate(newdata=new, rng=2).to_numpy().ravel()
    b = np.random.default_rng(3).multivariate_normal(np.zeros(2), m.varcorr["g"].cov, size=200_000)
    eta, zeta = m.fixef["x"] * 0.5 + b[:, 0], m.component("scale").fixef["x"] * 0.5 + b[:, 1]
    below = norm.cdf((m.thresholds.to_numpy() - eta[:, None]) * np.exp(-zeta)[:, None]).mean(axis=0)
    shares = np.array([(found <= k).mean() for k in range(1, 5)])
    assert np.abs(shares - below).max() < 4 * 0.5 / np.sqrt(3000)
    known = m.simulate(400, newdata=data.head(5), re="conditional", rng=2).to_numpy()
    expected = m.predict(data.head(5), type="mean_class").to_numpy()
    assert np.abs(known.mean(axis=1) - expected).max() < 0.25


def test_groups_are_drawn_with_their_scale(drawn) -> None:
    """A fit to groups that were drawn is that of a frame of copies of their rows."""
    from ranef.fit.refits.again import fit_again
    from ranef.inference.bootstrap.rows import designs_of_groups

    data, _, m = drawn
    picks = [3, 3, 0, 17, 58, 1, 1, *range(20, 50)]
    location, *others = designs_of_groups([p.design for p in m._fit.predictors], "g", picks)
    found = fit_again(m._fit, location, order=m._fit.order, others=tuple(others))
    rows = [np.flatnonzero(data.g == g) for g in picks]
    copies = data.iloc[np.concatenate(rows)].assign(g=np.repeat(np.arange(len(picks)), [len(r) for r in rows]))
    again = clmm(m.formula, copies, link="probit", scale="~ x + (1 |p| g)")
    assert found.objective == pytest.approx(again.objective, abs=1e-6)
    made = m.bootstrap(2, type="cases", rng=1)
    assert made.n_failed == 0


def test_latent_predictions_have_errors(drawn) -> None:
    """Of the location: the delta method by differences of whole evaluations."""
    data, _, m = drawn
    fit, row = m._fit, data.head(1)
    se = m.predict(row, type="latent", se=True)["se"].iloc[0]
    x0 = np.concatenate([fit.whole_theta, fit.whole_beta])
    t = len(fit.whole_theta)

    def location(x):
        return x[t] * row.x.iloc[0] + fit.effects_at(x[:t], x[t:])[0][0][row.g.iloc[0], 0]

    steps = 1e-4 * np.sqrt(np.diagonal(fit.whole_vcov))
    slope = np.array([(location(x0 + h) - location(x0 - h)) / (2 * h.max()) for h in np.diag(steps)])
    own = fit.conditional_covariances_of(0)[0][row.g.iloc[0], 0, 0]
    assert se == pytest.approx(np.sqrt(slope @ fit.whole_vcov @ slope + own), rel=1e-3)


def test_the_variance_of_the_scale_is_tested_at_its_bound(drawn) -> None:
    """Half of the chance is at zero (Self and Liang 1987), half that of a chi-square."""
    import ranef

    data = drawn[0]
    small = clmm("y ~ x + (1 | g)", data, link="probit", scale="~ x")
    large = clmm("y ~ x + (1 | g)", data, link="probit", scale="~ x + (1 | g)")
    rows = ranef.anova(small, large)
    assert rows["df"].iloc[1] == 1
    assert rows["p_value_boundary"].iloc[1] == pytest.approx(rows["p_value"].iloc[1] / 2)
    none = clmm("y ~ x + (1 | g)", data, link="probit")
    fixed = ranef.anova(none, small)
    assert fixed["df"].iloc[1] == 1
    assert "p_value_boundary" not in fixed
    both = ranef.anova(none, large)
    assert both["df"].iloc[1] == 2
    chi = both["chisq"].iloc[1]
    assert both["p_value_boundary"].iloc[1] == pytest.approx((chi2.sf(chi, 1) + chi2.sf(chi, 2)) / 2)


def test_terms_at_the_boundary_are_named_by_their_predictor() -> None:
    m = clmm("rating ~ temp + (1 | judge)", WINE, scale="~ (1 | judge)")
    assert m.convergence.boundary == {"scale:judge": 1}
    assert list(m.varcorr) == ["judge", "scale:judge"]


def test_random_effects_in_the_scale_alone() -> None:
    m = clmm("rating ~ temp + contact", WINE, scale="~ (1 | judge)")
    assert list(m.varcorr) == ["scale:judge"]
    assert m.convergence.ok
    assert np.allclose(m.predict(type="prob").sum(axis=1), 1.0)
