"""From a call of ``glmer`` with zero inflation, a dispersion formula or a family of several
predictors to a fit.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ranef.data.table import Table
from ranef.design.parts import without_response
from ranef.design.record import Design
from ranef.errors import DataError, FormulaError, OptionError
from ranef.families.family import Family
from ranef.fit.components.design import designs_of, together
from ranef.fit.components.fit import fit_components
from ranef.fit.components.record import ComponentsFit
from ranef.fit.control import FitControl, refuse_iterative
from ranef.fit.likelihood import Likelihood
from ranef.fit.outcome import Kind, outcome_of
from ranef.fit.progress import reported
from ranef.fit.refits.replaced_response import replaced_response
from ranef.formula import expand_dot, parse_formula, require_random
from ranef.formula.formula import Formula, one_sided

if TYPE_CHECKING:
    from ranef.fit.request import GlmmRequest


def part_formula(name: str, text: str | None) -> str | None:
    """Check the text of a formula of another predictor; None where it leaves it out.

    Raises
    ------
    RanefError
        For what is no formula, or has a response.
    """
    if text is None:
        return None
    shown = without_response(name, text)
    return None if shown.replace(" ", "") in ("~0", "~-1", "~NULL") else shown


def has_several_predictors(family: Family, zi_formula: str | None, disp_formula: str | None) -> bool:
    """Whether a model has more than a mean, and a dispersion that is one number."""
    return family.by_predictors or zi_formula is not None or disp_formula is not None


def fitted_components(request: "GlmmRequest", control: FitControl, n_threads: int) -> ComponentsFit:
    """Parse, build the designs and fit."""
    family = request.family
    refuse_iterative(control, "models with several linear predictors")
    table = Table.from_data(request.data)
    formula = parse_formula(request.fixed_formula)
    if formula.has_dot:
        formula = expand_dot(formula, table.names)
    formulas = _formulas(request, formula)
    if not any(f.random for f, _ in formulas.values()):
        require_random(formula)
    predictors = designs_of(formulas, table, {**request.design_arguments, "known": request.known})
    design, kind = response_of(predictors[0].design, family, "zi" in formulas)
    if request.response is not None:
        design = design.with_rows(y=replaced_response(request.response, design))
    predictors = (replace(predictors[0], design=design), *predictors[1:])
    if request.prior or request.sampling_weights is not None:
        terms, _ = together(predictors)
        whole = request.with_beside(replace(design, random=terms))
        design = replace(design, priors=whole.priors, sampling=whole.sampling, notes=whole.notes)
        predictors = (replace(predictors[0], design=design), *predictors[1:])
    likelihood = Likelihood(family, kind, int(request.n_quad), "observed")
    if request.n_quad == 0:
        raise OptionError(
            "models with several linear predictors have Laplace's approximation, n_quad=1, or quadrature."
        )
    with reported(request.progress, "evaluations") as show:
        return fit_components(predictors, likelihood, control, show, n_threads, asked=request.start)


def _formulas(request: "GlmmRequest", formula: Formula) -> dict[str, tuple[Formula, str | None]]:
    """The formula of every predictor, in the core's order."""
    family = request.family
    out: dict[str, tuple[Formula, str | None]] = {"cond": (formula, request.formula)}
    if request.disp_formula is not None and "disp" not in family.predictors:
        raise OptionError(
            f"the {family.name} family has no dispersion that disp_formula could model; nbinom2, beta, Gamma, gaussian "
            "and others have one."
        )
    for key in family.predictors:
        text = request.disp_formula if key == "disp" else None
        if text is not None and key in family.held:
            raise OptionError("the family holds its dispersion, so that disp_formula has nothing to model.")
        out[key] = (_parsed("disp_formula", text or "~ 1", formula), text)
    if request.zi_formula is not None:
        if family.support == "real":
            raise OptionError(
                f"zi_formula is for families of counts, proportions and positive numbers; zero is a number like others "
                f"of the {family.name} family."
            )
        if family.support == "unit":
            raise OptionError(f"the {family.name} family has its own zeros, so that zi_formula has none to explain.")
        out["zi"] = (_parsed("zi_formula", request.zi_formula, formula), request.zi_formula)
    return out


def _parsed(name: str, text: str, conditional: Formula) -> Formula:
    """A formula of another predictor, with the conditional right side for a dot."""
    if text.replace(" ", "") == "~.":
        return one_sided(conditional)
    parsed = parse_formula(text)
    if parsed.has_dot:
        raise FormulaError(
            f"a dot in {name} stands alone, as '~ .', for the right side of the conditional formula.",
            text,
            0,
            len(text),
        )
    return parsed


def response_of(design: Design, family: Family, has_zero_part: bool) -> tuple[Design, Kind]:
    """Put the response into the form of its family; zeros of a hurdle are let through."""
    response = design.formula.response
    name = "the response" if response is None else response.name
    y = design.y
    zeros = y == 0 if y.ndim == 1 else np.zeros(len(y), bool)
    if family.truncated and not has_zero_part and zeros.any():
        raise DataError(
            f"{name} has {int(zeros.sum())} zeros, which a truncated family cannot produce: add zi_formula for a "
            "hurdle model."
        )
    if has_zero_part and family.support in ("positive", "open_unit") and zeros.any():
        stand_in = float(y[~zeros].mean()) if (~zeros).any() else 0.5
        made, kind = outcome_of(design.with_rows(y=np.where(zeros, stand_in, y)), family)
        return made.with_rows(y=np.where(zeros, 0.0, made.y)), kind
    made, kind = outcome_of(design, family)
    if has_zero_part and y.ndim == 1 and not zeros.any():
        raise DataError(f"{name} has no zeros, so that zi_formula has nothing to explain: leave it out.")
    if family.kernel == "betabinomial" and (made.trials is None or float(made.trials.max()) <= 1.0):
        raise DataError(
            "every row has one trial, so that the precision of the beta-binomial family is not identified: use "
            "family='binomial'."
        )
    return made, kind
