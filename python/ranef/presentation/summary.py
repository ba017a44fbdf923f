"""The summary of a fitted model:
a record of numbers, and what it looks like as text, HTML, Markdown and LaTeX.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.presentation.coefficients import CoefficientTable
from ranef.presentation.document import Document, summary_document
from ranef.presentation.forms import DocumentForms
from ranef.presentation.random_effects import VarianceBlock
from ranef.presentation.summary_frames import summary_frames
from ranef.presentation.summary_text import summary_text
from ranef.presentation.text_table import checked_width
from ranef.presentation.visit_covariance import VisitCovariance

if TYPE_CHECKING:
    import pandas as pd

#: Significant digits of a printed summary.
DIGITS = 4

#: With more coefficients than this their correlations are only shown when asked for.
CORRELATION_LIMIT = 12


@dataclass(frozen=True, slots=True)
class ModelCall:
    """What the user asked for, as texts; None where nothing was given.

    Attributes
    ----------
    formula : str
        The formula on one line.
    data, weights, offset, subset, control : str, optional
        Name of the data and the other arguments.
    coding : str, optional
        Coding of factors, where it is not R's default and not in the formula.
    correlation, variance, structure : str, optional
        Covariance structure of the rows, and its estimated parameters.
    zero, dispersion : str, optional
        Formulas of the linear predictors of zeros and of the dispersion.
    nominal, scale : str, optional
        Formulas of other linear predictors.
    """

    formula: str
    data: str | None = None
    weights: str | None = None
    offset: str | None = None
    subset: str | None = None
    control: str | None = None
    coding: str | None = None
    correlation: str | None = None
    variance: str | None = None
    structure: str | None = None
    zero: str | None = None
    dispersion: str | None = None
    nominal: str | None = None
    scale: str | None = None

    def labelled(self) -> tuple[tuple[str, str], ...]:
        """Return label and text of what was given besides the formula,
        in the order it is printed.
        """
        pairs = (
            ("Data", self.data),
            ("Correlation", self.correlation),
            ("Variance", self.variance),
            ("Structure", self.structure),
            ("Zero part", self.zero),
            ("Dispersion", self.dispersion),
            ("Nominal", self.nominal),
            ("Scale", self.scale),
            ("Weights", self.weights),
            ("Offset", self.offset),
            ("Control", self.control),
            ("Subset", self.subset),
            ("Coding", self.coding),
        )
        return tuple((label, text) for label, text in pairs if text is not None)


@dataclass(frozen=True, slots=True)
class Criteria:
    """Measures of fit.

    Attributes
    ----------
    reml : bool
        Whether the REML criterion was minimised, else -2 log-likelihood.
    objective : float
        The minimised criterion.
    aic, bic, log_lik : float
        Based on the objective.
    df_resid : int
        Observations minus parameters.
    ml_deviance, reml_deviance : float, optional
        Both criteria at the estimates, whichever was minimised; None for models without a REML
        criterion.
    """

    reml: bool
    objective: float
    aic: float
    bic: float
    log_lik: float
    df_resid: int
    ml_deviance: float | None = None
    reml_deviance: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Summary(DocumentForms):
    """Summary of a fitted model: numbers only, without the model.

    ``str()`` gives the text as lme4 lays it out; notebooks show HTML; :meth:`save` writes files of
    Word, LaTeX, Typst, HTML and Markdown, which :meth:`to_latex` and its kin return as text;
    :attr:`tables` has the numbers as data frames.

    Attributes
    ----------
    title : str
        What was fitted and how.
    call : ModelCall
        Formula, data and other arguments as texts.
    criteria : Criteria
        Measures of fit.
    residual_quantiles : ndarray, shape (5,), or None
        Minimum, quartiles and maximum of the scaled residuals.
    random : tuple of VarianceBlock
        Standard deviations and correlations of each random term.
    sigma : float or None
        Residual standard deviation; None for families without one.
    n_obs : int
        Observations used.
    groups : tuple of (str, int)
        Grouping factors and their numbers of levels.
    fixed : CoefficientTable
        The fixed effects.
    correlation : ndarray, shape (p, p), or None
        Correlations of the estimates of the fixed effects.
    verdict : str
        One line on how the fit ended.
    notes : tuple of str
        What else should be known, such as columns that were dropped.
    rows_used : str, optional
        How many rows of the data were used and in what the others are missing; None where none is.
    family : str, optional
        Family and link of a generalized model, as "binomial  ( logit )".
    visits : VisitCovariance, optional
        How the rows of a subject are correlated, in a model for repeated measures.
    parts : tuple of (str, CoefficientTable)
        Effects of other linear predictors than the first, with their headings.
    fixed_heading : str
        Heading of the effects of the first linear predictor.
    show_correlation : bool, optional
        True or False shows or hides the correlations; None shows them for up to 12 coefficients.
    digits : int
        Significant digits of the printed forms.
    width : int, optional
        Width of the lines of the text; None is that of the terminal that is printed to, 80
        elsewhere.
    """

    title: str
    call: ModelCall
    criteria: Criteria
    residual_quantiles: NDArray[np.float64] | None
    random: tuple[VarianceBlock, ...]
    sigma: float | None
    n_obs: int
    groups: tuple[tuple[str, int], ...]
    fixed: CoefficientTable
    correlation: NDArray[np.float64] | None
    verdict: str
    notes: tuple[str, ...] = ()
    rows_used: str | None = None
    family: str | None = None
    visits: VisitCovariance | None = None
    parts: tuple[tuple[str, CoefficientTable], ...] = ()
    fixed_heading: str = "Fixed effects"
    show_correlation: bool | None = None
    digits: int = DIGITS
    width: int | None = None

    def text(self, digits: int | None = None, width: int | None = None) -> str:
        """Return the summary as text.

        Parameters
        ----------
        digits : int, optional
            Significant digits; by default those of the record, 4.
        width : int, optional
            Width of a line; by default that of the record.
        """
        return summary_text(
            self, self.digits if digits is None else digits, self.width if width is None else checked_width(width)
        )

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    def _document(self) -> Document:
        return summary_document(self)

    @property
    def tables(self) -> "dict[str, pd.DataFrame]":
        """The numbers as data frames:
        criteria, residuals, random_effects, groups, fixed_effects, correlation.
        """
        return summary_frames(self)

    @property
    def correlation_shown(self) -> bool:
        """Whether the correlations of the fixed effects are printed."""
        p = len(self.fixed.names)
        if self.correlation is None or p < 2:
            return False
        if self.visits is not None and self.show_correlation is None:
            return False
        return p <= CORRELATION_LIMIT if self.show_correlation is None else self.show_correlation

    @property
    def remarks(self) -> tuple[str, ...]:
        """The notes, with one on correlations that are left out for their number."""
        p = len(self.fixed.names)
        if self.correlation is None or self.correlation_shown or self.show_correlation is not None or p < 2:
            return self.notes
        if self.visits is not None:
            return self.notes
        hidden = (
            f"the correlations of the {p} fixed effects are not printed (limit {CORRELATION_LIMIT}); corr_params() has "
            "them."
        )
        return (*self.notes, hidden)
