"""What stands beside the likelihood of a model: priors, and sampling weights of rows and levels."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design, RandomTerm
from ranef.design.sampling import SamplingRequest, no_information, weighed
from ranef.errors import OptionError
from ranef.options import Ddf, wald_ddf

if TYPE_CHECKING:
    from ranef.fit.order import TermOrder
    from ranef.priors import Density

Floats = NDArray[np.float64]


def with_beside(
    design: Design, data: Any, priors: "tuple[tuple[str, Density], ...]", asked: SamplingRequest | None
) -> Design:
    """The design with priors and sampling weights."""
    if not priors and asked is None:
        return design
    # of all linear predictors
    whole = replace(design, random=(*design.random, *(t for part in design.parts for t in part.random)))
    if design.sums is not None or design.residual is not None or any(t.has_members for t in whole.random):
        raise OptionError(
            "priors and sampling weights are for models of rows in memory that are independent given the random "
            "effects: leave out correlation=, variance=, known() and mm(), and give the data as a frame."
        )
    if asked is None:
        return replace(design, priors=priors)
    if not whole.random:
        raise OptionError("sampling weights are for models with random effects.")
    sampling = weighed(whole, data, asked)
    note = no_information(sampling, whole)
    notes = design.notes if note is None else (*design.notes, note)
    return replace(design, priors=priors, sampling=sampling, notes=notes)


def see_that_ml_is_fitted(sampling_weights: object, reml: bool, weights: object) -> None:
    """Refuse what a linear model with sampling weights cannot have."""
    if sampling_weights is None:
        return
    if reml:
        raise OptionError(
            "restricted maximum likelihood has no form with sampling weights; leave out REML=True, or say method='ML'."
        )
    if weights is not None:
        raise OptionError(
            "weights= says how precise the rows of lmer are and sampling_weights= how often they count; give one of "
            "them."
        )


def see_that_tests_are_by(ddf: Ddf, priors: object, sampling_weights: object) -> None:
    """Refuse degrees of freedom that tests beside priors or sampling weights do not have;
    Satterthwaite's are those of a call that asks for none.
    """
    if (sampling_weights is not None or priors) and ddf != "satterthwaite":
        wald_ddf(ddf, ("none",) if sampling_weights is None else ("clusters", "none"))


def effects_of(design: Design, order: "TermOrder", values: Sequence[Floats]) -> tuple[Floats, ...]:
    """Random effects of every term from those of the core, where what counts w times has effects
    sqrt(w) times as large.
    """
    sampling = design.sampling
    if sampling is None:
        return tuple(values)
    root = [np.sqrt(sampling.levels[design.random[s.formula].group])[:, np.newaxis] for s in order.spans]
    return tuple(v / r for v, r in zip(values, root, strict=True))


def scaled_columns(design: Design, term: RandomTerm) -> Floats:
    """Columns (n, k) of the effects of a term as the core has them: what counts w times has effects
    sqrt(w) times as large there.
    """
    sampling = design.sampling
    if sampling is None or not sampling.weighs_levels:
        return term.z
    return np.asarray(term.z / np.sqrt(sampling.levels[term.group])[term.codes][:, np.newaxis])


def why_no_likelihood(design: Design) -> str | None:
    """Why what rests on a maximised likelihood does not hold; None where it does."""
    if design.sampling is not None:
        return (
            "with sampling weights the likelihood is that of no sample, so that likelihood ratios, information "
            "criteria, profiles and bootstraps of it have no meaning; use Wald tests, whose standard errors are robust"
        )
    if design.priors:
        return (
            "the estimates are those of a likelihood with priors, which is not maximised itself, so that likelihood "
            "ratios and information criteria of it do not hold"
        )
    return None


def is_least_squares(design: Design) -> bool:
    """Whether fixed effects of a linear model are those of least squares given theta: they have no
    prior and the rows no sampling weights.
    """
    return design.sampling is None and not any(key.startswith("fixef") for key, _ in design.priors)


def see_that_effects_have_errors(design: Design) -> None:
    """Refuse standard errors of predictions that random effects of a linear model take part in."""
    if not is_least_squares(design):
        raise OptionError(
            "standard errors of predictions with random effects are not known for linear models with sampling weights "
            "or a prior on fixed effects; those of re='population' are."
        )


def is_special(design: Design, solver: str) -> bool:
    """Whether a linear model has priors or sampling weights, which the iterative solver has not."""
    special = bool(design.priors) or design.sampling is not None
    if special and solver == "iterative":
        raise OptionError("priors and sampling weights are for the exact solver; leave out control['solver'].")
    return special
