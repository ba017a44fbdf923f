"""Tests of fixed effects:
against plain n × n algebra, on the boundary, and for input that cannot be used.
"""

import os
import pickle
from typing import Any

import numpy as np
import pytest

import ranef
from ranef.errors import ArgumentTypeError, DesignError, OptionError, RanefError, RanefWarning
from ranef.inference import kenward_roger as kenward_roger_module
from ranef.inference.contrasts import parse_contrasts
from ranef.inference.kenward_roger import kenward_roger
from reference.store import load_data

SLOPE = "Reaction ~ Days + (Days | Subject)"


def sleep() -> Any:
    return ranef.lmer(SLOPE, load_data("sleepstudy"))


def crossed(weights: bool = False, reml: bool = True) -> Any:
    rng = np.random.default_rng(7)
    n = 120
    data = {
        "a": rng.integers(0, 9, n),
        "b": rng.integers(0, 6, n),
        "x": rng.normal(size=n),
        "w": rng.uniform(0.3, 3, n),
    }
    slopes, shifts = rng.normal(size=9), rng.normal(size=(2, 9))
    data["y"] = data["x"] * (1 + slopes[data["a"]]) + shifts[0][data["a"]] + shifts[1][data["b"]] + rng.normal(size=n)
    return ranef.lmer("y ~ x + (x | a) + (1 | b)", data, weights="w" if weights else None, REML=reml)


def dense_kenward_roger(m: Any) -> np.ndarray:
    """The adjusted covariance as Kenward and Roger (1997) define it,
    by matrices of the order of the data.
    """
    fit = m._fit
    n = fit.nobs
    derivatives = []
    marginal = np.zeros((n, n))
    for term, factor in zip(fit.terms, fit.relative_factors, strict=True):
        same = term.codes[:, None] == term.codes[None, :]
        sigma = fit.sigma**2 * factor @ factor.T
        k = len(term.names)
        for i in range(k):
            for j in range(i + 1):
                g = np.outer(term.z[:, i], term.z[:, j]) * same
                derivatives.append(g if i == j else g + g.T)
                marginal += sigma[i, j] * derivatives[-1]
    derivatives.append(np.diag(1 / fit.design.weights) if fit.design.weights is not None else np.eye(n))
    marginal += fit.sigma**2 * derivatives[-1]
    inverse = np.linalg.inv(marginal)
    x = fit.x
    phi = np.linalg.inv(x.T @ inverse @ x)
    p = [-x.T @ inverse @ g @ inverse @ x for g in derivatives]
    q = [[x.T @ inverse @ g @ inverse @ h @ inverse @ x for h in derivatives] for g in derivatives]
    r = range(len(derivatives))
    information = np.array(
        [
            [
                np.trace(inverse @ derivatives[i] @ inverse @ derivatives[j])
                - 2 * np.trace(phi @ q[i][j])
                + np.trace(phi @ p[i] @ phi @ p[j])
                for j in r
            ]
            for i in r
        ]
    )
    w = 2 * np.linalg.inv(information)
    return phi + 2 * phi @ sum(w[i, j] * (q[i][j] - p[i] @ phi @ p[j]) for i in r for j in r) @ phi


def dense_satterthwaite(m: Any) -> np.ndarray:
    """Degrees of freedom of the coefficients from the observed information about variances
    and covariances, by matrices of the order of the data.
    """
    fit = m._fit
    n, y, x = fit.nobs, fit.design.y, fit.x
    derivatives = []
    marginal = np.zeros((n, n))
    for term, span, factor in zip(fit.terms, fit.order.spans, fit.relative_factors, strict=True):
        same = term.codes[:, None] == term.codes[None, :]
        sigma = fit.sigma**2 * factor @ factor.T
        for i in range(len(term.names)):
            for j in range(i + 1):
                if i != j and span.diagonal:
                    continue
                g = np.outer(term.z[:, i], term.z[:, j]) * same
                derivatives.append(g if i == j else g + g.T)
                marginal += sigma[i, j] * derivatives[-1]
    derivatives.append(np.diag(1 / fit.design.weights) if fit.design.weights is not None else np.eye(n))
    marginal += fit.sigma**2 * derivatives[-1]
    inverse = np.linalg.inv(marginal)
    phi = np.linalg.inv(x.T @ inverse @ x)
    project = inverse - inverse @ x @ phi @ x.T @ inverse
    middle = project if fit.reml else inverse
    hessian = np.array(
        [
            [-np.trace(middle @ g @ middle @ h) + 2 * y @ project @ g @ project @ h @ project @ y for h in derivatives]
            for g in derivatives
        ]
    )
    gradients = np.array([np.diagonal(phi @ x.T @ inverse @ g @ inverse @ x @ phi) for g in derivatives])
    return 2 * np.diagonal(phi) ** 2 / np.einsum("rp,rs,sp->p", gradients, 2 * np.linalg.inv(hessian), gradients)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("weights", [False, True])
