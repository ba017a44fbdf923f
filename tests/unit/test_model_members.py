"""Members of a fitted model: labels, types, and what they refuse."""

import copy
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from ranef import (
    ArgumentTypeError,
    ColumnNotFoundError,
    DataError,
    NewLevelError,
    OptionError,
    RanefError,
    RanefWarning,
    lmer,
    load_dataset,
)
from ranef.fit.refits.refit import Refits
from ranef.results.linear import LinearMixedModel

FORMULA = "Reaction ~ Days + (Days | Subject)"


@pytest.fixture(scope="module")
def data():
    return load_dataset("sleepstudy")


@pytest.fixture(scope="module")
def model(data):
    return lmer(FORMULA, data)


def test_labels(model):
    names = ["(Intercept)", "Days"]
    for member in (model.fixef, model.bse, model.tvalues):
        assert list(member.index) == names
    assert model.params is model.fixef
    for table in (model.cov_params(), model.corr_params()):
        assert list(table.index) == list(table.columns) == names
    np.testing.assert_allclose(np.sqrt(np.diag(model.cov_params())), model.bse)
    assert list(model.theta.index) == ["Subject.(Intercept)", "Subject.Days.(Intercept)", "Subject.Days"]
    frame = model.ranef()["Subject"]
    assert frame.index.name == "Subject"
    assert list(frame.columns) == names
    assert list(model.coef()["Subject"].columns) == names
    assert model.formula == FORMULA
    assert model.fittedvalues.name == "fitted"
    assert model.convergence.ok
    assert model.convergence.boundary == {}
    assert model.convergence.gradient_norm < 1e-3
    assert not model.is_singular


def test_a_model_changed_by_its_user_stays_whole(data):
    m = lmer(FORMULA, data)
    before = str(m.summary())
    with pytest.raises(ValueError, match="read-only"):
        m.varcorr["Subject"].sd[0] = 0.0
    covariance, effects = m.cov_params(), m.ranef()["Subject"]
    covariance.iloc[0, 0] = -1.0
    effects.iloc[:] = 0.0
    fixef = m.fixef
    fixef["Days"] = 99.0
    assert str(m.summary()) == before
    assert m.predict(data.iloc[:3]).tolist() == m.predict().iloc[:3].tolist()


def test_varcorr_is_a_mapping(model):
    v = model.varcorr
    assert list(v) == ["Subject"]
    assert len(v) == 1
    assert v["Subject"].names == ("(Intercept)", "Days")
    assert v["Subject"].sd.shape == (2,)
    assert v["Subject"].cov.shape == v["Subject"].corr.shape == (2, 2)
    assert v.sigma == model.sigma
    assert "Residual" in repr(v)
    with pytest.raises(KeyError):
        v["subject"]


def test_a_diagonal_term_has_no_correlations(data):
    m = lmer("Reaction ~ Days + diag(Days | Subject)", data)
    assert list(m.theta.index) == ["Subject.(Intercept)", "Subject.Days"]
    frame = m.varcorr.to_frame()
    assert list(frame["name1"][:2]) == ["(Intercept)", "Days"]
    assert len(frame) == 3
    assert m.npar == 5
    # the same model as with a double bar, which has two terms
    double = lmer("Reaction ~ Days + (Days || Subject)", data)
    assert list(double.varcorr) == ["Subject", "Subject.1"]
    assert m.objective == pytest.approx(double.objective, abs=1e-8)
    assert list(double.ranef()) == ["Subject"]
    np.testing.assert_allclose(m.ranef()["Subject"], double.ranef()["Subject"], atol=1e-4)


def test_correlations_beside_no_variance_are_nan():
    rng = np.random.default_rng(0)
    d = pd.DataFrame({"g": np.repeat(list("abcdefgh"), 6), "x": np.tile(np.arange(6.0), 8)})
    d["y"] = rng.normal(size=48)
    basis = np.column_stack([np.ones(6), np.arange(6.0)])
    y = d["y"].to_numpy().reshape(8, 6)
    d["y"] = (y - y @ basis @ np.linalg.inv(basis.T @ basis) @ basis.T).ravel()  # nothing varies between groups
    with pytest.warns(RanefWarning, match="singular"):
        m = lmer("y ~ x + (x | g)", d)
    block = m.varcorr["g"]
    assert m.is_singular
    assert m.convergence.boundary == {"g": 2}
    assert np.array_equal(block.sd, [0.0, 0.0])
    assert np.isnan(block.corr[0, 1])
    assert np.array_equal(np.diag(block.corr), [1.0, 1.0])
    assert m.ranef(condvar=True)["g"][1].shape == (8, 2, 2)
    assert np.isfinite(m.predict(d, se=True)).all(axis=None)


