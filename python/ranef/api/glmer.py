"""Generalized linear mixed models."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from ranef.errors import OptionError
from ranef.families.counts import NegativeBinomial
from ranef.families.family import Family
from ranef.families.gaussian import Gaussian
from ranef.families.names import has_zero_part, parse_family
from ranef.fit.approximation import checked_curvature, choose_n_quad
from ranef.fit.checkpoint_file import checkpoint_path
from ranef.fit.components.request import has_several_predictors, part_formula
from ranef.fit.control import parse_control
from ranef.fit.progress import Progress
from ranef.fit.request import GlmmRequest
from ranef.known_arguments import known_arguments
from ranef.results.generalized import GeneralizedLinearMixedModel


@known_arguments
def glmer(
    formula: str,
    data: Any,
    *,
    family: str | Family,
    zi_formula: str | None = None,
    disp_formula: str | None = None,
    n_quad: int | Literal["auto"] | None = None,
    nAGQ: int | Literal["auto"] | None = None,
    ziformula: str | None = None,
    dispformula: str | None = None,
    curvature: Literal["observed", "expected"] = "observed",
    weights: Any = None,
    offset: Any = None,
    subset: Any = None,
    na_action: Literal["omit", "exclude", "error"] = "omit",
    contrasts: Mapping[str, Any] | None = None,
    start: Sequence[float] | Mapping[str, Any] | None = None,
    control: Mapping[str, Any] | None = None,
    progress: Progress = False,
    n_threads: int | None = None,
    prior: Mapping[str, Any] | None = None,
    sampling_weights: Mapping[str, Any] | None = None,
    weight_scaling: Literal["none", "size", "effective", "gk"] = "none",
    weights_are: Literal["conditional", "unconditional"] = "conditional",
    strata: Any = None,
    checkpoint: str | os.PathLike[str] | None = None,
    known: Mapping[str, Any] | None = None,
) -> GeneralizedLinearMixedModel:
    """Fit a generalized linear mixed model by maximum likelihood.

    Parameters
    ----------
    formula : str
        The model in lme4's notation, such as ``"y ~ x + (x | g)"``. A binomial response is 0 and 1,
        True and False, two levels of which the first is failure, ``cbind(successes, failures)``, or
        a proportion with ``weights="trials"``.
    data : frame, dict or path
        A pandas, polars or pyarrow frame, any other frame that narwhals reads, a dict of arrays, or
        the path of a file.
    family : str or Family
        ``"binomial"``, ``"poisson"``, ``"nbinom2"``, ``"nbinom1"``, ``"Gamma"``,
        ``"inverse.gaussian"``, ``"gaussian"``, ``"beta"``, also with a link as in R:
        ``"binomial(probit)"``; or an object such as ``Binomial(link="probit")``,
        ``NegativeBinomial(type=1)``, ``CustomFamily(...)``.
        Also ``"betabinomial"``, ``"ordbeta"``, ``"zoib"``, ``"tweedie"``, ``"lognormal"``, ``"t"``,
        ``"skewnormal"``, ``"genpois"``, ``"compois"``, and ``"truncated_poisson"`` and its kin; a
        name of brms such as ``"zero_inflated_poisson"`` or ``"hurdle_nbinom2"`` has
        ``zi_formula="~ 1"`` unless another is given.
    zi_formula : str, optional
        A formula without a response for the logit of the probability of an extra zero, where the
        family has zeros, else of zero (a hurdle). It may have random effects and offsets; ``"~ ."``
        is the right side of the formula, ``"~ 0"`` is none.
    disp_formula : str, optional
        The same for the logarithm of the dispersion: the size of the negative binomial, the
        precision of beta, sigma of Gamma and gaussian. Terms ``(x |p| g)`` that share the name p in
        the formulas of one model are one covariance block.
    ziformula, dispformula : str, optional
        R's names of these.
    n_quad : int or "auto", optional
        Nodes of adaptive Gauss-Hermite quadrature for each random effect, for one grouping factor
        with up to three of them or two nested ones with one each; 1, the default, is Laplace's
        approximation and 0 the fast penalised form, whose fixed effects are biased. ``"auto"``
        raises their number until two successive values of -2 log-likelihood agree to 0.001;
        ``convergence`` says how many that were.
    nAGQ : int or "auto", optional
        R's name of ``n_quad``.
    curvature : {"observed", "expected"}
        Second derivatives in Laplace's determinant: the observed ones, which make it Laplace's
        approximation proper (as in glmmTMB), or their expectations, as in lme4. With canonical
        links (logit, log for counts) they are the same.
    weights : str or array, optional
        Numbers of trials for a binomial response that is a proportion; of successes and failures
        and for other families the factors of the rows' log-likelihoods.
    offset : str or array, optional
        A known part of the linear predictor, added to any ``offset(...)`` in the formula. An
        exposure is ``offset="log(exposure)"``.
    subset : str or array, optional
        Rows to use: an expression in columns such as ``"age > 20"``, or a boolean array.
    na_action : {"omit", "exclude", "error"}
        What to do with rows that have a missing value: leave them out; leave them out of the fit
        but give NaN for them in fitted values, residuals and simulations; or refuse.
    contrasts : dict, optional
        Coding of factors by column: ``"treatment"``, ``"sum"``, ``"helmert"``, ``"poly"`` or a
        matrix (levels × columns), of random effects too, as in `lmer`.
    start : sequence or dict, optional
        Starting values of theta, in lme4's order or by name; or a dict with ``theta``, ``fixef``
        and ``dispersion``, as far as known. With several linear predictors the dict may have those
        of the others, as ``{"fixef": {"x": 0.5}, "zi": [-1.0], "disp": [0.3], "psi": 0.0}``.
    control : dict, optional
        ``max_evaluations``: limit on evaluations of the likelihood. ``tolerance``: stop when the
        criterion can be lowered by less than this.
    progress : bool, "tqdm" or callable
        True shows the evaluations on standard error, ``"tqdm"`` in a bar of tqdm, also in
        notebooks; a function is called with the number of evaluations and the criterion.
    n_threads : int, optional
        Threads to use at most; by default one for each physical core. Results do not depend on it.
    prior : dict, optional
        Prior densities (`ranef.priors`) of ``"fixef"``, ``"fixef:x"``, ``"cov"``, ``"cov:g"``,
        ``"disp"``, ``"zi"``, ``"shape"``, such as ``{"cov": priors.Gamma()}``; the estimates are
        posterior modes.
    sampling_weights : dict, optional
        Columns (or arrays) of the sampling weights of ``"rows"`` and of the levels of grouping
        factors, as ``{"rows": "w1", "school": "w2"}``: how often a row counts within its school and
        the school itself. Factors must be nested; standard errors are robust, and tests have the
        number of outermost clusters less one as degrees of freedom.
    weight_scaling : {"none", "size", "effective", "gk"}
        Scaling of weights within what they lie in: sums as many as rows; the effective number; or
        rows 1 and clusters their mean (two levels; Graubard and Korn).
    weights_are : {"conditional", "unconditional"}
        Whether weights are given the level above, or of inclusion in the whole sample.
    strata : str or array, optional
        Strata of the outermost clusters, within which their scores vary.
    checkpoint : path, optional
        For ``control={"solver": "iterative"}``: a file in which is kept where the search stands, so
        that the same call goes on from there when the process was ended, with the same numbers.
    known : dict, optional
        The covariance matrices that ``known(1 | id, A)`` names, as in `lmer`: a matrix with the
        names of its levels, its inverse, or a pedigree. For models with one linear predictor, by
        Laplace's approximation.

    Returns
    -------
    GeneralizedLinearMixedModel

    Raises
    ------
    RanefError
        One of its subclasses, for input that cannot be used; the message names what to do.

    Warns
    -----
    RanefWarning
        At most once: separation, columns dropped for linear dependence, random effects without
        variance, no convergence.

    Examples
    --------
    >>> from ranef import glmer, load_dataset
    >>> cbpp = load_dataset("cbpp")
    >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    >>> m = glmer(formula, cbpp, family="binomial")
    >>> round(m.llf, 4)
    -92.0263
    >>> m.bse.round(4).tolist()
    [0.2325, 0.3066, 0.3266, 0.4274]

    The same with 25 quadrature nodes:

    >>> round(m.update(n_quad=25).llf, 4)
    -91.9834
    """
    for ours, own, other in (("zi_formula", zi_formula, ziformula), ("disp_formula", disp_formula, dispformula)):
        if own is not None and other is not None and own != other:
            raise OptionError(f"{ours}={own!r} and {ours.replace('_', '')}={other!r} disagree; give one of them.")
    zi = part_formula("zi_formula", zi_formula if ziformula is None else ziformula)
    if zi is None and zi_formula is None and ziformula is None and has_zero_part(family):
        zi = "~ 1"
    disp = part_formula("disp_formula", disp_formula if dispformula is None else dispformula)
    parsed = parse_family(family)
    if checkpoint is not None and parse_control(control).solver != "iterative":
        raise OptionError(
            "checkpoint keeps the search of the iterative solver; leave it out, or fit with "
            "control={'solver': 'iterative'}."
        )
    request = GlmmRequest(
        formula=formula,
        data=data,
        family=parsed if has_several_predictors(parsed, zi, disp) else _checked(parsed),
        zi_formula=zi,
        disp_formula=disp,
        n_quad=choose_n_quad(n_quad, nAGQ, with_auto=True),
        curvature=checked_curvature(curvature),
        weights=weights,
        offset=offset,
        subset=subset,
        na_action=na_action,
        contrasts=contrasts,
        start=start,
        control=control,
        progress=progress,
        n_threads=n_threads,
        prior=prior,
        sampling_weights=sampling_weights,
        weight_scaling=weight_scaling,
        weights_are=weights_are,
        strata=strata,
        known=known,
    )
    kept = None if checkpoint is None else checkpoint_path(checkpoint)
    return _fitted(request, kept)


@known_arguments
def glmer_nb(
    formula: str,
    data: Any,
    *,
    link: Literal["log", "sqrt", "identity"] = "log",
    type: Literal[1, 2] = 2,
    **arguments: Any,
) -> GeneralizedLinearMixedModel:
    """Fit a negative binomial mixed model,
    with its shape estimated together with all other parameters.

    Parameters
    ----------
    formula : str
    data : frame, dict or path
    link : {"log", "sqrt", "identity"}
    type : {2, 1}
        Whether the variance is ``mu + mu² / size`` or ``mu (1 + size)``.
    **arguments
        Other arguments of ``glmer``.

    Returns
    -------
    GeneralizedLinearMixedModel
        Its ``dispersion`` is the size.

    Examples
    --------
    >>> from ranef import glmer_nb, load_dataset
    >>> ticks = load_dataset("grouseticks")
    >>> m = glmer_nb("TICKS ~ YEAR + cHEIGHT + (1 | BROOD)", ticks)
    >>> bool(m.dispersion > 0)
    True
    """
    if "family" in arguments:
        raise OptionError("glmer_nb has the negative binomial family; use glmer for another one.")
    return glmer(formula, data, family=NegativeBinomial(link=link, type=type), **arguments)


def _checked(family: Family) -> Family:
    if isinstance(family, Gaussian) and family.link == "identity":
        raise OptionError(
            "family='gaussian' with the identity link is a linear mixed model: use lmer(formula, data), with "
            "REML=False for maximum likelihood."
        )
    return family


def _fitted(request: GlmmRequest, checkpoint: Path | None = None) -> GeneralizedLinearMixedModel:
    return GeneralizedLinearMixedModel(request.fitted(checkpoint=checkpoint), request)
