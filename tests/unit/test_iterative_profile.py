"""Profiles of fits by the iterative solver, against those of the exact one."""

import pickle

import numpy as np
import pytest

from ranef import errors, lmer, scale

ITERATIVE = {"solver": "iterative"}


def crossed(n=6000, levels=(400, 200), sds=(0.7, 0.5), slope=0.3, seed=3):
    rng = np.random.default_rng(seed)
    out = {"x": rng.normal(size=n) + 2, "w": rng.uniform(0.5, 2, n)}
    y = 1 + 0.3 * out["x"] + rng.normal(size=n)
    for name, m, sd in zip("ghk", levels, sds, strict=False):
        out[name] = np.r_[np.arange(m), rng.integers(0, m, n - m)]
        y = y + sd * rng.normal(size=m)[out[name]]
    y = y + slope * rng.normal(size=levels[0])[out["g"]] * (out["x"] - 2)
    return out | {"y": y}


def limits(model, **how):
    frame = model.conf_int(method="profile", **how)
    return frame.iloc[:, 0].to_numpy(), frame.iloc[:, 1].to_numpy()


def both(formula, data, **options):
    return [lmer(formula, data, control={"solver": s}, **options) for s in ("exact", "iterative")]


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        ("y ~ x + (1 | g) + (1 | h)", {}),
        ("y ~ x + (1 | g) + (1 | h)", {"REML": False, "weights": "w"}),
        ("y ~ x + (x | g) + (1 | h)", {"REML": False}),
        ("y ~ 1 + cs(0 + x + w | g) + (1 | h)", {}),
    ],
)
def test_limits_are_those_of_the_exact_solver(formula, options):
    exact, iterative = both(formula, crossed(3000, (300, 150)), **options)
    assert iterative.convergence.sampling > 0
    (low, high), (own_low, own_high) = limits(exact), limits(iterative)
    with np.errstate(invalid="ignore"):
        width = np.where(np.isfinite(high - low), high - low, 1.0)
    np.testing.assert_array_equal(np.isfinite(own_low), np.isfinite(low))
    # in units of an interval, of which a hundredth is nobody's concern
    assert np.nanmax(np.abs(np.where(np.isfinite(low), own_low - low, 0)) / width) < 2e-3
    assert np.nanmax(np.abs(np.where(np.isfinite(high), own_high - high, 0)) / width) < 2e-3


def test_the_error_of_a_curve_is_the_one_stated():
    data = crossed(2500, (300, 150), slope=0)
    exact, _ = both("y ~ x + (1 | g) + (1 | h)", data)
    curve = exact.profile(parm=["sd_(Intercept)|g"])
    off, stated = [], []
    for seed in range(12):
        m = lmer("y ~ x + (1 | g) + (1 | h)", data, control={**ITERATIVE, "seed": seed})
        own = m.profile(parm=["sd_(Intercept)|g"])
        note = next(n for n in own.notes if "standard error of zeta" in n)
        stated.append(float(note.split("zeta is ")[1].split()[0]))
        at = np.array(curve.conf_int(0.95).iloc[0])
        zeta = own._record.curves[0]
        from ranef.inference.profile import zeta_at

        off.append(np.max(np.abs(zeta_at(zeta, at) - np.array([-1.959964, 1.959964]))))
    z = np.array(off) / np.array(stated)
    assert np.mean(z <= 2) >= 0.9
    assert z.max() < 4
    assert max(stated) < 0.05


def test_a_variance_of_zero_has_its_limit_there():
    rng = np.random.default_rng(1)
    data = crossed(5000, (300, 150), (0.6, 0.0), 0.0, seed=8)
    data["y"] = data["y"] + 0.02 * rng.normal(size=150)[data["h"]]
    exact, iterative = both("y ~ x + (1 | g) + (1 | h)", data, REML=False)
    (low, high), (own_low, own_high) = limits(exact), limits(iterative)
    assert low[1] == own_low[1] == 0
    np.testing.assert_allclose(own_high, high, rtol=3e-3)


def test_streamed_rows_have_the_same_profile():
    data = crossed()
    formula = "y ~ x + (1 | g) + (1 | h)"
    memory = lmer(formula, data, control=ITERATIVE)
    streamed = scale.fit(formula, [{k: v[i::2] for k, v in data.items()} for i in (0, 1)], control=ITERATIVE)
    for a, b in zip(limits(memory), limits(streamed), strict=True):
        np.testing.assert_allclose(b, a, rtol=2e-3, atol=2e-3)
    with pytest.raises(errors.DataError, match="not kept in copies"):
        pickle.loads(pickle.dumps(streamed)).profile()


def test_curves_within_the_noise_are_refused(monkeypatch):
    m = lmer("y ~ x + (1 | g) + (1 | h)", crossed(2500, (300, 150)), control=ITERATIVE)
    monkeypatch.setattr("ranef.fit.iterative.profiles.LARGEST", 1e-9)
    with pytest.raises(errors.OptionError, match=r"within the noise of the \d+ probes"):
        m.conf_int(method="profile", parm=["x"])


def test_the_summary_of_the_intervals_says_by_how_many_probes():
    m = lmer("y ~ x + (1 | g) + (1 | h)", crossed(2500, (300, 150)), control=ITERATIVE)
    assert any("16 probes" in note for note in m.profile(parm=["x"]).notes)