def test_satterthwaite_is_that_of_plain_algebra(weights: bool, reml: bool) -> None:
    m = crossed(weights, reml)
    np.testing.assert_allclose(m.df, dense_satterthwaite(m), rtol=1e-6)


@pytest.mark.parametrize("weights", [False, True])
def test_kenward_roger_is_that_of_plain_algebra(weights: bool) -> None:
    """With prior weights too, which pbkrtest leaves out of the residual covariance."""
    m = crossed(weights)
    np.testing.assert_allclose(m.cov_params(ddf="kenward-roger"), dense_kenward_roger(m), rtol=1e-9)


@pytest.mark.parametrize(
    "random",
    ["(x | a)", "(x | a) + (x | b)", "(x || a) + (1 | b)", "(1 | a) + (x + z | b) + (1 | c)", "(0 + x | a) + (1 | a)"],
)
def test_every_layout_is_that_of_plain_algebra(random: str) -> None:
    """One factor, several terms on one, vector effects of the largest factor and of the others."""
    rng = np.random.default_rng(5)
    n = 240
    data = {k: rng.integers(0, m, n) for k, m in (("a", 25), ("b", 14), ("c", 9))}
    data |= {"x": rng.normal(size=n), "z": rng.normal(size=n), "y": rng.normal(size=n)}
    for k, m in (("a", 25), ("b", 14), ("c", 9)):
        s, t, u = rng.normal(size=(3, m))
        data["y"] = data["y"] + s[data[k]] + t[data[k]] * data["x"] + u[data[k]] * data["z"]
    m = ranef.lmer(f"y ~ x + z + {random}", data)
    assert not m.is_singular
    np.testing.assert_allclose(m.cov_params(ddf="kenward-roger"), dense_kenward_roger(m), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(m.df, dense_satterthwaite(m), rtol=1e-6)


@pytest.mark.parametrize("origin", [0.0, 19030.0, -2e6])
def test_a_covariate_far_from_zero_in_a_random_slope(origin: float) -> None:
    """A day of the calendar, centred and not.

    Values: lmerTest 3.1-3 with pbkrtest 0.5.2, t centred and divided by 17 so that lme4 reaches the
    optimum.
    """
    rng = np.random.default_rng(3)
    n, g = 150, np.repeat(np.arange(15), 10)
    for low, high, b in ((1990, 2021, 0.05), (19000, 19060, 0.03)):
        t = rng.integers(low, high, n) - (low + high) // 2
        shift, slope = 0.5 * rng.normal(size=15)[g], b * rng.normal(size=15)[g]
        y = 1 + 0.7 * b * t + shift + slope * t + rng.normal(size=n)
    m = ranef.lmer("y ~ t + (t | g)", {"y": y, "t": t + origin, "g": g})
    kr = m.tidy("fixed", ddf="kenward-roger").iloc[1]
    assert kr["df"] == pytest.approx(13.831096285, rel=1e-6)
    assert kr["std_error"] == pytest.approx(0.0085554675653, rel=1e-6)
    assert kr["p_value"] == pytest.approx(0.000992773333437, rel=1e-6)
    assert m.df["t"] == pytest.approx(12.8852494, rel=1e-5)
    mean = m.test([[1, origin]], ddf="kenward-roger", joint=False).iloc[0]
    assert mean["df"] == pytest.approx(13.9929376334, rel=1e-6)
    assert mean["std_error"] == pytest.approx(0.2284273271199, rel=1e-6)


@pytest.mark.parametrize("origin", [0.0, 200.0, 3e4, 1e5])
def test_mean_at_the_mean_of_a_covariate_far_from_zero(origin: float) -> None:
    """lmerTest 3.1-3 with pbkrtest 0.5.2, centred:
    13.98384128 and 13.52170715 degrees of freedom.
    """
    rng = np.random.default_rng(3)
    n, g = 150, np.repeat(np.arange(15), 10)
    for low, high in ((1990, 2021), (19000, 19060)):
        rng.integers(low, high, n)
        rng.normal(size=30 + n)
    x = rng.normal(size=n)
    y = 1 + 0.5 * x + 0.5 * rng.normal(size=15)[g] + 0.4 * rng.normal(size=15)[g] * x + rng.normal(size=n)
    m = ranef.lmer("y ~ x + (x | g)", {"y": y, "x": x + origin, "g": g})
    found = m.test([[0, 1], [1, origin]], ddf="kenward-roger", joint=False)
    np.testing.assert_allclose(found["df"], [13.5217071507, 13.9838412788], rtol=1e-6)
    np.testing.assert_allclose(m.df["x"], 16.2206, atol=2e-4)


@pytest.mark.parametrize("unit", [1e-8, 1.0, 1e4, 1e12])
def test_the_unit_of_weights_does_not_matter(unit: float) -> None:
    """Values by matrices of the order of the data, for weights of order one."""
    rng = np.random.default_rng(3)
    n = 120
    g, x = np.repeat(np.arange(12), 10), rng.normal(size=n)
    y = 1 + 0.5 * x + 0.5 * rng.normal(size=12)[g] + 0.4 * rng.normal(size=12)[g] * x + rng.normal(size=n)
    w = rng.uniform(0.5, 2, n)
    m = ranef.lmer("y ~ x + (x | g)", {"y": y, "x": x, "g": g, "w": w * unit}, weights="w")
    if unit == 1.0:
        np.testing.assert_allclose(m.df, dense_satterthwaite(m), rtol=1e-6)
    np.testing.assert_allclose(m.df, [11.02823, 8.60239], atol=1e-5)
    assert m.pvalues.iloc[1] == pytest.approx(0.00468689, rel=1e-5)
    np.testing.assert_allclose(m.tidy("fixed", ddf="kenward-roger")["df"], [10.98024, 10.63056], atol=1e-5)


@pytest.mark.parametrize("unit", [1e-150, 1e-100, 1e-35, 1e50, 1e150])
def test_responses_of_any_unit(unit: float) -> None:
    """Neither a variance nor its inverse may be squared on the way."""
    rng = np.random.default_rng(4)
    n, g = 150, np.repeat(np.arange(15), 10)
    x, f = rng.normal(size=n), np.array(list("abc"))[rng.integers(0, 3, n)]
    y = 1 + 0.5 * x + 0.5 * rng.normal(size=15)[g] + rng.normal(size=n)

    def found(scale: float) -> list[float]:
        m = ranef.lmer("y ~ x + f + (1 | g)", {"y": y * scale, "x": x, "g": g, "f": f})
        return [
            *m.tidy("fixed")["df"],
            *m.tidy("fixed", ddf="kenward-roger")["p_value"],
            *m.anova(ddf="kenward-roger")["f_value"],
            *m.emmeans("f").pairs().to_frame()["p_value"],
            *m.emmeans("f").pairs(adjust="scheffe").to_frame()["p_value"],
            *m.tidy("fixed", cov="CR2", cluster="g")["df"],
            *m.tidy("fixed", cov="CR1", cluster="g")["p_value"],
            *m.test(["f[T.b]", "f[T.c]"], cov="CR2", cluster="g")["p_value"],
        ]

    np.testing.assert_allclose(found(unit), found(1.0), rtol=1e-6)


def test_thousands_of_threads_are_cut() -> None:
    """They would take minutes to start."""
    m = ranef.lmer(SLOPE, load_data("sleepstudy"), n_threads=100_000)
    assert m._fit.n_threads <= max(16, os.cpu_count() or 1)
    np.testing.assert_allclose(m.df, sleep().df, rtol=1e-12)


def test_contrasts_in_units_far_apart_are_not_dependent() -> None:
    data = load_data("sleepstudy")
    m = ranef.lmer("Reaction ~ Days + I(Days**2) + (1 | Subject)", data)
    plain, apart = (m.test([[0, 1, 0], [0, 0, a]], joint=True, ddf="kenward-roger") for a in (1.0, 1e10))
    np.testing.assert_allclose(plain, apart, rtol=1e-8)


def test_weights_are_relative() -> None:
    data = load_data("sleepstudy").assign(w=np.linspace(1, 3, 180))
    plain, scaled = (ranef.lmer(SLOPE, data, weights=w) for w in ("w", "100 * w"))
    for ddf in ("satterthwaite", "kenward-roger"):
        np.testing.assert_allclose(plain.anova(ddf=ddf)["den_df"], scaled.anova(ddf=ddf)["den_df"], rtol=1e-5)


def test_units_do_not_matter() -> None:
    data = load_data("sleepstudy")
    plain, scaled = (
        ranef.lmer(SLOPE, data),
        ranef.lmer(SLOPE, data.assign(Days=data["Days"] * 1e4, Reaction=data["Reaction"] * 1e-3)),
    )
    for ddf in ("satterthwaite", "kenward-roger"):
        np.testing.assert_allclose(
            plain.summary(ddf).fixed.values[:, 2:], scaled.summary(ddf).fixed.values[:, 2:], rtol=1e-5
        )


def test_boundary_is_said() -> None:
    with pytest.warns(RanefWarning, match="singular"):
        m = ranef.lmer("Yield ~ 1 + (1 | Batch)", load_data("Dyestuff2"))
    # Without random effects it is the t test of a mean: n - 1.
    assert m.df.tolist() == pytest.approx([29.0], rel=1e-9)
    assert any("Satterthwaite on the boundary" in note for note in m.summary().notes)
    assert any("Kenward-Roger on the boundary" in note for note in m.summary("kenward-roger").notes)
    assert m.summary("none").notes == ()
    table = m.anova()
    assert list(table) == ["sum_sq", "mean_sq", "num_df", "den_df", "f_value", "p_value"]
    assert len(table) == 0


def test_boundary_in_every_order_of_the_effects() -> None:
    """A correlation of one: the degrees of freedom are those
    of the covariance matrices of rank one, however the effects are ordered.
    """
    data = load_data("IGF")
    found = []
    for effects in ("age", "0 + age + one"):
        with pytest.warns(RanefWarning, match="singular"):
            found.append(ranef.lmer(f"conc ~ age + ({effects} | Lot)", data.assign(one=1.0)).df)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4)


