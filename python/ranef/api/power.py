"""Power of tests of fixed effects, by simulation."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from ranef.errors import ArgumentTypeError, OptionError
from ranef.fit.progress import part_of, reported
from ranef.fit.request import warn_once
from ranef.fit.threads import parse_n_threads
from ranef.inference.bootstrap.arguments import checked_count, seed_of
from ranef.inference.power import Power, simulated_power
from ranef.inference.reduced import comparison_control
from ranef.known_arguments import known_arguments
from ranef.results.model.mixed import MixedModel

if TYPE_CHECKING:
    from ranef.results.power import PowerCurve

PowerTest = Literal["satterthwaite", "kenward-roger", "residual", "none", "lrt"]


@known_arguments
def power(
    model: MixedModel,
    effect: str,
    n: int = 1000,
    *,
    test: PowerTest | None = None,
    alpha: float = 0.05,
    fixef: Mapping[str, float] | None = None,
    sigma: float | None = None,
    dispersion: float | None = None,
    extend: Mapping[str, int] | None = None,
    within: Mapping[str, int] | None = None,
    rng: Any = None,
    progress: bool | Literal["tqdm"] | Callable[[int, int], object] = False,
    n_threads: int | None = None,
) -> Power:
    """Estimate the power of a test of a fixed effect by simulation.

    Responses are drawn from the model, as it is or with other fixed effects, sigma or numbers of
    groups; the model is fitted to each and the effect is tested. The effect that was estimated from
    the same data is an uncertain guide to the true one: give the smallest effect of interest in
    ``fixef``.

    Parameters
    ----------
    model : LinearMixedModel or GeneralizedLinearMixedModel
        Gives the design and the variances.
    effect : str
        A fixed effect by name, or a term of the formula, whose columns are tested together.
    n : int
        Number of simulations.
    test : {"satterthwaite", "kenward-roger", "residual", "none", "lrt"}, optional
        By default ``"satterthwaite"``, for a generalized model ``"none"`` (z, or Wald chi-square),
        which has no others but ``"lrt"``. A t or F test with the degrees of freedom of that method,
        or the likelihood ratio by maximum likelihood. The likelihood ratio is simulated in the core
        as bootstraps are, the others are fitted one after the other.
    alpha : float
        Level of the test.
    fixef : dict, optional
        Fixed effects to simulate with, by name; the others are those of the model. Zero for the
        effect tested gives the rate of false positives.
    sigma : float, optional
        Residual standard deviation to simulate with. The variances of the random effects stay.
    dispersion : float, optional
        Dispersion of a generalized model to simulate with: the size of the negative binomial, the
        precision of beta, ``sigma`` of families that have one.
    extend : dict, optional
        Number of levels to simulate, by grouping factor, such as ``{"school": 100}``. New levels
        are copies of the rows of those there are, in turn; a number smaller than there are keeps
        the first ones. Levels of factors nested in it are copied with them.
    within : dict, optional
        Number of rows to simulate in each level, by grouping factor. Its rows are taken in turn.
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
    """
    _check_model(model, "power")
    with reported(progress, "simulations") as show:
        made = simulated_power(
            model._fit,
            effect,
            checked_count(n),
            test,
            alpha,
            fixef,
            sigma,
            dispersion,
            extend,
            within,
            seed_of(rng),
            comparison_control(model._request.control),
            model._fit.n_threads if n_threads is None else parse_n_threads(n_threads),
            show,
        )
    warn_once(_messages([made]))
    return made


@known_arguments
def power_curve(
    model: MixedModel,
    effect: str,
    n: int = 1000,
    *,
    extend: Mapping[str, Sequence[int]] | None = None,
    within: Mapping[str, Sequence[int]] | None = None,
    rng: Any = None,
    **options: Any,
) -> "PowerCurve":
    """Estimate power for several numbers of groups, or of rows within groups.

    Parameters
    ----------
    model : LinearMixedModel or GeneralizedLinearMixedModel
    effect : str
    n : int
        Number of simulations for each.
    extend : dict, optional
        One grouping factor with its numbers of levels, such as ``{"school": [20, 50, 100]}``.
    within : dict, optional
        One grouping factor with numbers of rows in each level. Give either this or ``extend``.
    rng : int, numpy.random.Generator or None
        Seed or generator; all points of the curve use the same seed.
    **options
        ``test``, ``alpha``, ``fixef``, ``sigma``, ``dispersion``, ``progress`` and ``n_threads`` of
        ``power``.

    Returns
    -------
    PowerCurve
        A frame with a row for each number: ``effect, test, alpha, nobs``, one column for each
        grouping factor, ``power, lower, upper, n, n_failed``. Its ``plot()`` draws the curve.

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

    _check_model(model, "power_curve")
    given = {k: v for k, v in (("extend", extend), ("within", within)) if v is not None}
    if len(given) != 1:
        raise OptionError("power_curve needs either extend= or within=, such as extend={'school': [20, 50, 100]}.")
    name, along = next(iter(given.items()))
    if not isinstance(along, Mapping) or len(along) != 1:
        raise OptionError(f"{name} must have one grouping factor, such as {{'school': [20, 50, 100]}}, not {along!r}.")
    group, numbers = next(iter(along.items()))
    if isinstance(numbers, str) or not isinstance(numbers, Sequence) or not len(numbers):
        raise ArgumentTypeError(f"{name}[{group!r}] must be a list of whole numbers, not {numbers!r}.")
    allowed = ("test", "alpha", "fixef", "sigma", "dispersion", "progress", "n_threads")
    unknown = [k for k in options if k not in allowed]
    if unknown:
        raise OptionError(f"power_curve has no option {unknown[0]!r}; the options are {', '.join(allowed)}.")
    seed = seed_of(rng)
    threads = options.get("n_threads")
    made: list[Power] = []
    count = checked_count(n)
    with reported(options.get("progress", False), "simulations") as show:
        for i, number in enumerate(numbers):
            made.append(
                simulated_power(
                    model._fit,
                    effect,
                    count,
                    options.get("test"),
                    options.get("alpha", 0.05),
                    options.get("fixef"),
                    options.get("sigma"),
                    options.get("dispersion"),
                    {group: number} if name == "extend" else None,
                    {group: number} if name == "within" else None,
                    seed,
                    comparison_control(model._request.control),
                    model._fit.n_threads if threads is None else parse_n_threads(threads),
                    part_of(show, i * count, count * len(numbers)),
                )
            )
            if made[-1].interrupted:
                break
    warn_once(_messages(made))
    curve = PowerCurve([p.row() for p in made])
    # Rows within groups are shown by the number of all rows, as the groups stay the same.
    curve.attrs = {"along": group if name == "extend" else "nobs"}
    curve.attrs["label"] = f"levels of {group}" if name == "extend" else "rows"
    return curve


def _check_model(model: object, verb: str) -> None:
    if not isinstance(model, MixedModel):
        raise ArgumentTypeError(f"{verb} is for models fitted by lmer or glmer, not {type(model).__name__}.")


def _messages(made: Sequence[Power]) -> tuple[str, ...]:
    out = []
    failed, total = sum(p.n_failed for p in made), sum(p.n for p in made)
    if failed:
        out.append(f"{failed} of {total} simulations had a fit that failed; they count as not significant.")
    if any(p.interrupted for p in made):
        out.append("the simulation was interrupted: what was finished is returned.")
    return tuple(out)
