"""Likelihood-ratio comparison of fitted models."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ranef.design.record import Design
from ranef.errors import DataError, OptionError
from ranef.fit.control import FitControl
from ranef.fit.iterative.sampled import change_se
from ranef.fit.record import MixedFit
from ranef.inference.maximised import need_maximised
from ranef.inference.nested_families import why_not_within
from ranef.inference.part_mixtures import HALF, PartsTest, parts_test, tends_to
from ranef.inference.reduced import Criterion, criterion_of, refit_by
from ranef.inference.variance_tests import KIND_NOTES, ChiBarSquare, columns_within, product_of, variance_mixture

#: A larger model whose criterion is higher by more than this cannot contain the smaller one, or was
#: not fitted to its optimum.
_NEGATIVE = 1e-6


@dataclass(frozen=True, slots=True)
class Comparison:
    """Models side by side, each compared with another one.

    Attributes
    ----------
    names : tuple of str
    models : tuple of Criterion
    statistic, p_value, p_boundary : tuple of float
        Likelihood-ratio statistic, its p-value by the chi-square, and by the mixture for a
        boundary; NaN where there is none.
    df : tuple of float
        Difference in parameters; NaN where nothing is compared.
    reml : bool
        Whether REML criteria are compared.
    nobs : int
    notes : tuple of str
    """

    names: tuple[str, ...]
    models: tuple[Criterion, ...]
    statistic: tuple[float, ...]
    df: tuple[float, ...]
    p_value: tuple[float, ...]
    p_boundary: tuple[float, ...]
    reml: bool
    nobs: int
    notes: tuple[str, ...]


#: Standard errors of a sampled difference within which it does not count.
_SURE = 3


def chi_square_p(statistic: float, df: float) -> float:
    """Upper tail of the chi-square; NaN without degrees of freedom."""
    if not df > 0 or math.isnan(statistic):
        return math.nan
    from scipy.special import gammaincc

    return float(gammaincc(df / 2, statistic / 2))


def not_sure(what: str, change: float, one: Criterion, other: Criterion) -> str:
    """What to say of a difference of criteria that sampling may have made; empty where it is more
    than that.
    """
    error = change_se(one, other)
    if not error or abs(change) >= _SURE * error:
        return ""
    return (
        f"the statistic of {what} is {change:.2g}, within three standard errors ({error:.2g} each) of the probes by "
        "which their likelihoods are known, so that there is no test; more probes or control={'solver': 'exact'} would "
        "tell"
    )


def compare_models(
    fits: Sequence[MixedFit],
    names: Sequence[str],
    controls: Sequence[FitControl],
    refit: bool = True,
    penalized: bool = False,
) -> Comparison:
    """Compare models of the same data, in the order of their numbers of parameters.

    Parameters
    ----------
    fits : sequence of MixedFit
        At least two.
    names : sequence of str
    controls : sequence of FitControl
        For the refits.
    refit : bool
        Whether REML fits are refitted by ML. Without it REML criteria are compared, which needs
        equal fixed parts.
    penalized : bool
        Whether criteria with priors are compared.

    Returns
    -------
    Comparison

    Raises
    ------
    DataError
        When the models are not of the same data.
    OptionError
        When REML criteria of different fixed parts, or a REML and an ML criterion, would be
        compared.
    """
    for name, f in zip(names, fits, strict=True):
        need_maximised(f, f"the likelihood ratio of {name}", penalized)
    check_same_data(fits, names)
    notes = []
    if refit:
        changed = [n for n, f in zip(names, fits, strict=True) if f.reml]
        fits = [refit_by(f, False, c) for f, c in zip(fits, controls, strict=True)]
        if changed:
            notes.append(
                f"{', '.join(changed)} {'was' if len(changed) == 1 else 'were'} refitted by ML for the comparison, "
                "instead of REML"
            )
    else:
        _check_criteria(fits, names)
    notes += _different_likelihoods(fits, names)
    order = sorted(range(len(fits)), key=lambda i: fits[i].npar)
    fits, names = [fits[i] for i in order], [names[i] for i in order]
    models = tuple(criterion_of(f) for f in fits)
    notes += [
        f"{name} {m.trouble}: its row cannot be relied on" for name, m in zip(names, models, strict=True) if m.trouble
    ]
    statistic, df, p, p_boundary = [math.nan], [math.nan], [math.nan], [math.nan]
    boundaries = False
    for i in range(1, len(fits)):
        change = models[i - 1].objective - models[i].objective
        other = why_not_within(fits[i], fits[i - 1])
        if models[i].npar == models[i - 1].npar:
            notes.append(
                f"{names[i - 1]} and {names[i]} have the same number of parameters, so that neither contains the other "
                "and there is no test; compare their aic"
            )
        elif change < -_NEGATIVE and other is None:
            notes.append(
                f"{names[i]} has more parameters than {names[i - 1]} but fits worse, so they are not nested; the "
                "statistic was set to 0"
            )
        statistic.append(max(0.0, change))
        df.append(models[i].npar - models[i - 1].npar)
        if other is not None and df[i] > 0:
            statistic[i] = math.nan
            p.append(math.nan)
            p_boundary.append(math.nan)
            notes.append(
                f"{names[i - 1]} and {names[i]} have different {other}, of which neither contains the other: there is "
                "no test; compare their aic"
            )
            continue
        unsure = not_sure(f"{names[i]} against {names[i - 1]}", change, models[i], models[i - 1])
        if unsure:
            statistic[i] = math.nan
            p.append(math.nan)
            p_boundary.append(math.nan)
            notes.append(unsure)
            continue
        p.append(chi_square_p(statistic[i], df[i]))
        tested = _tested(fits[i], fits[i - 1]) if df[i] > 0 else PartsTest(None)
        mixture = tested.mixture
        p_boundary.append(math.nan if mixture is None else mixture.p_value(statistic[i]))
        if mixture is not None and mixture.at_boundary:
            boundaries = True
            notes.append(mixture_note(names[i], mixture, models[i - 1].singular, tested.at_bound))
        elif tested.why:
            notes.append(f"{names[i]}: {tested.why}")
        elif mixture is None and df[i] > 0 and change >= -_NEGATIVE:
            notes.append(
                f"the terms of {names[i]} do not show that it contains {names[i - 1]}; the test is one for nested "
                "models"
            )
    if not boundaries:
        p_boundary = [math.nan] * len(fits)
    return Comparison(
        tuple(names),
        models,
        tuple(statistic),
        tuple(df),
        tuple(p),
        tuple(p_boundary),
        fits[0].reml,
        fits[0].nobs,
        tuple(notes),
    )


def _tested(larger: MixedFit, smaller: MixedFit) -> PartsTest:
    """What is tested by two fits, and the distribution of the statistic."""
    if len(larger.components) > 1:
        return parts_test(larger, smaller, nested_mixture)
    mixture = nested_mixture(larger, smaller)
    if mixture is None or not tends_to(larger, smaller):
        return PartsTest(mixture, ("variances",))
    bounds = ("variances", "the dispersion") if mixture.at_boundary else ("the dispersion",)
    return PartsTest(product_of([mixture, HALF]), bounds)


def mixture_note(name: str, mixture: ChiBarSquare, singular: bool, at_bound: Sequence[str] = ("variances",)) -> str:
    """What is said of a p-value at the boundary."""
    several = list(at_bound) != [what for what in at_bound if what != "variances"] or len(at_bound) > 1
    bound = "at their lower bound 0" if at_bound == ("variances",) else "at the edge of what is possible"
    text = (
        f"{name}: {' and '.join(at_bound)} {'are' if several else 'is'} tested {bound}, where p_value is too large; "
        f"p_value_boundary is from {mixture.words()}"
    )
    more = [KIND_NOTES[mixture.kind]] if mixture.kind in KIND_NOTES else []
    if singular:
        more.append("the smaller model is itself singular, which makes it approximate")
    return "; ".join([text, *more])


def nested_mixture(larger: MixedFit, smaller: MixedFit) -> ChiBarSquare | None:
    """The distribution of the statistic of two fits,
    None when the smaller one is not seen to be a special case of the larger.

    Fixed effects that the smaller one does not have add ordinary degrees of freedom.
    """
    other = larger.design_beside(smaller)
    if other is None:
        return None
    if larger.design.sums is not None:
        if (
            not set(smaller.x_names) <= set(larger.x_names)
            or larger.design.encoder.offset != smaller.design.encoder.offset
        ):
            return None
    elif not (
        same_fixed_part(larger, smaller) or columns_within(other.x[:, list(smaller.kept)], larger.x)
    ) or not _same_offset(larger.design, other):
        return None
    mixture = variance_mixture(larger.design.random, other.random)
    if mixture is None:
        return None
    return ChiBarSquare((0.0,) * (len(larger.beta) - len(smaller.beta)) + mixture.weights, mixture.kind)


def _same_offset(a: Design, b: Design) -> bool:
    ours, theirs = (np.zeros(len(d.y)) if d.offset is None else d.offset for d in (a, b))
    return np.array_equal(ours, theirs)


def same_fixed_part(a: MixedFit, b: MixedFit) -> bool:
    """Whether two fits have the same columns of X."""
    return a.x_names == b.x_names and np.array_equal(a.x, b.x)


def check_same_data(fits: Sequence[MixedFit], names: Sequence[str]) -> None:
    """Refuse models that were not fitted to the same values."""
    first = fits[0]
    if len({fit.both_criteria is None for fit in fits}) > 1:
        raise DataError(
            "models of lmer and of glmer cannot be compared here. Where the family is continuous, such as Gamma, and "
            "the response is the same, not transformed, their aic can be compared by hand: that of lmer by REML=False."
        )
    for fit, name in zip(fits[1:], names[1:], strict=True):
        pair = f"{names[0]} and {name}"
        if fit.nobs != first.nobs:
            raise DataError(
                f"{pair} were fitted to different numbers of rows, {first.nobs} and {fit.nobs}. Likelihoods of "
                "different data cannot be compared; when a predictor has missing values, fit both models to the rows "
                "that are complete in all variables."
            )
        if fit.design.sums is not None and first.design.sums is not None:
            _check_same_sums(fit, first, pair)
            continue
        if not np.array_equal(fit.design.y, first.design.y):
            raise DataError(
                f"{pair} have different responses (other rows, another order, or another transformation); their "
                "likelihoods cannot be compared."
            )
        ours, theirs = (np.ones(f.nobs) if f.design.weights is None else f.design.weights for f in (first, fit))
        if not np.array_equal(ours, theirs):
            raise DataError(f"{pair} have different weights; their likelihoods cannot be compared.")


def _check_same_sums(a: MixedFit, b: MixedFit, pair: str) -> None:
    """Refuse models of sums that are known not to be of the same values."""
    ours, theirs = ((str(f.design.formula.response), f.design.encoder.weights, f.design.n_input) for f in (a, b))
    if ours != theirs:
        raise DataError(f"{pair} have different responses, weights or data; their likelihoods cannot be compared.")


def _different_likelihoods(fits: Sequence[MixedFit], names: Sequence[str]) -> list[str]:
    """Notes on models that differ in more than their terms."""
    notes = []
    if len({f.likelihood_key for f in fits}) > 1:
        notes.append(
            "the models have different families or links: their criteria can be compared, but the chi-square tests "
            "hold for nested models only"
        )
    if len({(f.n_quad, f.curvature) for f in fits}) > 1:
        notes.append(
            f"the likelihoods of {', '.join(names)} are approximated in different ways (n_quad, curvature), and the "
            "differences contain the errors of that"
        )
    return notes


def _check_criteria(fits: Sequence[MixedFit], names: Sequence[str]) -> None:
    if len({f.reml for f in fits}) > 1:
        raise OptionError(
            "some of the models were fitted by REML and others by ML, whose criteria cannot be compared; use "
            "refit=True."
        )
    if not fits[0].reml:
        return
    for fit, name in zip(fits[1:], names[1:], strict=True):
        if not same_fixed_part(fits[0], fit):
            raise OptionError(
                f"{names[0]} and {name} have different fixed effects, and REML criteria of different fixed effects "
                "cannot be compared; use refit=True."
            )