def test_residual_and_no_degrees_of_freedom() -> None:
    m = sleep()
    assert m.test("Days", ddf="residual")["df"].item() == 178
    assert m.test("Days", ddf="none")["df"].item() == np.inf
    # qnorm(0.975) = 1.959963984540054
    row = m.test("Days", ddf="none").iloc[0]
    assert row["upper"] - row["estimate"] == pytest.approx(1.959963984540054 * row["std_error"], rel=1e-12)
    # qchisq(0.95, 1) = 3.841458820694124
    found = m.test("Days", rhs=row["estimate"] - np.sqrt(3.841458820694124) * row["std_error"], ddf="none", joint=True)
    assert found["p_value"].item() == pytest.approx(0.05, rel=1e-9)


def test_nothing_is_computed_by_the_fit_and_once_by_tests() -> None:
    m = sleep()
    assert "_tests" not in vars(m)
    assert m.df is m.df
    assert m.pvalues.index.equals(m.fixef.index)
    copy = pickle.loads(pickle.dumps(m))
    np.testing.assert_allclose(copy.pvalues, m.pvalues, rtol=1e-9)


def test_model_without_fixed_effects() -> None:
    m = ranef.lmer("Reaction ~ 0 + (Days | Subject)", load_data("sleepstudy"))
    assert len(m.df) == 0
    assert len(m.anova()) == 0
    assert "Fixed effects" not in str(m.summary())