def test_frames_of_other_libraries(model, data):
    plain = pd.DataFrame({c: np.asarray(data[c]) for c in data.columns}).astype({"Subject": str})
    for other in (
        pl.from_pandas(plain),
        pa.Table.from_pandas(plain),
        plain.to_dict("list"),
        pl.from_pandas(plain).lazy(),
    ):
        m = lmer(FORMULA, other)
        assert m.objective == model.objective
        assert m.fittedvalues.index.equals(pd.RangeIndex(180))
        np.testing.assert_array_equal(m.predict(other), m.fittedvalues)
    np.testing.assert_array_equal(model.predict(pl.from_pandas(plain)), model.fittedvalues)


def test_models_without_fixed_effects_and_with_one(data):
    none = lmer("Reaction ~ 0 + (1 | Subject)", data)
    assert len(none.fixef) == 0
    assert none.cov_params().shape == (0, 0)
    assert none.conf_int().shape == (0, 2)
    assert none.npar == 2
    assert none.objective == none.ml_deviance == pytest.approx(none.reml_criterion)
    assert "No fixed effect" in repr(none)
    np.testing.assert_allclose(none.predict(data, se=True)["fit"], none.fittedvalues)
    assert list(none.coef()["Subject"].columns) == ["(Intercept)"]


def test_predictions_of_few_and_no_rows(model, data):
    empty = model.predict(data.iloc[:0], interval="prediction")
    assert empty.shape == (0, 4)
    one = model.predict({"Days": [4.0], "Subject": ["308"]}, se=True)
    assert one.shape == (1, 2)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"re": "all"}, OptionError, "'conditional', 'population'"),
        ({"re": None}, ArgumentTypeError, "re must be"),
        ({"re": "~ (1 | School)"}, OptionError, r"\(Days \| Subject\)"),
        ({"re": "~ (Dayz | Subject)"}, OptionError, "effect Dayz"),
        ({"re": "~ Days"}, OptionError, "random terms only"),
        ({"re": "Reaction ~ (1 | Subject)"}, OptionError, "re must be"),
        ({"re": "~ (1 | "}, RanefError, None),
        ({"type": "terms"}, OptionError, "'response' or 'link'"),
        ({"new_levels": "zero"}, OptionError, "'error' or 'population'"),
        ({"new_levels": ["error"]}, OptionError, "'error' or 'population'"),
        ({"se": 1}, ArgumentTypeError, "se must be"),
        ({"interval": "both"}, OptionError, "'confidence' or 'prediction'"),
        ({"level": 95}, OptionError, "between 0 and 1"),
        ({"level": "0.95"}, ArgumentTypeError, "level"),
        ({"newdata": {"Days": [1.0]}}, ColumnNotFoundError, "'Subject'"),
        ({"newdata": {"Subject": ["308"]}}, ColumnNotFoundError, "'Days'"),
        ({"newdata": {"Days": ["a"], "Subject": ["308"]}}, DataError, "'Days'"),
        ({"newdata": {"Days": [1.0], "Subject": ["1"]}}, NewLevelError, "'1'"),
        ({"newdata": 5}, ArgumentTypeError, None),
    ],
)
def test_predict_refuses(model, arguments, error, says):
    with pytest.raises(error, match=says) as caught:
        model.predict(**arguments)
    assert isinstance(caught.value, RanefError)


