"""Numbers with heavier tails than normal ones."""

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ranef.errors import ArgumentTypeError, OptionError
from ranef.families.family import Family, Support
from ranef.families.link import Floats


@dataclass(frozen=True, slots=True)
class StudentT(Family):
    """Student's t distribution around a mean: ``y = mu + sigma t``.

    Parameters
    ----------
    link : {"identity", "log", "inverse"}
    df : float, optional
        Degrees of freedom, estimated by default.

    Examples
    --------
    >>> from ranef import StudentT
    >>> StudentT(df=4).df
    4.0
    """

    link: str = "identity"
    df: float | None = None
    name: ClassVar[str] = "t"
    links: ClassVar[tuple[str, ...]] = ("identity", "log", "inverse")
    support: ClassVar[Support] = "real"
    dispersion_name: ClassVar[str | None] = "scale"
    predictors: ClassVar[tuple[str, ...]] = ("disp", "log_df")
    by_predictors: ClassVar[bool] = True

    def __post_init__(self) -> None:
        Family.__post_init__(self)
        if self.df is None:
            return
        if isinstance(self.df, bool) or not isinstance(self.df, numbers.Real):
            raise ArgumentTypeError(f"df must be a positive number, or None to have it estimated, not {self.df!r}.")
        if not (math.isfinite(self.df) and self.df > 0):
            raise OptionError(f"df must be a positive number, or None to have it estimated, not {self.df!r}.")
        object.__setattr__(self, "df", float(self.df))

    @property
    def held(self) -> dict[str, float]:
        """The degrees of freedom where they are given, as their predictor."""
        return {} if self.df is None else {"log_df": math.log(self.df)}

    def natural(self, shapes: Mapping[str, float]) -> dict[str, float]:
        """The degrees of freedom."""
        return {"df": math.exp(shapes["log_df"])}

    def moments(self, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> tuple[Floats, Floats]:
        """Mean and variance of a response; no variance with two degrees of freedom or fewer."""
        df = np.exp(at["log_df"])
        with np.errstate(divide="ignore", invalid="ignore"):
            variance = np.exp(2 * at["disp"]) * np.where(df > 2, df / (df - 2), np.nan)
        return mu, variance

    def zero_probability(self, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """Zero is a number like others."""
        return np.zeros_like(mu)

    def cumulative_with(self, y: Floats, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """Probability of a response up to ``y``."""
        from scipy.special import stdtr

        return np.asarray(stdtr(np.exp(at["log_df"]), (y - mu) / np.exp(at["disp"])))

    def draw_with(self, rng: np.random.Generator, mu: Floats, at: Mapping[str, Floats], weights: Floats) -> Floats:
        """Draw responses."""
        return np.asarray(mu + np.exp(at["disp"]) * rng.standard_t(np.exp(at["log_df"])))
