"""What is made of marginal means and contrasts besides contrasts: some of them, two tables joined,
another scale, standardised differences and letters.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ranef.diagnostics.variance_shares import random_variances
from ranef.errors import ArgumentTypeError, OptionError
from ranef.estimates.intervals import checked_level
from ranef.fit.record import MixedFit
from ranef.formula import parse_expression
from ranef.formula.syntax import names_in
from ranef.inference.distributions import checked_alternative
from ranef.inference.marginal_means.adjustments import checked_adjust
from ranef.inference.marginal_means.contrast import checked_by
from ranef.inference.marginal_means.followups import chosen, effect_sizes, joined, regridded
from ranef.inference.marginal_means.letters import compact_letters
from ranef.inference.marginal_means.scale import transformed_response

if TYPE_CHECKING:
    import pandas as pd

    from ranef.results.means import MarginalMeans

NO_CONTRASTS = (
    "no contrasts were asked for together with these means: means.contrast('pairwise') makes them, "
    "emmeans('pairwise ~ f') both"
)


class MeanFollowUps:
    """Follow-ups of marginal means."""

    def __len__(self: Any) -> int:
        """How many rows there are."""
        return len(self.estimands.x)

    def __getitem__(self: Any, which: Any) -> "MarginalMeans":
        """Some rows (an index, a slice, a list of places or a mask), as one group with an
        adjustment for their own number; Tukey's becomes Šidák's.
        """
        try:
            places = np.atleast_1d(np.arange(len(self))[which]).astype(np.intp)
        except IndexError:
            if isinstance(which, int | np.integer):
                raise IndexError(f"there is no row {which}: there are {len(self)}.") from None
            raise OptionError(f"rows are chosen by places from 0 to {len(self) - 1}, not {which!r}.") from None
        if not len(places):
            raise OptionError(f"{which!r} chooses none of the {len(self)} rows.")
        out: MarginalMeans = replace(self, estimands=chosen(self.estimands, places), asked=None)
        return out

    def __add__(self: Any, other: object) -> "MarginalMeans":
        """Two tables of the same model as one family, by default with Bonferroni's adjustment
        (``test(adjust=)`` and ``conf_int(adjust=)`` have others).
        """
        if not isinstance(other, type(self)):
            return NotImplemented
        if self.tests.fit is not other.tests.fit:
            raise OptionError("only means and contrasts of the same model are joined.")
        for name in ("ddf", "type", "alternative", "correction"):
            if getattr(self, name) != getattr(other, name):
                raise OptionError(f"the two have different {name}, so that they make no family.")
        family = joined(self.estimands, other.estimands)
        out: MarginalMeans = replace(self, estimands=family, adjust="bonferroni", asked=None)
        return out

    def save(self: Any, path: str | os.PathLike[str]) -> Path:
        """Write the table to a file as it is printed, in the form that the file's name ends with.

        Parameters
        ----------
        path : path
            Ending with ``.docx`` (Word, by python-docx: ``pip install 'ranef[tables]'``), ``.tex``,
            ``.typ``, ``.html``, ``.md``, ``.txt``, or ``.csv`` (the numbers of ``to_frame``,
            unrounded). A file that is there is replaced.

        Returns
        -------
        Path
            Of the file.

        Examples
        --------
        >>> import tempfile
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("angle ~ recipe + (1 | recipe:replicate)", load_dataset("cake"))
        >>> m.emmeans("recipe").pairs().save(tempfile.mkdtemp() + "/pairs.md").name
        'pairs.md'
        """
        from ranef.presentation.forms import save_document
        from ranef.presentation.means_text import means_document

        tables = [self._table] if self.asked is None else [self._table, self.asked._table]
        return save_document(path, means_document(tables), self.to_frame(), lambda: str(self))

    def regrid(self: Any, transform: Literal["response", "log"] = "response") -> "MarginalMeans":
        """Means as estimates on the scale of the response, so that contrasts are differences there:
        of probabilities (risk differences), of rates, of what was measured.

        Parameters
        ----------
        transform : {"response", "log"}
            ``"log"`` takes the logarithm of the response: contrasts are then ratios (risk ratios)
            with ``response()``.

        Returns
        -------
        MarginalMeans
            Of a response without transformation the same numbers. Standard errors are by the delta
            method; intervals are symmetric on the new scale.
            Degrees of freedom of a contrast are the smallest of those of its means.

        Examples
        --------
        >>> from ranef import glmer, load_dataset
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> g = glmer(formula, load_dataset("cbpp"), family="binomial")
        >>> risk = g.emmeans("period").regrid().contrast("trt.vs.ctrl")
        >>> risk.to_frame()[["contrast", "estimate"]].round(3)
                    contrast  estimate
        0  period2 - period1    -0.114
        1  period3 - period1    -0.124
        2  period4 - period1    -0.150
        """
        if transform not in ("response", "log"):
            raise OptionError(f"transform must be 'response' or 'log', not {transform!r}.")
        e = self.estimands
        if e.kind != "means":
            raise OptionError(f"regrid is for means, and these are {e.kind}: regrid the means first.")
        if e.scale is None and transform == "response" and transformed_response(self.tests.fit) is not None:
            self.response()  # says why there is none
        found = regridded(e, self.tests, self.ddf, transform, self.correction)
        out: MarginalMeans = replace(self, estimands=found, type="link", asked=None, correction=None)
        return out

    def eff_size(
        self: Any,
        sigma: float | Literal["residual", "total"] = "residual",
        edf: float | None = None,
        *,
        method: Any = "pairwise",
    ) -> "MarginalMeans":
        """Standardised differences (Cohen's d): contrasts in units of a standard deviation.

        Parameters
        ----------
        sigma : float or {"residual", "total"}
            The standard deviation: of the residuals, or of residuals and random effects together.
        edf : float, optional
            Degrees of freedom of that standard deviation, which bring its uncertainty into the
            standard errors; by default the observations less the fixed effects. ``math.inf``
            takes it as known.
        method : str, dict or array
            Contrasts, as in ``contrast``; contrasts themselves are taken as they are.

        Returns
        -------
        MarginalMeans
            Without adjustment for several contrasts.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("angle ~ recipe + temp + (1 | recipe:replicate)", load_dataset("cake"))
        >>> m.emmeans("recipe").eff_size("total").to_frame()[["contrast", "estimate"]].round(2)
          contrast  estimate
        0    A - B      0.19
        1    A - C      0.19
        2    B - C      0.01
        """
        fit = self.tests.fit
        if not fit.identity_scale:
            raise OptionError("eff_size is for linear models: on the scale of a link there is no unit to divide by.")
        base = self if self.estimands.kind == "contrasts" else self.contrast(method, adjust="none")
        df = float(fit.nobs - len(fit.kept)) if edf is None else edf
        if isinstance(df, bool) or not isinstance(df, int | float | np.number) or not df > 0:
            raise OptionError(f"edf must be a positive number of degrees of freedom, not {edf!r}.")
        found = effect_sizes(base.estimands, self.tests, self.ddf, _unit(fit, sigma), float(df))
        out: MarginalMeans = replace(base, estimands=found, adjust="none", type="link", asked=None)
        return out

    def update(
        self: Any,
        *,
        adjust: str | None = None,
        level: float | None = None,
        by: Any = ...,
        alternative: Literal["two-sided", "greater", "less"] | None = None,
    ) -> "MarginalMeans":
        """The same means or contrasts, of joined ones too, with another adjustment, level or
        grouping.

        Parameters
        ----------
        adjust : str, optional
            Adjustment of p-values and intervals within each group, as in ``contrast``.
        level : float, optional
            Level of the intervals.
        by : str or list of str, optional
            The variables whose combinations make groups, each a family of its own; None is a single
            group.
        alternative : {"two-sided", "greater", "less"}, optional
            Side of tests and intervals.

        Returns
        -------
        MarginalMeans

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("angle ~ recipe + temperature + (1 | recipe:replicate)", load_dataset("cake"))
        >>> both = m.emmeans("recipe").pairs() + m.emmeans("temperature").contrast("consec")
        >>> both.update(adjust="holm").to_frame()["p_value"].round(4).tolist()[-2]
        0.0013
        """
        e = self.estimands if by is ... else replace(self.estimands, by=checked_by(by, self.estimands))
        out: MarginalMeans = replace(
            self,
            estimands=e,
            adjust=checked_adjust(adjust, self.adjust),
            level=checked_level(level, self.level),
            alternative=self.alternative if alternative is None else checked_alternative(alternative),
        )
        return out

    def letters(self: Any, alpha: float = 0.05, *, adjust: str | None = None) -> "pd.DataFrame":
        """Compact letters: means of a group that share a letter do not differ significantly. That
        is no proof that they are equal; ``test(delta=)`` of their contrasts asks for it.

        ``cld`` is the same by the name that it has in R.

        Parameters
        ----------
        alpha : float
            Level of the tests.
        adjust : str, optional
            Adjustment of the pairwise tests, Tukey's by default.

        Returns
        -------
        DataFrame
            The frame of ``conf_int`` with a column ``letters``; the smallest mean of a group has
            the letter a.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("angle ~ temperature + (1 | recipe:replicate)", load_dataset("cake"))
        >>> m.emmeans("temperature").letters()["letters"].tolist()
        ['a', 'ab', 'b', 'b', 'c', 'c']
        """
        if isinstance(alpha, bool) or not isinstance(alpha, float | np.floating) or not 0.0 < alpha < 1.0:
            raise OptionError(f"alpha must be between 0 and 1, not {alpha!r}.")
        e = self.estimands
        if e.kind == "contrasts":
            raise OptionError("letters are for means and trends, and these are contrasts.")
        frame: pd.DataFrame = self.conf_int()
        method = checked_adjust(adjust, "tukey")
        letters = [""] * len(e.x)
        for _, members in e.groups():
            part = replace(self, estimands=chosen(e, members), asked=None)
            k = len(members)
            pairs = [(i, j) for i in range(k) for j in range(i + 1, k)]
            p: Any = part.pairs(adjust=method).to_frame()["p_value"].to_numpy() if pairs else []
            estimate = frame["estimate"].to_numpy(dtype=float)[members]
            different = [pair for pair, value in zip(pairs, p, strict=True) if value < alpha]
            order = [int(i) for i in np.argsort(estimate, kind="stable")]
            for i, text in zip(members.tolist(), compact_letters(k, different, order), strict=True):
                letters[i] = text if np.isfinite(frame["estimate"].iloc[i]) else ""
        frame["letters"] = letters
        by = f"{method} method, " if method != "none" else "without adjustment for their number, "
        said = f"means that share a letter do not differ significantly ({by}alpha = {alpha:g})"
        frame.attrs["notes"] = (*frame.attrs["notes"], said)
        return frame

    cld = letters


def _unit(fit: MixedFit, sigma: object) -> float:
    """The standard deviation that is the unit of effect sizes."""
    if sigma == "residual":
        return float(np.sqrt(fit.residual_variance))
    if sigma == "total":
        return float(np.sqrt(sum(random_variances(fit).values()) + fit.residual_variance))
    if isinstance(sigma, bool) or not isinstance(sigma, int | float | np.number):
        raise ArgumentTypeError(f"sigma must be a number, 'residual' or 'total', not {sigma!r}.")
    if not (np.isfinite(sigma) and sigma > 0):
        raise OptionError(f"sigma must be a positive standard deviation, not {sigma!r}.")
    return float(sigma)


def checked_margin(delta: object) -> float | None:
    """Check the margin of a test."""
    if delta is None:
        return None
    if isinstance(delta, bool) or not isinstance(delta, int | float | np.number):
        raise ArgumentTypeError(f"delta must be a number, not {delta!r}.")
    if not (np.isfinite(delta) and delta > 0):
        raise OptionError(f"delta must be a positive margin, not {delta!r}.")
    return float(delta)


def why_not_undone(fit: MixedFit) -> str:
    """Why means have no counterpart on the scale of the response."""
    text = transformed_response(fit)
    if text is None:
        return (
            "the response of this model has no transformation that could be undone, so the means are on its scale "
            "already."
        )
    return (
        f"the means are on the scale of {text}, and there is no rule here that undoes it. Transform a column of the "
        "data and the means by hand, or write the response with log, sqrt, powers, qlogis, asin(sqrt()) or scale."
    )


def mean_of(fit: MixedFit) -> str:
    """What means are whose transformation was undone, with the name of the variable."""
    text = transformed_response(fit)
    names = [] if text is None else list(dict.fromkeys(names_in(parse_expression(text))))
    return f"marginal mean of {names[0]}" if len(names) == 1 else "marginal mean of the response"


def total_sd(fit: MixedFit, sigma: object) -> float:
    """The standard deviation for which means are corrected."""
    if sigma is None:
        return float(np.sqrt(sum(random_variances(fit).values()) + fit.residual_variance))
    if isinstance(sigma, bool) or not isinstance(sigma, int | float | np.number):
        raise ArgumentTypeError(f"sigma must be a number, not {sigma!r}.")
    if not (np.isfinite(sigma) and sigma >= 0):
        raise OptionError(f"sigma must be a standard deviation, zero or more, not {sigma!r}.")
    return float(sigma)