@pytest.mark.parametrize(
    ("member", "arguments", "error", "says"),
    [
        ("simulate", {"n": 0}, OptionError, "at least 1"),
        ("simulate", {"n": 2.0}, ArgumentTypeError, "whole number"),
        ("simulate", {"re": "old"}, OptionError, "'new' or 'conditional'"),
        ("simulate", {"re": None}, ArgumentTypeError, "'new' or 'conditional'"),
        ("simulate", {"rng": "seed"}, ArgumentTypeError, "rng"),
        ("simulate", {"rng": -1}, OptionError, "negative"),
        ("simulate", {"rng": np.random.RandomState(1)}, ArgumentTypeError, "rng"),
        ("residuals", {"type": "studentized"}, OptionError, "'pearson'"),
        ("residuals", {"type": 1}, ArgumentTypeError, "'pearson'"),
        ("conf_int", {"method": "bayes"}, OptionError, "'wald'"),
        ("conf_int", {"level": 0.0}, OptionError, "between 0 and 1"),
        ("conf_int", {"parm": "days"}, OptionError, "Days"),
        ("conf_int", {"parm": 1}, ArgumentTypeError, "parm"),
        ("ranef", {"condvar": "yes"}, ArgumentTypeError, "condvar"),
        ("summary", {"ddf": "exact"}, OptionError, "ddf"),
        ("refit", {"y": None}, ArgumentTypeError, "responses"),
        ("refit", {"y": "Reaction"}, ArgumentTypeError, "responses"),
        ("refit", {"y": 3.0}, ArgumentTypeError, "responses"),
        ("refit", {"y": [1.0, 2.0]}, DataError, "180 rows"),
        ("refit", {"y": ["a"] * 180}, ArgumentTypeError, "numbers"),
        ("refit", {"y": np.full(180, np.nan)}, DataError, "row 0"),
        ("refit", {"y": np.zeros((180, 2, 2))}, DataError, "3 axes"),
        ("refit", {"y": np.zeros((180, 0))}, DataError, "no column"),
        ("update", {"formula": 5}, ArgumentTypeError, "formula"),
        ("update", {"formula": ". ~ . +"}, RanefError, None),
        ("update", {"weight": "w"}, OptionError, "weights"),
        ("update", {"REML": False, "method": "REML"}, OptionError, "disagree"),
    ],
)
def test_members_refuse(model, member, arguments, error, says):
    with pytest.raises(error, match=says) as caught:
        getattr(model, member)(**arguments)
    assert isinstance(caught.value, RanefError)


def test_a_constant_response_cannot_be_refitted(model):
    with pytest.raises(DataError):
        model.refit(np.full(180, 7.0))


def test_refit_takes_labels_in_the_order_of_the_data_only(data):
    d = data.set_axis([f"r{i}" for i in range(180)])
    m = lmer(FORMULA, d)
    y = m.simulate(1, rng=2)["sim_1"]
    with pytest.raises(DataError, match="different order"):
        m.refit(y.sort_values())
    assert isinstance(m.refit(y), LinearMixedModel)
    assert isinstance(m.refit(y.to_frame()), Refits)
    assert len(m.refit(y.to_frame())) == 1


def test_update(model, data):
    simpler = model.update(". ~ . - Days", method="ML")
    assert list(simpler.fixef.index) == ["(Intercept)"]
    assert simpler.objective == lmer("Reaction ~ 1 + (Days | Subject)", data, REML=False).objective
    assert model.update().objective == model.objective
    assert model.update(data=data.iloc[:100]).nobs == 100
    assert model.update(weights=np.full(180, 3.0)).sigma == pytest.approx(model.sigma * np.sqrt(3), rel=1e-5)
    assert model.update("log(.) ~ .").formula.startswith("log(Reaction) ~")
    log = lmer("log(Reaction) ~ Days + (Days | Subject)", data)
    assert model.update("log(.) ~ .").objective == pytest.approx(log.objective, abs=1e-9)


def test_copies(model):
    for other in (copy.copy(model), copy.deepcopy(model)):
        assert other.objective == model.objective
        assert other.ranef(condvar=True)["Subject"][0].equals(model.ranef()["Subject"])


def slow_data(levels=1500):
    """Two crossed factors whose system is dense: more than a second for a fit."""
    rng = np.random.default_rng(0)
    n = 40 * levels
    a, b = rng.integers(0, levels + 200, n), rng.integers(0, levels, n)
    return {"y": rng.normal(size=n) + 0.3 * rng.normal(size=2000)[a] + 0.3 * rng.normal(size=2000)[b], "a": a, "b": b}


def test_a_fit_can_be_interrupted_and_lets_other_threads_run():
    data, ticks = slow_data(), []

    def tick_then_interrupt():
        for _ in range(5):
            ticks.append(time.perf_counter())
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=tick_then_interrupt)
    start = time.perf_counter()
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        lmer("y ~ 1 + (1 | a) + (1 | b)", data, n_threads=1)
    thread.join()
    assert time.perf_counter() - start < 20
    assert np.diff(ticks).max() < 2


def test_import_is_lazy():
    code = (
        "import sys, ranef\n"
        "print(sorted({'pandas', 'scipy', 'numpy', 'pyarrow', 'polars', 'narwhals'} & set(sys.modules)))\n"
        "from ranef import lmer\n"
        "m = lmer('y ~ 1 + (1 | g)', {'y': [1., 2, 4, 3, 7, 8], 'g': [1, 1, 2, 2, 3, 3]})\n"
        "m.objective, m.sigma, m.npar\n"
        "print(sorted({'pandas', 'scipy', 'pyarrow', 'polars'} & set(sys.modules)))\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split("\n")[:2] == ["[]", "[]"]
