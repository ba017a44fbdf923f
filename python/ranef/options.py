"""Settings of the session, choices that occur in several places, and their checks."""

from collections.abc import Sequence
from typing import Any, Literal, Self, cast, get_args

from ranef.errors import ArgumentTypeError, OptionError
from ranef.known_arguments import known_arguments

Ddf = Literal[
    "satterthwaite", "kenward-roger", "kenward-roger-linear", "between-within", "residual", "clusters", "none"
]
"""Methods of the degrees of freedom of tests of fixed effects."""

#: Names in small letters that other programs have for them: lmerTest, emmeans, SAS, Stata.
_DDF_NAMES: dict[str, Ddf] = {
    "kr": "kenward-roger", "kenwardroger": "kenward-roger", "kenward_roger": "kenward-roger",
    "kenward roger": "kenward-roger", "kroger": "kenward-roger", "satterth": "satterthwaite",
    "kr(linear)": "kenward-roger-linear", "kr-linear": "kenward-roger-linear",
    "kenward-roger(linear)": "kenward-roger-linear", "bw": "between-within", "ddfbw": "between-within",
    "betwithin": "between-within", "between within": "between-within",
    "lme4": "none", "asymptotic": "none",
}  # fmt: skip


def checked_ddf(ddf: object, default: Ddf = "satterthwaite") -> Ddf:
    """Check the name of a method of degrees of freedom; None is the default."""
    if ddf is None:
        return default
    if not isinstance(ddf, str):
        raise ArgumentTypeError(f"ddf must be one of {', '.join(map(repr, get_args(Ddf)))}, not {ddf!r}.")
    known = _DDF_NAMES.get(ddf.lower(), ddf.lower())
    if known not in get_args(Ddf):
        raise OptionError(f"ddf must be one of {', '.join(map(repr, get_args(Ddf)))}, not {ddf!r}.")
    return cast(Ddf, known)


def wald_ddf(ddf: object, choices: Sequence[Ddf]) -> Ddf:
    """Check ``ddf`` of Wald tests, whose choices are ``"none"`` and, where they rest on clusters,
    ``"clusters"``.
    """
    found = checked_ddf(ddf)
    if found in choices:
        return found
    if found == "clusters":
        raise OptionError(
            "ddf='clusters' is for standard errors by the scores of clusters: of sampling_weights= or a robust cov=. "
            "These tests are normal; leave ddf out."
        )
    if len(choices) > 1:
        raise OptionError(
            f"ddf={ddf!r} is for linear models without priors and sampling weights: these tests have the number of "
            "clusters less one, ddf='clusters', or are normal, ddf='none'. Leave ddf out."
        )
    raise OptionError(
        f"ddf={ddf!r} is for linear models without priors and sampling weights: tests of others are normal and have no "
        "degrees of freedom. Leave ddf out."
    )


def available_ddf(ddf: Ddf, choices: Sequence[Ddf], model: str) -> Ddf:
    """See that a model has a method of degrees of freedom."""
    if ddf in choices:
        return ddf
    if ddf == "clusters":
        raise OptionError(
            "ddf='clusters' is for sampling_weights= and for robust covariances of generalized models; a linear model "
            "with cov= takes ddf='satterthwaite', which here are the degrees of freedom of the sandwich."
        )
    raise OptionError(
        f"ddf={ddf!r} is not for a {model}, which has {', '.join(map(repr, choices))}."
        + (" mmrm() has it." if ddf == "kenward-roger-linear" else "")
    )


ContrastKind = Literal["treatment", "sum", "helmert", "poly", "SAS", "sdif"]
"""Codings of factors that have a name."""

#: Names that users of R, patsy and formulaic know, and the name used here.
CONTRAST_NAMES: dict[str, ContrastKind] = {
    "treatment": "treatment", "contr.treatment": "treatment", "Treatment": "treatment",
    "sum": "sum", "contr.sum": "sum", "Sum": "sum",
    "helmert": "helmert", "contr.helmert": "helmert", "Helmert": "helmert",
    "poly": "poly", "contr.poly": "poly", "Poly": "poly",
    "SAS": "SAS", "contr.SAS": "SAS",
    "sdif": "sdif", "contr.sdif": "sdif", "Diff": "sdif",
}  # fmt: skip

RandomContrasts = Literal["given", "lme4"]
"""Whether ``contrasts=`` codes random effects too, or fixed effects only as in lme4."""

DefaultContrasts = tuple[ContrastKind, ContrastKind]
"""Coding of factors without order, and of ordered ones."""

R_DEFAULTS: DefaultContrasts = ("treatment", "poly")
"""Those that R starts with."""


class Settings(dict[str, Any]):
    """Settings by name. A ``with`` statement sets back at its end those that were changed."""

    def __init__(self, values: dict[str, Any], before: dict[str, Any]):
        super().__init__(values)
        self._before = before

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        _SETTINGS.update(self._before)