@pytest.mark.parametrize(
    ("text", "row", "value"),
    [
        ("x = 0.5", [0, 1, 0, 0], 0.5),
        ("(Intercept) + 2 * x - x:f[T.b] / 4", [1, 2, 0, -0.25], 0),
        ("x = f[T.b] + 1", [0, 1, -1, 0], 1),
        ("-`x` + 3 = 1e-1", [0, -1, 0, 0], -2.9),
        ("x*2*3", [0, 6, 0, 0], 0),
    ],
)
def test_text_of_contrasts(text: str, row: list[float], value: float) -> None:
    found = parse_contrasts(text, ("(Intercept)", "x", "f[T.b]", "x:f[T.b]"))
    np.testing.assert_allclose(found.rows, [row])
    np.testing.assert_allclose(found.values, [value], atol=1e-15)


def test_names_with_operators() -> None:
    names = ("(Intercept)", "poly(x, 2)1", "poly(x, 2)2", "I(x - 1)", "bs(x, df = 3)1")
    assert parse_contrasts("poly(x, 2)2 - I(x - 1)", names).rows.tolist() == [[0, 0, 1, -1, 0]]
    assert parse_contrasts("bs(x, df = 3)1 = 2", names).values.tolist() == [2]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("Dayz = 1", "names no fixed effect"),
        ("Days2", "names no fixed effect"),
        ("Days * Days", "not linear"),
        ("Days / 0", "not linear"),
        ("Days = 1 = 2", "cannot be read"),
        ("Days - Days", "only zeros"),
        ("", "names no fixed effect"),
        ({"Dayz": 1}, "names no fixed effect"),
        ([1.0, 2.0, 3.0], "one column for each"),
        ([[0.0, 0.0]], "only zeros"),
        ([[0.0, np.nan]], "finite"),
        ([], "one column for each"),
        (["Days = 1", "2 * Days = 3"], "contradict"),
    ],
)
def test_contrasts_that_cannot_be_used(wrong: Any, says: str) -> None:
    with pytest.raises(RanefError, match=says):
        sleep().test(wrong)


