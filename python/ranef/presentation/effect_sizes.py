"""The table of effect sizes of a model."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ranef.inference.effect_sizes import Sizes
from ranef.options import Ddf
from ranef.presentation.column_rows import fixed_text
from ranef.presentation.document import Document, Grid
from ranef.presentation.forms import TableForms

if TYPE_CHECKING:
    import pandas as pd

#: Headings with the decimals that are shown.
_STANDARDIZED, _DIFFERENCE, _SHARE = ("Std. coef.", 2), ("d", 2), ("R²", 3)

_DEGREES = {
    "satterthwaite": "Satterthwaite's",
    "kenward-roger": "Kenward and Roger's",
    "kenward-roger-linear": "Kenward and Roger's",
    "between-within": "between-within",
    "residual": "the residual",
}

_STANDARDS = {
    "basic": "standard deviations of predictor and response over the rows",
    "pseudo": (
        "standard deviations of predictor and response at the level on which the predictor varies, between or within "
        "groups (Hoffman 2015)"
    ),
}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class EffectSizes(TableForms):
    """Effect sizes of the fixed effects of a model, with intervals.

    ``str()`` gives text; notebooks show HTML; :meth:`save` writes files as of a `RegressionTable`;
    :meth:`to_frame` has the numbers.

    Attributes
    ----------
    formula : str
    standardized : Sizes
        Standardised coefficients.
    standard : {"basic", "pseudo"}
        By which standard deviations.
    response_standardized : bool
        Whether the response is standardised too, as it is in a linear model.
    differences : Sizes or None
        Differences in units of the total standard deviation; None where there is no such unit.
    total_sd : float
        That standard deviation; NaN where there is none.
    coefficients, terms : Sizes or None
        Semi-partial R² of coefficients, and of terms with several; None where tests have no degrees
        of freedom.
    ddf : {"satterthwaite", "kenward-roger", "residual", "none"}
    level : float
    """

    formula: str
    standardized: Sizes
    standard: str
    response_standardized: bool
    differences: Sizes | None
    total_sd: float
    coefficients: Sizes | None
    terms: Sizes | None
    ddf: Ddf
    level: float

    def to_frame(self) -> "pd.DataFrame":
        """Return the numbers, a row for each coefficient, then for each term with several.

        Returns
        -------
        DataFrame
            Columns ``term, std_coef, std_lower, std_upper, d, d_lower, d_upper, r2, r2_lower,
            r2_upper``; NaN where there is no such effect size.
        """
        import pandas as pd

        names = list(self.standardized.names)
        frame = pd.DataFrame({"term": names})
        kinds = {"std_coef": self.standardized, "d": self.differences, "r2": self.coefficients}
        for kind, sizes in kinds.items():
            stem = kind.removesuffix("_coef")
            for name, part in ((kind, "estimate"), (f"{stem}_lower", "lower"), (f"{stem}_upper", "upper")):
                frame[name] = np.full(len(names), np.nan) if sizes is None else getattr(sizes, part)
        if self.terms is None or not self.terms.names:
            return frame
        t = self.terms
        own = {"term": list(t.names), "r2": t.estimate, "r2_lower": t.lower, "r2_upper": t.upper}
        return pd.concat([frame, pd.DataFrame(own)], ignore_index=True)

    @property
    def notes(self) -> tuple[str, ...]:
        """What must be known to read the table."""
        if not self.standardized.names:
            return ("There is nothing to show, as the model has no fixed effects besides an intercept.",)
        what = _STANDARDS[self.standard]
        if not self.response_standardized:
            what = what.replace("predictor and response", "the predictor", 1)
            what += "; the response is on the scale of the link and not standardised"
        out = [f"Std. coef.: coefficient in {what}."]
        if self.differences is not None and not np.all(np.isnan(self.differences.estimate)):
            rest = "residuals" if self.response_standardized else "the latent variable"
            out.append(
                "d: difference between the two values of a column in units of the total standard deviation "
                f"{self.total_sd:.4g}, of random effects and {rest} together (Brysbaert and Stevens 2018)."
            )
        if self.coefficients is not None:
            out.append(
                f"R²: semi-partial R² of Edwards et al. (2008) by {_DEGREES[self.ddf]} degrees of freedom, limits by "
                "the noncentral F distribution."
            )
        else:
            why = (
                "degrees of freedom are those of clusters"
                if self.ddf == "clusters"
                else "the tests have no degrees of freedom"
            )
            out.append(f"There is no semi-partial R², as {why}.")
        return tuple(out)

    def _document(self) -> Document:
        interval = f"{100 * self.level:g} % CI"
        shown = [
            (head, decimals, sizes)
            for (head, decimals), sizes in (
                (_STANDARDIZED, self.standardized),
                (_DIFFERENCE, self.differences),
                (_SHARE, self.coefficients),
            )
            if sizes is not None and not np.all(np.isnan(sizes.estimate))
        ]
        columns = ["", *(text for head, _, _ in shown for text in (head, interval))]
        rows = [
            (name, *(text for _, decimals, sizes in shown for text in _cells(sizes, i, decimals)))
            for i, name in enumerate(self.standardized.names)
        ]
        if self.terms is not None:
            rows += [
                (name, *[""] * (len(columns) - 3), *_cells(self.terms, i, _SHARE[1]))
                for i, name in enumerate(self.terms.names)
            ]
        symbols = tuple(j for j, c in enumerate(columns) if c == "d")
        grid = Grid("", tuple(columns), tuple(rows), 1, symbols=symbols, aligned=True)
        return Document("Effect sizes", (("Formula", self.formula),), (grid,), self.notes)


def _cells(sizes: Sizes, i: int, decimals: int) -> tuple[str, str]:
    if np.isnan(sizes.estimate[i]):
        return "", ""
    estimate, low, high = (fixed_text(float(v[i]), decimals) for v in (sizes.estimate, sizes.lower, sizes.upper))
    return estimate, f"[{low}, {high}]"
