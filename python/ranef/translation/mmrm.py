"""R's package mmrm, both ways: its formula is the one of ``mmrm`` here."""

from ranef.errors import TranslationError
from ranef.formula.deparse import deparse
from ranef.formula.syntax import Binary, Call, Expr, without_parens
from ranef.translation.composition import Reading
from ranef.translation.description import ModelDescription
from ranef.translation.r_code import arguments, data_of, require_formula, truth, word

LANGUAGE = "mmrm"

_PARAMETERS = ("formula", "data", "weights", "covariance", "reml", "control", "method", "vcov", "n_cores", "optimizer")
_CONTROL = ("n_cores", "method", "vcov", "start", "accept_singular", "drop_visit_levels", "optimizer")
_STRUCTURES = ("us", "cs", "csh", "ar1", "ar1h", "ad", "adh", "toep", "toeph", "sp_exp")
_METHODS = {
    "Satterthwaite": "satterthwaite",
    "Kenward-Roger": "kenward-roger",
    "Residual": "residual",
    "Between-Within": "between-within",
}
_COVARIANCES = {"Empirical": "CR0", "Empirical-Bias-Reduced": "CR2", "Empirical-Jackknife": "CR3"}


def write_mmrm(model: ModelDescription) -> tuple[list[str], list[str]]:
    """Write a model for repeated measures.

    Returns
    -------
    lines, notes : list of str
    """
    r = model.repeated
    assert r is not None
    if r.structure not in _STRUCTURES:
        raise TranslationError(LANGUAGE, f"the structure {r.structure}", f"it has {', '.join(_STRUCTURES)}.")
    if len(r.subject) > 1 or len(r.group) > 1:
        raise TranslationError(
            LANGUAGE, ":".join((*r.group, *r.subject)), "subjects and groups are one column each; make one in the data."
        )
    subject = "/".join((*r.group, *r.subject))
    options = [f"{model.formula} + {r.structure}({', '.join(r.visits)} | {subject})", f"data = {model.data}"]
    if model.weights is not None:
        options.append(f"weights = {model.data}${deparse(model.weights)}")
    options += ["reml = FALSE"] * (not model.reml)
    notes = []
    linear = model.ddf == "kenward-roger-linear"
    method = next((m for m, ddf in _METHODS.items() if ddf == model.ddf), "Satterthwaite")
    options.append(f'method = "{"Kenward-Roger" if linear else method}"')
    if linear:
        options.append('vcov = "Kenward-Roger-Linear"')
    elif method == "Kenward-Roger":
        notes.append(
            "mmrm's Kenward-Roger is made in its own parameters and differs from SAS's and ranef's where the structure "
            "is not linear in them, most in small data."
        )
    if model.subset is not None:
        options[1] = f"data = subset({model.data}, {deparse(model.subset)})"
    notes.append("visits, groups and subjects must be factors in mmrm.")
    return ["library(mmrm)", f"mmrm({', '.join(options)})"], notes


def read_mmrm(call: Call) -> Reading:
    """Read a call of ``mmrm``."""
    given = arguments(call, _PARAMETERS, LANGUAGE)
    formula = require_formula(given.get("formula"), LANGUAGE)
    if "covariance" in given and deparse(given["covariance"]) != "NULL":
        raise TranslationError(
            LANGUAGE, "covariance=", "write the structure into the formula, as in y ~ arm * visit + us(visit | id)."
        )
    reading = Reading(LANGUAGE, data=data_of(given.get("data")))
    terms = _summands(formula.right)
    structures = [t for t in terms if isinstance(t, Call) and t.function in (*_STRUCTURES, "sp_gau") and _has_bar(t)]
    if len(structures) != 1:
        raise TranslationError(
            LANGUAGE,
            "the formula",
            f"one covariance structure such as us(visit | id) is needed; it has {len(structures)}.",
        )
    rest = [deparse(t) for t in terms if t is not structures[0]]
    reading.formula = f"{deparse(formula.left)} ~ {' + '.join(rest) or '1'}"
    reading.repeated = deparse(structures[0])
    if "reml" in given:
        reading.reml = truth(given["reml"], "reml", LANGUAGE)
    if "weights" in given and deparse(given["weights"]) != "NULL":
        # a column of the data: d$w
        reading.weights = deparse(given["weights"]).rsplit("$", 1)[-1]
    control = without_parens(given["control"]) if "control" in given else None
    if isinstance(control, Call):
        given = arguments(Call(control.function, control.arguments), _CONTROL, LANGUAGE) | given
    method = word(given["method"]) if "method" in given else "Satterthwaite"
    if method not in _METHODS:
        raise TranslationError(LANGUAGE, f"method = {method!r}", f"the methods are {', '.join(_METHODS)}.")
    reading.ddf = _METHODS[method]
    if "vcov" in given:
        vcov = word(given["vcov"])
        if vcov == "Kenward-Roger-Linear":
            reading.ddf = "kenward-roger-linear"
        elif vcov in _COVARIANCES:
            reading.vcov = _COVARIANCES[vcov]
        elif vcov not in ("Asymptotic", "Kenward-Roger"):
            raise TranslationError(LANGUAGE, f"vcov = {vcov!r}", f"there are Asymptotic, {', '.join(_COVARIANCES)}.")
    if reading.vcov is not None or reading.ddf == "satterthwaite":
        reading.ddf = None
    if method == "Kenward-Roger" and reading.ddf == "kenward-roger":
        reading.note("mmrm makes Kenward-Roger's covariance in its own parameters; here it is SAS's.")
    reading.note("AIC of mmrm counts covariance parameters only; here all parameters.")
    return reading


def _summands(node: Expr) -> list[Expr]:
    inner = without_parens(node)
    if isinstance(inner, Binary) and inner.operator == "+":
        return [*_summands(inner.left), *_summands(inner.right)]
    return [inner]


def _has_bar(call: Call) -> bool:
    return any(isinstance(a.value, Binary) and a.value.operator == "|" for a in call.arguments)
