"""Power of tests of fixed effects, by simulation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ranef.errors import ArgumentTypeError, OptionError
from ranef.families.family import Family
from ranef.families.names import parse_family
from ranef.fit.control import parse_control
from ranef.fit.ending.warned import warn_once
from ranef.fit.progress import part_of, reported
from ranef.fit.stated.parameters import Stated
from ranef.fit.stated.planned import planned_fit
from ranef.fit.threads import parse_n_threads
from ranef.inference.bootstrap.arguments import checked_count, seed_of
from ranef.inference.power import Power, Study, simulated_power
from ranef.inference.reduced import comparison_control
from ranef.known_arguments import known_arguments
from ranef.results.model.mixed import MixedModel

if TYPE_CHECKING:
    from ranef.results.power import PowerCurve

PowerTest = Literal["satterthwaite", "kenward-roger", "residual", "none", "lrt"]
Values = Mapping[str, float] | Sequence[float]


@known_arguments
def power(
    model: MixedModel | str,
    effect: str,
    n: int = 1000,
    *,
    data: Any = None,
    family: str | Family | None = None,
    test: PowerTest | None = None,
    alpha: float = 0.05,
    fixef: Values | None = None,
    varcorr: Mapping[str, Any] | None = None,
    theta: Values | None = None,
    sigma: float | None = None,
    dispersion: float | None = None,
    extend: Mapping[str, int] | None = None,
    within: Mapping[str, int] | None = None,
    weights: Any = None,
    offset: Any = None,
    contrasts: Mapping[str, Any] | None = None,
    rng: Any = None,
    progress: bool | Literal["tqdm"] | Callable[[int, int], object] = False,
    n_threads: int | None = None,
) -> Power:
    """Estimate the power of a test of a fixed effect by simulation.

    Responses are drawn from a model, fitted or stated; it is fitted to each and the effect is
    tested. The effect that was estimated from the same data is an uncertain guide to the true one:
    give the smallest effect of interest in ``fixef``.

    Parameters
    ----------
    model : LinearMixedModel, GeneralizedLinearMixedModel or str
        A fitted model gives the design and the parameters. A formula, with or without a response,
        is a model without a fit: it needs ``data`` and all parameters.
    effect : str
        A fixed effect by name, or a term of the formula, whose columns are tested together.
    n : int
        Number of simulations.
    data : frame, dict or path
        The rows of the study that is planned, for a formula; a response is not needed.
    family : str or Family, optional
        For a formula, as in ``glmer``; by default a linear model.
    test : {"satterthwaite", "kenward-roger", "residual", "none", "lrt"}, optional
        By default ``"satterthwaite"``, for a generalized model ``"none"`` (z, or Wald chi-square),
        which has no others but ``"lrt"``. A t or F test with the degrees of freedom of that method,
        or the likelihood ratio by maximum likelihood. Linear models are drawn and fitted in the
        core, and so are all for likelihood ratios; other generalized ones are fitted one after the
        other.
    alpha : float
        Level of the test.
    fixef : dict, Series or sequence, optional
        Fixed effects to simulate with, by name or all in order; those not named are those of the
        model. Zero for the effect tested gives the rate of false positives.
    varcorr : dict, optional
        Covariances of the random effects to simulate with, by grouping factor, in the forms of
        ``ranef.simulate``: ``{"Subject": {"Days": 3.0}}`` changes one standard deviation.
    theta : dict, Series or sequence, optional
        The same as relative covariance parameters. Give this or ``varcorr``.
    sigma : float, optional
        Residual standard deviation to simulate with. The variances of the random effects stay,
        unless ``theta`` gives them in its units.
    dispersion : float, optional
        Dispersion of a generalized model to simulate with: the size of the negative binomial, the
        precision of beta, ``sigma`` of families that have one.
    extend : dict, optional
        Number of levels to simulate, by grouping factor, such as ``{"school": 100}``. New levels
        are copies of the rows of those there are, in turn; a number smaller than there are keeps
        the first ones. Levels of factors nested in it are copied with them.
    within : dict, optional
        Number of rows to simulate in each level, by grouping factor. Its rows are taken in turn.
    weights, offset : str or array, optional
        For a formula, as in ``ranef.simulate``.
    contrasts : dict, optional
        For a formula, as in ``lmer``.
    rng : int, numpy.random.Generator or None
        Seed or generator; None takes a fresh seed.
    progress : bool or callable
        True shows the count on standard error; a function is called with the number of simulations
        finished and ``n``.
    n_threads : int, optional
        Threads to use at most; by default as many as the fit did.

    Returns
    -------
    Power
        With ``power``, its exact limits ``lower, upper``, and ``to_frame()``.

    Warns
    -----
    RanefWarning
        When fits failed, which count as not significant, or the run was interrupted.

    Examples
    --------
    >>> from ranef import lmer, load_dataset, power
    >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
    >>> p = power(m, "Days", 200, fixef={"Days": 5.0}, test="lrt", rng=1)
    >>> bool(p.lower < p.power < p.upper)
    True

    Before there are data:

    >>> import pandas as pd
    >>> rows = pd.DataFrame({"x": [0, 1] * 60, "g": [i // 4 for i in range(120)]})
    >>> p = power("~ x + (1 | g)", "x", 200, data=rows, rng=1,
    ...           fixef=[0, 0.5], varcorr={"g": 0.5}, sigma=1)
    >>> p.nobs, bool(0.7 < p.power < 0.85)
    (120, True)
    """
    study = _study(
        "power",
        model,
        effect,
        Stated(fixef, varcorr, theta, sigma, dispersion),
        {"data": data, "family": family, "weights": weights, "offset": offset, "contrasts": contrasts},
        test,
        alpha,
        rng,
        n_threads,
    )
    with reported(progress, "simulations") as show:
        made = simulated_power(study, checked_count(n), extend, within, show)
    warn_once(_messages([made]))
    return made


@known_arguments
def power_curve(
    model: MixedModel | str,
    effect: str,
    n: int = 1000,
    *,
    extend: Mapping[str, Sequence[int] | int] | None = None,
    within: Mapping[str, Sequence[int] | int] | None = None,
    rng: Any = None,
    **options: Any,
) -> "PowerCurve":
    """Estimate power for several numbers of groups, of rows within groups, or for a grid of two
    such numbers.

    Parameters
    ----------
    model : LinearMixedModel, GeneralizedLinearMixedModel or str
        As in ``power``.
    effect : str
    n : int
        Number of simulations for each point.
    extend : dict, optional
        Numbers of levels by grouping factor, such as ``{"school": [20, 50, 100]}``. Lists for two
        factors, as ``{"subject": [10, 20, 40], "item": [8, 16]}``, make a grid; one number is the
        same at all points.
    within : dict, optional
        Numbers of rows in each level by grouping factor, in the same form. Together with
        ``extend`` there may be lists for two.
    rng : int, numpy.random.Generator or None
        Seed or generator; all points of the curve use the same seed.
    **options
        Other arguments of ``power``: ``data``, ``family``, ``test``, ``alpha``, ``fixef``,
        ``varcorr``, ``theta``, ``sigma``, ``dispersion``, ``weights``, ``offset``, ``contrasts``,
        ``progress`` and ``n_threads``.

    Returns
    -------
    PowerCurve
        A frame with a row for each point: ``effect, test, alpha, nobs``, one column for each
        grouping factor, ``rows_per_<factor>`` for those of ``within``, ``power, lower, upper, n,
        n_failed``. Its ``plot()`` draws power along the first list, with a line for each value of
        the second.

    Examples
    --------
    >>> from ranef import lmer, load_dataset, power_curve
    >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
    >>> more = {"Subject": [6, 12, 24]}
    >>> curve = power_curve(m, "Days", 200, extend=more, fixef={"Days": 5.0}, test="lrt", rng=1)
    >>> curve["Subject"].tolist(), bool(curve["power"].is_monotonic_increasing)
    ([6, 12, 24], True)
    """
    from ranef.results.power import PowerCurve

    unknown = [k for k in options if k not in _OPTIONS]
    if unknown:
        raise OptionError(f"power_curve has no option {unknown[0]!r}; the options are {', '.join(_OPTIONS)}.")
    along = [*_numbers("extend", extend), *_numbers("within", within)]
    lists = [a for a in along if a.listed]
    if not lists:
        raise OptionError(
            "power_curve needs a list of numbers in extend= or within=, such as extend={'school': [20, 50, 100]}."
        )
    if len(lists) > 2:
        raise OptionError(f"power_curve takes lists for at most two factors, not {len(lists)}.")
    stated = Stated(**{k: options.get(k) for k in Stated.__slots__})
    rows = {k: options.get(k) for k in _ROWS}
    test, alpha, threads = options.get("test"), options.get("alpha", 0.05), options.get("n_threads")
    study = _study("power_curve", model, effect, stated, rows, test, alpha, rng, threads)
    grid = list(product(*(a.numbers for a in along)))
    made: list[Power] = []
    records = []
    count = checked_count(n)
    with reported(options.get("progress", False), "simulations") as show:
        for i, point in enumerate(grid):
            at = list(zip(along, point, strict=True))
            groups, sizes = ({a.group: m for a, m in at if a.name == name} for name in ("extend", "within"))
            part = part_of(show, i * count, count * len(grid))
            made.append(simulated_power(study, count, groups, sizes, part))
            records.append(made[-1].row(sizes))
            if made[-1].interrupted:
                break
    warn_once(_messages(made))
    curve = PowerCurve(records)
    curve.attrs = {"along": [a.column for a in lists], "labels": [a.label for a in lists]}
    return curve


#: Arguments of ``power`` that ``power_curve`` takes as they are: those of a formula's rows, and
#: others.
_ROWS = ("data", "family", "weights", "offset", "contrasts")
_OPTIONS = ("test", "alpha", *Stated.__slots__, *_ROWS, "progress", "n_threads")


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Numbers of levels, or of rows in each level, of one grouping factor."""

    name: str
    group: str
    numbers: tuple[int, ...]
    listed: bool

    @property
    def column(self) -> str:
        return self.group if self.name == "extend" else f"rows_per_{self.group}"

    @property
    def label(self) -> str:
        return f"levels of {self.group}" if self.name == "extend" else f"rows per {self.group}"


def _numbers(name: str, given: object) -> list[_Numbers]:
    if given is None:
        return []
    if not isinstance(given, Mapping):
        raise OptionError(f"{name} must be a dict such as {{'school': [20, 50, 100]}}, not {given!r}.")
    out = []
    for group, numbers in given.items():
        if isinstance(numbers, int | np.integer):
            out.append(_Numbers(name, str(group), (int(numbers),), False))
            continue
        if isinstance(numbers, np.ndarray | range):
            numbers = list(numbers)
        if isinstance(numbers, str) or not isinstance(numbers, Sequence) or not len(numbers):
            raise ArgumentTypeError(f"{name}[{group!r}] must be a list of whole numbers, not {numbers!r}.")
        out.append(_Numbers(name, str(group), tuple(numbers), True))
    return out


def _study(
    verb: str,
    model: object,
    effect: str,
    stated: Stated,
    rows: Mapping[str, Any],
    test: PowerTest | None,
    alpha: float,
    rng: Any,
    n_threads: int | None,
) -> Study:
    """What is to be simulated, of a fitted model or of a formula."""
    seed = seed_of(rng)
    if isinstance(model, str):
        family = parse_family(rows["family"] or "gaussian")
        parts = (rows["weights"], rows["offset"], rows["contrasts"])
        threads = parse_n_threads(n_threads)
        fit = planned_fit(model, rows["data"], family, stated, *parts, threads)
        warn_once(fit.messages)
        return Study(fit, effect, test, alpha, Stated(), seed, parse_control(None), threads)
    if not isinstance(model, MixedModel):
        raise ArgumentTypeError(
            f"{verb} is for models fitted by lmer or glmer, or for a formula with data=, not for "
            f"{type(model).__name__}."
        )
    given = [k for k in _ROWS if rows[k] is not None]
    if given:
        raise OptionError(f"{given[0]} goes with a formula; a fitted model has its own.")
    own, control = model._fit, comparison_control(model._request.control)
    threads = own.n_threads if n_threads is None else parse_n_threads(n_threads)
    return Study(own, effect, test, alpha, stated, seed, control, threads)


def _messages(made: Sequence[Power]) -> tuple[str, ...]:
    out = []
    failed, total = sum(p.n_failed for p in made), sum(p.n for p in made)
    if failed:
        out.append(f"{failed} of {total} simulations had a fit that failed; they count as not significant.")
    if any(p.interrupted for p in made):
        out.append("the simulation was interrupted: what was finished is returned.")
    return tuple(out)
