"""Nonlinear mixed models."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from ranef.fit.approximation import choose_n_quad
from ranef.fit.nonlinear.request import NonlinearRequest
from ranef.fit.progress import Progress
from ranef.known_arguments import known_arguments
from ranef.results.nonlinear import NonlinearMixedModel


@known_arguments
def nlmer(
    formula: str,
    data: Any,
    *,
    start: Mapping[str, Any] | Sequence[float] | None = None,
    params: Mapping[str, str] | None = None,
    functions: Mapping[str, Callable[..., Any]] | None = None,
    curvature: Literal["observed", "gauss_newton"] = "observed",
    method: Literal["laplace", "linearized"] = "laplace",
    n_quad: int | None = None,
    nAGQ: int | None = None,
    weights: Any = None,
    subset: Any = None,
    na_action: Literal["omit", "exclude", "error"] = "omit",
    contrasts: Mapping[str, Any] | None = None,
    correlation: Any = None,
    variance: Any = None,
    prior: Mapping[str, Any] | None = None,
    control: Mapping[str, Any] | None = None,
    progress: Progress = False,
    n_threads: int | None = None,
) -> NonlinearMixedModel:
    """Fit a nonlinear mixed model: a curve whose parameters have fixed and random effects.

    Parameters
    ----------
    formula : str
        ``response ~ curve ~ effects`` as in lme4, such as
        ``"height ~ SSlogis(age, Asym, xmid, scal) ~ (Asym + xmid | tree)"``: effects are those of
        parameters, each of which has one mean for all groups. Or ``response ~ curve``, with
        ``params``. The curve is one of the self-starting functions ``SSlogis``, ``SSfpl``,
        ``SSasymp``, ``SSasympOff``, ``SSasympOrig``, ``SSbiexp``, ``SSfol``, ``SSgompertz``,
        ``SSmicmen`` and ``SSweibull`` with R's arguments, or any expression such as
        ``Asym / (1 + exp((xmid - age) / scal))``, in which names that are no columns are
        parameters.
    data : frame, dict or path
        As in `lmer`.
    start : dict or sequence, optional
        For each parameter a number, or a list with a value for each of its coefficients; a
        self-starting function finds what is left out.
    params : dict, optional
        Formulas of parameters, ``"~ 1"`` where none is given: ``{"Asym": "~ trt + (1 | plot)"}``.
        Bars that share a name and a grouping factor, as ``(1 |p| tree)``, are one block in which
        effects are correlated, across parameters too.
    functions : dict, optional
        Functions of Python that the curve calls, by name. They take arrays by position, one value
        for each row, and give one; derivatives come by themselves where they are written with
        NumPy's functions and operators.
    curvature : {"observed", "gauss_newton"}
        Curvature in the determinant of Laplace's approximation: the second derivatives of the
        likelihood, or without those of the curve as in lme4.
    method : {"laplace", "linearized"}
        ``"linearized"`` is nlme's: penalised least squares and linear mixed models by turns.
    n_quad : int, optional
        Quadrature nodes for each random effect, for one grouping factor; 1 is Laplace's
        approximation.
    nAGQ : int, optional
        The same, as lme4 calls it.
    weights : str or array, optional
        Prior weights: the residual variance of a row is sigma² divided by its weight.
    subset, na_action, contrasts, control, progress, n_threads
        As in `lmer`.
    correlation : str, optional
        Correlation of the rows given the random effects, as in `gls`; with
        ``method="linearized"``.
    variance : str, optional
        Variance functions of columns or of the curve, such as ``"power(time)"``,
        ``"power(fitted)"`` or ``"by_group(sex)"``, as in `gls`. With ``method="linearized"`` they
        are held at the fitted values; else they are part of the likelihood.
    prior : dict, optional
        Prior densities (`ranef.priors`) of ``"fixef"``, ``"fixef:Asym"``, ``"cov"``, ``"cov:g"``
        and ``"resid"``, the residual standard deviation, such as ``{"fixef:scal":
        priors.Normal(350, 50)}``; the estimates are posterior modes.

    Returns
    -------
    NonlinearMixedModel

    Raises
    ------
    RanefError
        One of its subclasses, for input that cannot be used; the message names what to do.

    Warns
    -----
    RanefWarning
        At most once: random effects without variance, no convergence.

    Examples
    --------
    >>> from ranef import load_dataset, nlmer
    >>> orange = load_dataset("orange")
    >>> m = nlmer("circumference ~ SSlogis(age, Asym, xmid, scal) ~ (Asym | Tree)", orange)
    >>> m.fixef.round(1).to_dict()
    {'Asym': 192.1, 'xmid': 727.9, 'scal': 348.1}
    """
    request = NonlinearRequest(
        formula=formula,
        data=data,
        start=start,
        params=None if params is None else dict(params) if isinstance(params, Mapping) else params,
        functions=functions,
        curvature=curvature,
        method=method,
        n_quad=int(choose_n_quad(n_quad, nAGQ)),
        weights=weights,
        subset=subset,
        na_action=na_action,
        contrasts=contrasts,
        correlation=correlation,
        variance=variance,
        prior=prior,
        control=control,
        progress=progress,
        n_threads=n_threads,
    )
    return NonlinearMixedModel(request.fitted(), request)