_SETTINGS: dict[str, Any] = {"keep_data": False, "contrasts": R_DEFAULTS, "random_contrasts": "given"}


@known_arguments
def options(
    *,
    keep_data: bool | None = None,
    contrasts: str | Sequence[str] | None = None,
    random_contrasts: RandomContrasts | None = None,
) -> Settings:
    """Read or change the settings of this Python process.

    A setting stays until it is changed again; in a ``with`` statement it is set back at the end. A
    worker process of joblib or multiprocessing has settings of its own: change them in the function
    that it runs.

    Parameters
    ----------
    keep_data : bool, optional
        Whether a pickled model keeps the columns of the data that it uses, so that a model that was
        cached, or handed back by a worker process, can do all that the original can (marginal
        means, pictures, ``update``). False at first: pickles then stay small. A file written by
        ``save`` never has the data, and a copy by ``copy.deepcopy`` always shares them.
    contrasts : str or pair of str, optional
        Coding of the factors for which neither ``contrasts=`` nor the formula gives one, as R's
        ``options(contrasts=)``: a name for factors without order (ordered ones keep ``"poly"``), or
        a pair for both. Names are ``"treatment"``, ``"sum"``, ``"helmert"``, ``"poly"``, ``"SAS"``
        and ``"sdif"``, or R's such as ``"contr.sum"``; ``("treatment", "poly")`` at first. A model
        keeps the coding that it was fitted with, also in ``update`` and in files, and its summary
        names it.
    random_contrasts : {"given", "lme4"}, optional
        Whether the argument ``contrasts=`` of ``lmer`` and ``glmer`` codes the random effects too
        (``"given"``, at first), or the fixed effects only, as lme4's argument does (``"lme4"``).
        ``(f | g)`` is the same model either way, ``diag(f | g)`` is not.

    Returns
    -------
    Settings
        A dict of the settings as they are now.

    Raises
    ------
    ArgumentTypeError
        If a setting has a value of another type.
    OptionError
        If there is no coding of that name.

    Examples
    --------
    >>> import ranef
    >>> with ranef.options(contrasts="sum"):
    ...     m = ranef.lmer("angle ~ recipe + (1 | recipe:replicate)", ranef.load_dataset("cake"))
    >>> m.fixef.index.tolist()
    ['(Intercept)', 'recipe[S.A]', 'recipe[S.B]']
    >>> ranef.options(keep_data=True)
    {'keep_data': True, 'contrasts': ('treatment', 'poly'), 'random_contrasts': 'given'}
    >>> ranef.options(keep_data=False)["keep_data"]
    False
    """
    changed: dict[str, Any] = {}
    if keep_data is not None:
        if not isinstance(keep_data, bool):
            raise ArgumentTypeError(f"keep_data must be True or False, not {keep_data!r}.")
        changed["keep_data"] = keep_data
    if contrasts is not None:
        changed["contrasts"] = _checked_contrasts(contrasts)
    if random_contrasts is not None:
        if random_contrasts not in get_args(RandomContrasts):
            raise OptionError(
                "random_contrasts must be 'given' (contrasts= codes random effects too) or 'lme4' (fixed effects "
                f"only), not {random_contrasts!r}."
            )
        changed["random_contrasts"] = random_contrasts
    before = {name: _SETTINGS[name] for name in changed}
    _SETTINGS.update(changed)
    return Settings(_SETTINGS, before)


def _checked_contrasts(contrasts: object) -> DefaultContrasts:
    """The coding of factors without order and of ordered ones."""
    names = (contrasts, R_DEFAULTS[1]) if isinstance(contrasts, str) else contrasts
    if not isinstance(names, Sequence) or len(names) != 2 or not all(isinstance(n, str) for n in names):
        raise ArgumentTypeError(
            "contrasts must be a name such as 'sum', or a pair for factors without order and for ordered ones, "
            f"('sum', 'poly'), not {contrasts!r}. The coding of one factor is an argument of a fit: "
            "contrasts={'f': 'sum'}."
        )
    for name in names:
        if name not in CONTRAST_NAMES:
            raise OptionError(
                f"there are no contrasts {name!r}; available are {', '.join(map(repr, get_args(ContrastKind)))}."
            )
    return CONTRAST_NAMES[names[0]], CONTRAST_NAMES[names[1]]


def is_data_kept() -> bool:
    """Whether pickled models keep the data that they use."""
    return bool(_SETTINGS["keep_data"])


def default_contrasts() -> DefaultContrasts:
    """Coding of factors for which none is given: without order, and ordered."""
    return cast(DefaultContrasts, _SETTINGS["contrasts"])


def random_contrasts() -> RandomContrasts:
    """Whether ``contrasts=`` codes random effects too."""
    return cast(RandomContrasts, _SETTINGS["random_contrasts"])
