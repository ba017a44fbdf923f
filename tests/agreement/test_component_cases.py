"""Models with several linear predictors against glmmTMB and GLMMadaptive: objective and gradient at
fixed parameters first, then the optimum, then predictions.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ranef
from ranef import glmer

FOLDER = Path(__file__).parents[1] / "reference" / "components"
CASES: dict[str, Any] = json.loads((FOLDER / "cases.json").read_text(encoding="utf-8"))

pytestmark = pytest.mark.filterwarnings("ignore::ranef.RanefWarning")

BASE = "x + trt + (1 | g)"
CMP = f"cmp ~ {BASE}"
ZINB = "zinb2 ~ x + trt + offset(log(expo)) + (1 | g)"
TRIALS = f"cbind(zibb, nt - zibb) ~ {BASE}"

#: Case, formula and arguments: R's calls in our words.
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "fam_beta_disp": (f"be ~ {BASE}", {"family": "beta", "disp_formula": "~ x"}),
    "fam_betabinomial_disp": (f"cbind(bb, nt - bb) ~ {BASE}", {"family": "betabinomial", "disp_formula": "~ x"}),
    "fam_betabinomial_large_n": ("cbind(s, nt - s) ~ x + (1 | g)", {"family": "betabinomial"}),
    "fam_betabinomial_probit": (f"cbind(bb, nt - bb) ~ {BASE}", {"family": "betabinomial(probit)"}),
    "fam_compois": (CMP, {"family": "compois"}),
    "fam_compois_disp": (CMP, {"family": "compois", "disp_formula": "~ trt"}),
    "fam_gaussian_disp": (f"ns ~ {BASE}", {"family": "gaussian", "disp_formula": "~ x + trt"}),
    "fam_gaussian_disp_re": (f"ns ~ {BASE}", {"family": "gaussian", "disp_formula": "~ x + (1 | g)"}),
    "fam_genpois": (f"gp ~ {BASE}", {"family": "genpois"}),
    "fam_hurdle_genpois": (f"hup ~ {BASE}", {"family": "truncated_genpois", "zi_formula": "~ 1"}),
    "fam_hurdle_nb2": (f"hunb ~ {BASE}", {"family": "truncated_nbinom2", "zi_formula": "~ x"}),
    "fam_hurdle_poisson": (f"hup ~ {BASE}", {"family": "hurdle_poisson", "zi_formula": "~ x + (1 | g)"}),
    "fam_lognormal_data_scale": (f"ln ~ {BASE}", {"family": ("LogNormal", {"scale": "response"})}),
    "fam_lognormal_hurdle": (f"hln ~ {BASE}", {"family": ("LogNormal", {"scale": "response"}), "zi_formula": "~ x"}),
    "fam_nb2_disp_re": (ZINB, {"family": "nbinom2", "disp_formula": "~ trt + (1 | h)"}),
    "fam_nb2_disp_slope": (ZINB.replace("(1 |", "(x |"), {"family": "nbinom2", "disp_formula": "~ trt"}),
    "fam_ordbeta": (f"ob ~ {BASE}", {"family": "ordbeta"}),
    "fam_owls_zinb1_re": (
        "SiblingNegotiation ~ FoodTreatment * SexParent + offset(logBroodSize) + (1 | Nest)",
        {"family": "nbinom1", "zi_formula": "~ FoodTreatment + (1 | Nest)"},
    ),
    "fam_salam_compois": ("count ~ mined + spp + (1 | site)", {"family": "compois", "zi_formula": "~ mined"}),
    "fam_salam_zinb2_spp": ("count ~ spp + mined + (1 | site)", {"family": "nbinom2", "zi_formula": "~ spp + mined"}),
    "fam_skewnormal": (f"sn ~ {BASE}", {"family": "skewnormal"}),
    "fam_t": (f"st ~ {BASE}", {"family": "t"}),
    "fam_t_disp": (f"st ~ {BASE}".replace("(1 |", "(x |"), {"family": "t", "disp_formula": "~ trt"}),
    "fam_tweedie": (f"tw ~ {BASE}", {"family": "tweedie"}),
    "fam_tweedie_disp": (f"tw ~ {BASE} + (1 | h)", {"family": "tweedie", "disp_formula": "~ trt"}),
    "fam_zibeta": (f"zib ~ {BASE}", {"family": "beta", "zi_formula": "~ x + (1 | g)"}),
    "fam_zibetabinomial": (TRIALS, {"family": "betabinomial", "zi_formula": "~ x"}),
    "fam_zibinomial": (f"{TRIALS} + (1 | h)", {"family": "binomial", "zi_formula": "~ x"}),
    "fam_zicompois": (CMP, {"family": "compois", "zi_formula": "~ 1"}),
    "fam_zigamma": (f"zig ~ {BASE}", {"family": "Gamma(log)", "zi_formula": "~ x"}),
    "fam_zinb1": (f"zinb1 ~ {BASE}", {"family": "nbinom1", "zi_formula": "~ 1"}),
    "fam_zinb2_crossed": (f"{ZINB} + (1 | h)", {"family": "nbinom2", "zi_formula": "~ x"}),
    "fam_zinb2_disp": (ZINB, {"family": "nbinom2", "zi_formula": "~ x", "disp_formula": "~ trt"}),
    "fam_zip": (f"zip ~ {BASE}", {"family": "poisson", "zi_formula": "~ 1"}),
    "fam_zip_slope": ("zip ~ x + trt + (x | g)", {"family": "poisson", "zi_formula": "~ trt"}),
    "fam_zip_weights": (f"zip ~ {BASE}", {"family": "poisson", "zi_formula": "~ 1", "weights": "w"}),
    "fam_zip_zi_re": (f"zip ~ {BASE}", {"family": "poisson", "zi_formula": "~ x + (1 | g)"}),
    "fam_zip_zi_re_crossed": (f"zip ~ {BASE} + (1 | h)", {"family": "poisson", "zi_formula": "~ x + (1 | h)"}),
    "mix_hurdle_lognormal": (f"hln ~ {BASE}", {"family": "lognormal", "zi_formula": "~ x", "n_quad": 15}),
    "mix_t": (f"st ~ {BASE}", {"family": ("StudentT", {"df": 4.0}), "n_quad": 15}),
    "mix_zinb": (ZINB, {"family": "nbinom2", "zi_formula": "~ x", "n_quad": 15}),
    "mix_zip": (f"zip ~ {BASE}", {"family": "poisson", "zi_formula": "~ x", "n_quad": 15}),
    "mix_zip_zi_re": (
        "zip ~ x + trt + (1 |p| g)",
        {"family": "poisson", "zi_formula": "~ x + (1 |p| g)", "n_quad": 15},
    ),
}
#: glmmTMB before 1.1.9 has the variance of the normal distribution and the shape of Gamma.
DISPERSION = {"fam_gaussian_disp": 0.5, "fam_zigamma": -0.5}
SLOW = ("fam_salam_compois",)


def fitted(name: str, **changed: Any) -> Any:
    formula, arguments = CALLS[name]
    arguments = dict(arguments)
    if isinstance(arguments["family"], tuple):
        family, options = arguments["family"]
        arguments["family"] = getattr(ranef, family)(**options)
    data = pd.read_parquet(FOLDER / f"{CASES[name]['data']}.parquet")
    return glmer(formula, data, **(arguments | changed))


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    return {}


def model(models: dict[str, Any], name: str) -> Any:
    if name not in models:
        models[name] = fitted(name)
    return models[name]


def relative_factor(values: list[float]) -> list[float]:
    """Theta of a term from glmmTMB's logarithms of standard deviations and correlation."""
    if len(values) == 1:
        return [math.exp(values[0])]
    a, b, t = math.exp(values[0]), math.exp(values[1]), values[2]
    r = t / math.sqrt(1 + t * t)
    return [a, r * b, b * math.sqrt(1 - r * r)]


