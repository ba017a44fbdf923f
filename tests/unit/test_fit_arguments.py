"""Arguments of lmer that cannot be used are refused in words, before anything is fitted."""

import numpy as np
import pandas as pd
import pytest

import ranef
from ranef import ArgumentTypeError, DataError, DesignError, FormulaError, OptionError, RanefError, RanefWarning, lmer
from ranef.families.family import Family

FORMULA = "y ~ x + (x | g)"


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(12), 8)
    x = rng.normal(size=96)
    y = 1 + x + rng.normal(size=12)[g] + rng.normal(size=12)[g] * x + rng.normal(size=96)
    return pd.DataFrame({"y": y, "x": x, "g": [f"g{i:02d}" for i in g], "w": rng.uniform(1, 2, 96)})


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"formula": 3}, ArgumentTypeError, "formula"),
        ({"formula": None}, ArgumentTypeError, "formula"),
        ({"data": None}, ArgumentTypeError, "data"),
        ({"data": 3.5}, ArgumentTypeError, "data"),
        ({"REML": "yes"}, ArgumentTypeError, "REML"),
        ({"REML": 1}, ArgumentTypeError, "REML"),
        ({"method": True}, ArgumentTypeError, "method"),
        ({"method": "restricted"}, OptionError, "'REML' or 'ML'"),
        ({"REML": False, "method": "REML"}, OptionError, "disagree"),
        ({"REML": True, "method": "ML"}, OptionError, "disagree"),
        ({"weights": 2.0}, ArgumentTypeError, "weights"),
        ({"weights": {"a": 1}}, ArgumentTypeError, "weights"),
        ({"weights": np.ones(5)}, RanefError, "weights"),
        ({"weights": -np.ones(96)}, RanefError, "weights"),
        ({"weights": "nowhere"}, RanefError, "nowhere"),
        ({"offset": lambda d: d}, ArgumentTypeError, "offset"),
        ({"subset": 0.5}, ArgumentTypeError, "subset"),
        ({"na_action": "keep"}, OptionError, "'omit', 'exclude', 'error'"),
        ({"na_action": None}, ArgumentTypeError, "na_action"),
        ({"contrasts": ["sum"]}, ArgumentTypeError, "contrasts"),
        ({"control": 5}, ArgumentTypeError, "control"),
        ({"control": {"max_iter": 5}}, OptionError, "max_evaluations, tolerance"),
        ({"control": {"max_evaluations": 0}}, OptionError, "at least 1"),
        ({"control": {"max_evaluations": 2.5}}, ArgumentTypeError, "whole number"),
        ({"control": {"max_evaluations": True}}, ArgumentTypeError, "whole number"),
        ({"control": {"tolerance": 0}}, OptionError, "positive"),
        ({"control": {"tolerance": float("nan")}}, OptionError, "positive"),
        ({"control": {"tolerance": "small"}}, ArgumentTypeError, "number"),
        ({"start": [1.0, 2.0]}, OptionError, "3 values"),
        ({"start": "identity"}, ArgumentTypeError, "start"),
        ({"start": [1, np.nan, 1]}, OptionError, "not finite"),
        ({"start": [-1, 0, 1]}, OptionError, "negative"),
        ({"start": {"g.z": 1}}, OptionError, r"g\.x\.\(Intercept\)"),
        ({"start": {"theta": [1]}}, OptionError, "3 values"),
        ({"progress": "bar"}, ArgumentTypeError, "progress"),
        ({"n_threads": 0}, OptionError, "n_threads"),
        ({"n_threads": 1.0}, ArgumentTypeError, "n_threads"),
        ({"n_threads": True}, ArgumentTypeError, "n_threads"),
        ({"formula": "y ~ x"}, FormulaError, "random-effects term"),
        ({"formula": "y ~ x + (1 | h)"}, RanefError, "'h'"),
        ({"formula": "g ~ x + (1 | g)"}, RanefError, "g"),
        ({"formula": "cbind(y, w) ~ x + (1 | g)"}, DataError, "2 columns"),
        ({"formula": "y ~ (1 | g) + gau(h | g)"}, FormulaError, "coordinates"),
    ],
)
def test_refused(data, arguments, error, says):
    with pytest.raises(error, match=says) as caught:
        lmer(**{"formula": FORMULA, "data": data, **arguments})
    assert isinstance(caught.value, RanefError)
    assert caught.value.__cause__ is None


def test_unknown_argument(data):
    with pytest.raises(TypeError, match="weight"):
        lmer(FORMULA, data, weight="w")


def test_reml_and_method_say_the_same_thing(data):
    assert lmer(FORMULA, data, method="ML").objective == lmer(FORMULA, data, REML=False).objective
    assert (
        lmer(FORMULA, data, method="REML").objective
        == lmer(FORMULA, data).objective
        == lmer(FORMULA, data, REML=True).objective
    )
    m = lmer(FORMULA, data, REML=False, method="ML")
    assert m.objective == m.ml_deviance
    assert m.reml_criterion > m.objective


