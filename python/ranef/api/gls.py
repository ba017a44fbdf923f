"""Linear models without random effects whose rows are correlated or differ in variance."""

from collections.abc import Mapping
from typing import Any, Literal

from ranef.fit.progress import Progress
from ranef.fit.reml import choose_reml
from ranef.fit.request import GlsRequest
from ranef.known_arguments import known_arguments
from ranef.options import Ddf
from ranef.results.linear import LinearMixedModel


@known_arguments
def gls(
    formula: str,
    data: Any,
    *,
    correlation: Any = None,
    variance: Any = None,
    REML: bool | None = None,
    method: Literal["REML", "ML"] | None = None,
    weights: Any = None,
    offset: Any = None,
    subset: Any = None,
    na_action: Literal["omit", "exclude", "error"] = "omit",
    contrasts: Mapping[str, Any] | None = None,
    control: Mapping[str, Any] | None = None,
    progress: Progress = False,
    n_threads: int | None = None,
    ddf: Ddf = "satterthwaite",
) -> LinearMixedModel:
    """Fit a linear model by generalized least squares, as ``gls`` of nlme.

    Parameters
    ----------
    formula : str
        Response and fixed effects, such as ``"y ~ x * group"``.
    data : frame, dict or path
        As in `lmer`.
    correlation : str or structure, optional
        ``"structure(position | block)"``: rows of one block are correlated. The position is a
        number (whole for ``ar1``, ``arma`` and ``toep``; gaps count), a factor, whose levels keep
        their place, or 1 for the order of the rows; without a bar all rows are one block. The
        structures are ``us`` (any correlations and variances of the levels), ``cs`` (one
        correlation), ``ar1``, ``arma(…, p=, q=)``, ``toep``, ``ad`` (ante-dependence), ``car1``
        (times that need not be whole), and of distances ``exp``, ``gau``, ``mat``, ``linear``,
        ``spherical``, ``rational_quadratic`` with ``nugget=True`` and ``metric="manhattan"``.
        ``hom=False`` gives each position its own variance; ``by=arm`` or ``arm/block`` gives groups
        of blocks parameters of their own. nlme's spellings, ``corAR1(form = ~ time | id)``, and the
        functions of `ranef.structures` do as well.
    variance : str or function, optional
        Functions whose product multiplies the standard deviations: ``by_group(g)``, ``power(x)``
        (abs(x)^d), ``exponential(x)`` (exp(d x)), ``const_power(x)`` (c + abs(x)^d), ``fixed(x)``
        (sqrt(x), nothing to estimate); ``fitted`` in the place of x are the fitted values, and
        ``by=g`` gives groups their own parameters.
    REML : bool, optional
        Whether to fit by restricted maximum likelihood; True when neither this nor ``method`` is
        given.
    method : {"REML", "ML"}, optional
        Another way to say it.
    weights, offset, subset, na_action, contrasts, control, progress, n_threads, ddf
        As in `lmer`.

    Returns
    -------
    LinearMixedModel
        Without random effects; ``structure`` has the parameters of the correlation and variance.

    Raises
    ------
    RanefError
        One of its subclasses, for input that cannot be used; the message names what to do.

    Examples
    --------
    >>> from ranef import gls, load_dataset
    >>> m = gls("distance ~ age * Sex", load_dataset("orthodont"), correlation="cs(1 | Subject)")
    >>> round(m.objective, 4)
    433.7572
    """
    request = GlsRequest(
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
        correlation=correlation,
        variance=variance,
    )
    return LinearMixedModel(request.fitted(), request)
