"""Linear mixed models."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ranef.data.batches import Batches, lazy_batches
from ranef.errors import OptionError
from ranef.fit.checkpoint_file import checkpoint_path
from ranef.fit.control import parse_control
from ranef.fit.progress import Progress
from ranef.fit.reml import choose_reml
from ranef.fit.request import LmmRequest
from ranef.known_arguments import known_arguments
from ranef.options import Ddf
from ranef.results.linear import LinearMixedModel


def fit_streamed(
    request: LmmRequest, source: Batches, checkpoint: str | os.PathLike[str] | None
) -> LinearMixedModel | None:
    """The model of a large source that is read in batches; None for one that is read at once."""
    from ranef.scale.fitting import fit_request

    return fit_request(request, source, checkpoint)


@known_arguments
def lmer(
    formula: str,
    data: Any,
    *,
    REML: bool | None = None,
    method: Literal["REML", "ML"] | None = None,
    weights: Any = None,
    offset: Any = None,
    subset: Any = None,
    na_action: Literal["omit", "exclude", "error"] = "omit",
    contrasts: Mapping[str, Any] | None = None,
    start: Sequence[float] | Mapping[str, Any] | None = None,
    control: Mapping[str, Any] | None = None,
    progress: Progress = False,
    n_threads: int | None = None,
    ddf: Ddf = "satterthwaite",
    correlation: Any = None,
    variance: Any = None,
    checkpoint: str | os.PathLike[str] | None = None,
    known: Mapping[str, Any] | None = None,
    prior: Mapping[str, Any] | None = None,
    sampling_weights: Mapping[str, Any] | None = None,
    weight_scaling: Literal["none", "size", "effective", "gk"] = "none",
    weights_are: Literal["conditional", "unconditional"] = "conditional",
    strata: Any = None,
) -> LinearMixedModel:
    """Fit a linear mixed model.

    Parameters
    ----------
    formula : str
        The model in lme4's notation, such as ``"y ~ x + (x | g)"``.
    data : frame, dict or path
        A pandas, polars or pyarrow frame, any other frame that narwhals reads, a dict of arrays, or
        the path of a file, of a folder of Parquet, Arrow or text files, or a pattern such as
        ``"big/*.parquet"``. A folder, pattern, pyarrow Dataset, polars LazyFrame, DuckDB relation,
        iterator of frames or function that returns one of a million rows or more is read in
        batches, and the model has then no rows (see "Fit large data"). Only the
        columns that the formula and the arguments name are read. In a CSV file ``NA`` and empty
        fields are missing, and words such as ``None`` or ``N/A`` are values.
    REML : bool, optional
        Whether to fit by restricted maximum likelihood; True when neither this nor ``method`` is
        given.
    method : {"REML", "ML"}, optional
        Another way to say it; must not disagree with ``REML``.
    weights : str or array, optional
        Prior weights: the residual variance of a row is sigma² divided by its weight. The name of a
        column, an expression in columns, or an array.
    offset : str or array, optional
        A known part of the linear predictor, added to any ``offset(...)`` in the formula.
    subset : str or array, optional
        Rows to use: an expression in columns such as ``"age > 20"``, or a boolean array.
    na_action : {"omit", "exclude", "error"}
        What to do with rows that have a missing value: leave them out; leave them out of the fit
        but give NaN for them in fitted values, residuals and simulations; or refuse.
    contrasts : dict, optional
        Coding of factors by column: ``"treatment"``, ``"sum"``, ``"helmert"``, ``"poly"`` or a
        matrix (levels × columns), of random effects too: ``diag(f | g)`` has other independent
        effects with each. lme4's argument is for fixed effects only; `ranef.options` has that rule,
        and the coding of all other factors.
    start : sequence or dict, optional
        Starting values of theta, in lme4's order, or by name as in
        ``{"Subject.(Intercept)": 1.2}``. Of effects whose variance is not identified (a warning
        names them) nothing depends on it.
    control : dict, optional
        ``max_evaluations``: limit on evaluations of the criterion. ``tolerance``: stop when the
        criterion can be lowered by less than this. ``memory``: what the fit may take, in bytes or
        as text such as ``"4 GiB"``; what would take more is refused before it is allocated.
    progress : bool, "tqdm" or callable
        True shows the evaluations on standard error, ``"tqdm"`` in a bar of tqdm, also in
        notebooks; a function is called with the number of evaluations and the criterion, and while
        streamed data are read with the rows so far and all rows.
    n_threads : int, optional
        Threads to use at most; by default one for each physical core. Results do not depend on it.
    ddf : {"satterthwaite", "kenward-roger", "between-within", "residual", "none"}
        Method of the degrees of freedom that the model uses wherever none is asked for: in its
        summary, ``df``, ``pvalues``, ``anova``, ``test``, ``tidy``… It does not change the fit;
        ``"kenward-roger"`` needs REML. ``"between-within"``, for nested groups, are those of nlme's
        ``lme``; ``"residual"`` (n - p) those of its ``gls``. With sampling weights there are
        ``"clusters"`` (the default then) and ``"none"``, with priors ``"none"``.
    correlation : str or structure, optional
        Correlation of the rows given the random effects, such as ``"ar1(time | id)"``; see `gls`.
        There may then be no random effects at all.
    variance : str or function, optional
        Variance function of the rows, such as ``"power(x) * by_group(sex)"``; see `gls`.
    checkpoint : path, optional
        For data that are read in batches, and for the iterative solver: a file in which the work is
        kept as it is done. When the process was ended, the same call goes on from there, with the
        same numbers.
    known : dict, optional
        The covariance matrices that ``known(1 | id, A)`` names, as ``{"A": K}``: a square frame
        with the names of the levels, or the pair of a matrix (NumPy or scipy sparse) and these
        names; its inverse where the formula has ``known(1 | id, A, inverse=True)``; or a pedigree,
        a frame of each animal with its sire and dam. K may have more levels than the data.
    prior : dict, optional
        Prior densities (`ranef.priors`) of ``"fixef"``, ``"fixef:x"``, ``"cov"``, ``"cov:g"``,
        ``"resid"``, such as ``{"cov": priors.Gamma()}``; the estimates are posterior modes.
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

    Returns
    -------
    LinearMixedModel

    Raises
    ------
    RanefError
        One of its subclasses, for input that cannot be used; the message names what to do.

    Warns
    -----
    RanefWarning
        At most once: columns dropped for linear dependence, random effects without variance, no
        convergence.

    Examples
    --------
    >>> from ranef import lmer, load_dataset
    >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
    >>> m.fixef.round(3)
    (Intercept)    251.405
    Days            10.467
    Name: fixef, dtype: float64
    >>> round(m.objective, 4)
    1743.6283
    >>> m.varcorr["Subject"].sd.round(3)
    array([24.74 ,  5.922])

    The same model by maximum likelihood:

    >>> round(m.update(REML=False).aic, 3)
    1763.939
    """
    request = LmmRequest(
        formula=formula,
        data=data,
        reml=choose_reml(REML, method, sampling_weights is None),
        weights=weights,
        offset=offset,
        subset=subset,
        na_action=na_action,
        contrasts=contrasts,
        start=start,
        control=control,
        progress=progress,
        n_threads=n_threads,
        ddf=ddf,
        correlation=correlation,
        variance=variance,
        known=known,
        prior=prior,
        sampling_weights=sampling_weights,
        weight_scaling=weight_scaling,
        weights_are=weights_are,
        strata=strata,
    )
    source = lazy_batches(data) if request.may_be_streamed else None
    if source is not None and (streamed := fit_streamed(request, source, checkpoint)) is not None:
        return streamed
    if checkpoint is not None and parse_control(control).solver != "iterative":
        raise OptionError(
            "checkpoint is for data that are read in batches, as large files are, and for the iterative solver, and "
            "these are read at once: leave it out, or fit with scale.fit, which reads any data in batches, or with "
            "control={'solver': 'iterative'}."
        )
    kept = None if checkpoint is None else checkpoint_path(checkpoint)
    return LinearMixedModel(request.fitted(checkpoint=kept), request)