def test_arguments_that_cannot_be_used() -> None:
    m = sleep()
    with pytest.raises(OptionError, match="ddf must be one of"):
        m.summary("containment")
    with pytest.raises(ArgumentTypeError, match="ddf must be one of"):
        m.anova(ddf=3)
    for wrong in (4, "IV", "iii"):
        with pytest.raises(OptionError, match="type must be 1, 2 or 3"):
            m.anova(type=wrong)
    for name in ("III", "3"):
        assert m.anova(type=name).equals(m.anova(type=3))
    with pytest.raises(ArgumentTypeError, match="L must be"):
        m.test(object())
    with pytest.raises(OptionError, match="rhs must be"):
        m.test("Days", rhs=[1, 2])
    with pytest.raises(OptionError, match="leave rhs out"):
        m.test("Days = 1", rhs=2)
    with pytest.raises(OptionError, match="level must be"):
        m.test("Days", level=95.0)
    assert m.test("Days", level=np.float32(0.9)).shape[0] == 1
    with pytest.raises(ArgumentTypeError, match="joint must be"):
        m.test("Days", joint="yes")


def test_kenward_roger_is_for_reml_and_moderate_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    m = crossed(reml=False)
    for ask in (
        m.summary,
        lambda ddf: m.anova(ddf=ddf),
        lambda ddf: m.cov_params(ddf=ddf),
        lambda ddf: m.test("x", ddf=ddf),
    ):
        with pytest.raises(OptionError, match="REML"):
            ask("kenward-roger")
    monkeypatch.setattr(kenward_roger_module, "memory_allowed", lambda: 1000.0)
    with pytest.raises(DesignError, match=r"dense matrices of order 6 .*satterthwaite"):
        kenward_roger(crossed()._fit)
    sleep().summary("kenward-roger")  # one factor needs no dense matrices


def test_four_degrees_of_freedom_are_no_exception() -> None:
    """Six balanced groups and a covariate between them: F of one degree of freedom has exactly four
    in the denominator, where the formula of Kenward and Roger divides by zero on its way. Exact are
    6 - 2 between groups and 6 - 1 for a slope that varies between them.
    """
    groups, rows = 6, 5
    g = np.repeat(np.arange(groups), rows)
    x, w = np.tile(np.linspace(-1, 1, rows), groups), np.linspace(-1, 1, groups)[g]
    rng = np.random.default_rng(11)
    y = rng.normal(size=groups)[g] + 0.5 * rng.normal(size=groups)[g] * x + rng.normal(size=groups * rows)
    m = ranef.lmer("y ~ x + w + (x | g)", {"y": y, "x": x, "w": w, "g": g}, ddf="kenward-roger")
    assert not m.is_singular
    np.testing.assert_allclose(m.df[["x", "w"]], [5.0, 4.0], rtol=1e-6)
    np.testing.assert_allclose(m.anova()["den_df"], [5.0, 4.0], rtol=1e-6)
    np.testing.assert_allclose(m.anova()["f_value"], m.test(["x", "w"], joint=False)["statistic"] ** 2, rtol=1e-6)