def test_models_without_estimates(data):
    n = len(data)
    with pytest.raises(DesignError, match="one level only"):
        lmer("y ~ x + (1 | one)", data.assign(one="a"))
    with pytest.raises(DesignError, match="one observation in each level"):
        lmer("y ~ x + (1 | row)", data.assign(row=np.arange(n).astype(str)))
    with pytest.raises(DesignError, match="random effects"):
        lmer("y ~ x + (x | pair)", data.assign(pair=[f"p{i // 2}" for i in range(n)]))
    with pytest.raises(DesignError, match="more rows than fixed effects"):
        lmer("y ~ x + poly(w, 4) + (1 | g)", data.iloc[[0, 1, 2, 9, 10, 11]].assign(g=list("aabbab")))
    with pytest.raises(DataError, match="constant"):
        lmer("y ~ x + (1 | g)", data.assign(y=2.5))


def test_start_by_vector_by_name_and_by_default_end_alike(data):
    m = lmer(FORMULA, data)
    for start in (
        m.theta,
        m.theta.to_numpy(),
        list(m.theta),
        {"theta": m.theta},
        {"g.x": 0.1},
        [0.0, 0.0, 0.0],
        [5, -3, 2],
    ):
        again = lmer(FORMULA, data, start=start)
        assert again.objective == pytest.approx(m.objective, abs=1e-7)
        np.testing.assert_allclose(again.theta, m.theta, atol=1e-4)
    one = lmer("y ~ x + (1 | g)", data)
    assert lmer("y ~ x + (1 | g)", data, start=0.4).objective == pytest.approx(one.objective, abs=1e-7)


def test_max_evaluations_ends_the_fit_with_one_warning(data):
    with pytest.warns(RanefWarning, match="max_evaluations") as caught:
        m = lmer(FORMULA, data, control={"max_evaluations": 1})
    assert len(caught) == 1
    assert not m.convergence.ok
    assert m.convergence.status.value == "max_evaluations"
    assert "max_evaluations" in m.convergence.status.explanation


def test_one_warning_for_everything_and_it_points_here(data):
    within = data["y"] - data.groupby("g")["y"].transform("mean")  # no variance between groups
    d = data.assign(noise=within, x2=3 * data["x"] - 1)
    with pytest.warns(RanefWarning) as caught:
        m = lmer("noise ~ x + x2 + (1 | g)", d)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    text = str(caught[0].message)
    assert "x2" in text
    assert m.is_singular
    assert "singular" in text
    assert list(m.fixef.index) == ["(Intercept)", "x"]


def test_progress_is_called_and_can_stop_the_fit(data, capsys):
    calls = []
    m = lmer(FORMULA, data, progress=lambda i, f: calls.append((i, f)))
    assert calls
    assert calls[-1][1] == pytest.approx(m.objective, abs=1e-3)

    def stop(i, f):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lmer(FORMULA, data, progress=stop)
    lmer(FORMULA, data)
    assert capsys.readouterr() == ("", "")
    lmer(FORMULA, data, progress=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "criterion" in shown.err


def test_threads_do_not_change_the_result(data):
    one, two = lmer(FORMULA, data, n_threads=1), lmer(FORMULA, data, n_threads=2)
    assert one.objective == two.objective
    assert one.theta.equals(two.theta)


VERBS = """anova clmm glmer glmer_nb gls list_datasets lmer load load_bootstrap load_dataset mmrm nlmer options power
power_curve simulate table translate"""
FAMILIES = """Beta BetaBinomial Binomial ConwayMaxwellPoisson CustomFamily Gamma Gaussian GeneralizedPoisson
InverseGaussian LogNormal NegativeBinomial OrderedBeta Poisson SkewNormal StudentT Truncated Tweedie
ZeroOneInflatedBeta"""
ERRORS = """ArgumentTypeError ColumnNotFoundError DataError DesignError FormulaError MemoryLimitError MissingExtraError
NewLevelError OptionError RanefError RanefWarning"""


def test_public_names_are_all_there():
    names = [*VERBS.split(), *FAMILIES.split(), *ERRORS.split()]
    assert sorted(ranef.__all__) == sorted(names)
    assert set(names) <= set(dir(ranef))
    for name in names:
        assert getattr(ranef, name).__name__ == name
    for name in FAMILIES.split():
        assert issubclass(getattr(ranef, name), Family)
    for name in ERRORS.split()[:-1]:
        assert issubclass(getattr(ranef, name), ranef.RanefError)
    with pytest.raises(AttributeError, match="lmerr"):
        _ = ranef.lmerr
