"""Mixed models for repeated measures."""

from collections.abc import Mapping
from typing import Any, Literal

from ranef.fit.correlated.repeated_request import RepeatedRequest, Vcov
from ranef.fit.progress import Progress
from ranef.fit.reml import choose_reml
from ranef.known_arguments import known_arguments
from ranef.options import Ddf
from ranef.results.linear import LinearMixedModel


@known_arguments
def mmrm(
    formula: str,
    data: Any,
    *,
    REML: bool | None = None,
    method: Literal["REML", "ML"] | None = None,
    ddf: Ddf = "satterthwaite",
    vcov: Vcov = "model",
    weights: Any = None,
    offset: Any = None,
    subset: Any = None,
    na_action: Literal["omit", "exclude", "error"] = "omit",
    contrasts: Mapping[str, Any] | None = None,
    drop_visit_levels: bool = True,
    control: Mapping[str, Any] | None = None,
    progress: Progress = False,
    n_threads: int | None = None,
) -> LinearMixedModel:
    """Fit a mixed model for repeated measures (MMRM): no random effects, and a covariance matrix of
    the visits of a subject.

    The model of SAS PROC MIXED with a REPEATED statement, and of R's mmrm. A fit needs sums over
    the subjects of each pattern of visits only, so that its time hardly grows with their number.

    Parameters
    ----------
    formula : str
        Response, fixed effects and exactly one structure: ``"y ~ arm * visit + us(visit | id)"``.
        The visit is a factor (numbers become levels) and a subject has one row at most for each.
        Structures are ``us`` (unstructured); ``cs`` and ``csh`` (compound symmetry), ``ar1`` and
        ``ar1h``, ``ad`` and ``adh`` (ante-dependence), ``toep`` and ``toeph``, where the h has a
        variance for each visit; ``sp_exp(time | id)`` and ``sp_gau`` of distances in one or more
        coordinates. ``us(visit | arm/id)`` gives each arm its own matrix.
    data : frame, dict or path
        As in `lmer`. Rows with a missing response or covariate are left out.
    REML : bool, optional
        Whether to fit by restricted maximum likelihood; True when neither this nor ``method`` is
        given.
    method : {"REML", "ML"}, optional
        Another way to say it; must not disagree with ``REML``.
    ddf : {"satterthwaite", "kenward-roger", "kenward-roger-linear", "between-within", \
"residual", "none"}
        Degrees of freedom of all tests. ``"kenward-roger"`` (SAS: ``ddfm=kr``) adjusts standard
        errors too, in the parameters of SAS and with the observed information;
        ``"kenward-roger-linear"`` (SAS: ``kr(linear)``) leaves out second derivatives.
        ``"between-within"`` follows the rule of R's mmrm.
    vcov : {"model", "CR0", "CR2", "CR3"}
        Covariance of the fixed effects: that of the model, or one that is robust to a wrong
        structure, with subjects as clusters; degrees of freedom by Satterthwaite are then those of
        Bell and McCaffrey.
    weights : str or array, optional
        Prior weights: the covariance of two rows is divided by the root of their product.
    offset, subset, na_action, contrasts, control, progress, n_threads
        As in `lmer`.
    drop_visit_levels : bool
        Whether levels of the visit that do not occur are left out; else they keep their place
        between the others.

    Returns
    -------
    LinearMixedModel
        ``residual_cov`` holds the covariance matrix of the visits, ``structure`` its parameters.

    Raises
    ------
    RanefError
        One of its subclasses, for input that cannot be used; the message names what to do.

    Warns
    -----
    RanefWarning
        At most once: columns dropped for linear dependence, no convergence.

    Examples
    --------
    >>> from ranef import load_dataset, mmrm
    >>> m = mmrm("distance ~ Sex * factor(age) + us(age | Subject)", load_dataset("orthodont"))
    >>> round(m.objective, 4)
    414.0348
    >>> m.residual_cov.round(2)
          8    10    12    14
    8   5.42  2.72  3.91  2.71
    10  2.72  4.18  2.93  3.32
    12  3.91  2.93  6.46  4.13
    14  2.71  3.32  4.13  4.99
    """
    request = RepeatedRequest(
        formula=formula,
        data=data,
        reml=choose_reml(REML, method),
        weights=weights,
        offset=offset,
        subset=subset,
        na_action=na_action,
        contrasts=contrasts,
        control=control,
        progress=progress,
        n_threads=n_threads,
        ddf=ddf,
        vcov=vcov,
        drop_visit_levels=drop_visit_levels,
    )
    return LinearMixedModel(request.fitted(), request)