@pytest.mark.parametrize("name", [n for n in CALLS if CASES.get(n, {}).get("at_fixed")])
def test_objective_and_gradient_at_fixed_parameters(models: dict[str, Any], name: str) -> None:
    m, point = model(models, name), CASES[name]["at_fixed"]
    fit = m._fit
    par = {key: [v for n, v in zip(point["names"], point["par"], strict=True) if n.startswith(key)] for key in
           ("beta", "betazi", "betad", "theta", "thetazi", "thetadisp", "psi")}  # fmt: skip
    par["beta"] = [v for n, v in zip(point["names"], point["par"], strict=True) if n == "beta"]
    par["theta"] = [v for n, v in zip(point["names"], point["par"], strict=True) if n == "theta"]
    shapes = dict(zip([p.key for p in fit.others if p.key not in ("zi", "disp")], par["psi"], strict=True))
    if name == "fam_ordbeta":
        shapes = {"cut1": par["psi"][0], "log_gap": math.log(par["psi"][1] - par["psi"][0])}
    beta: list[float] = []
    for p in fit.predictors:
        if p.key == "cond":
            beta += par["beta"]
        elif p.key == "zi":
            beta += par["betazi"]
        elif p.key == "disp":
            beta += [DISPERSION.get(name, 1.0) * v for v in par["betad"]]
        else:
            beta.append(shapes[p.key])
    theta: dict[int, list[float]] = {}
    left = {0: list(par["theta"])}
    for i, p in enumerate(fit.predictors):
        left[i] = list(par["theta"] if p.key == "cond" else par[f"theta{p.key}"] if p.key in ("zi", "disp") else [])
    for at, pieces in enumerate(fit.whole.pieces):
        own = left[pieces[0].predictor]
        size = 3 if pieces[0].size == 2 else 1
        scale = abs(DISPERSION.get(name, 1.0)) if fit.predictors[pieces[0].predictor].key == "disp" else 1.0
        values = [v + math.log(scale) if j < pieces[0].size else v for j, v in enumerate(own[:size])]
        theta[at] = relative_factor(values)
        del own[:size]
    order = fit.whole.order
    flat = np.concatenate([theta[s.formula] for s in order.spans])
    found = fit.system.get(1).evaluate(flat[order.core_of_theta], np.array(beta), None, 1, "observed", 1)
    assert found.objective == pytest.approx(point["objective"], abs=2e-7)
    # the gradient by the fixed effects of the mean, which both have on one scale
    first = len(flat)
    gradient = [g for n, g in zip(point["names"], point["gradient"], strict=True) if n == "beta"]
    assert np.allclose(found.gradient[first : first + len(gradient)], gradient, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("name", [n for n in CALLS if n not in SLOW])
def test_optimum(models: dict[str, Any], name: str) -> None:
    m, best = model(models, name), CASES[name]["best"]
    right, above = best["objective"], 1e-5
    if name.startswith("mix"):
        above = 1e-4
        if name == "mix_hurdle_lognormal":  # its density lacks the Jacobian of the logarithm
            y = m._fit.design.y
            right += 2 * float(np.log(y[y > 0]).sum())
    assert m.objective <= right + above
    assert m.objective >= right - 0.03
    assert m.npar == best["npar"]
    error = max(1e-3, 2 * math.sqrt(abs(m.objective - right)))
    beta = best.get("beta_cond") or best["beta"]
    assert np.all(np.abs(np.array(list(beta.values())) - m.fixef) < error * m.bse)
    zi = best.get("beta_zi") or best.get("gammas")
    if zi and name not in ("fam_salam_zinb2_spp", "fam_zicompois"):  # no finite estimates there
        part = m.component("zi")
        assert np.all(np.abs(np.array(list(zi.values())) - part.fixef) < error * part.bse)
    if best.get("se_cond") and name not in ("fam_salam_zinb2_spp", "fam_zicompois", "fam_nb2_disp_slope"):
        assert np.allclose(m.bse, list(best["se_cond"].values()), rtol=2e-3)


@pytest.mark.parametrize("name", ["fam_zip_zi_re", "fam_zinb2_disp", "fam_hurdle_poisson", "fam_zibeta", "fam_tweedie"])
def test_predictions(models: dict[str, Any], name: str) -> None:
    m, case = model(models, name), CASES[name]
    rows = np.array(case["best"]["rows"]) - 1
    for kind in ("link", "response", "conditional", "zprob", "disp"):
        if kind in case["best"]["predict_rows"] and (kind != "zprob" or "zi_formula" in CALLS[name][1]):
            if kind == "disp" and "disp" not in [p.key for p in m._fit.predictors]:
                continue
            values = np.asarray(m.predict(type=kind))[rows]
            assert np.allclose(values, case["best"]["predict_rows"][kind], atol=1e-4), kind
    new = m._request.data.iloc[np.array(case["predict"]["rows"]) - 1].copy()
    new["x"] = new["x"] + 0.25
    found = m.predict(new, type="link", se=True)
    assert np.allclose(found["fit"], case["predict"]["link"], atol=1e-4)
    assert np.allclose(found["se"], case["predict"]["link_se"], rtol=1e-3)


def test_a_second_start_finds_the_lower_optimum() -> None:
    """glmmTMB's default ends 4.78 above it, its zero part separated."""
    m = fitted("fam_salam_zinb2_spp")
    assert m.objective <= 1629.5152841702622 + 1e-5


def test_named_blocks_are_one_covariance() -> None:
    m = fitted("mix_zip_zi_re", n_quad=1)
    assert m.varcorr["g"].names == ("cond.(Intercept)", "zi.(Intercept)")
    assert set(m.varcorr) == {"g"}
    assert m.npar == 4 + 2 + 3
    d = CASES["mix_zip_zi_re"]["best"]["D"]["values"]
    by_nodes = fitted("mix_zip_zi_re").varcorr["g"]
    assert np.allclose(by_nodes.cov, d, atol=0.02)
