"""Several models side by side."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ranef.presentation.column_rows import (
    UNDEFINED_NOTE,
    Row,
    fit_rows,
    fixed_text,
    method_rows,
    random_parameters,
    random_rows,
    row_decimals,
    without_correlation,
)
from ranef.presentation.document import Document, Grid
from ranef.presentation.forms import TableForms
from ranef.presentation.model_column import STATISTICS, ModelColumn, PartColumn
from ranef.presentation.term_labels import label_of

if TYPE_CHECKING:
    import pandas as pd

#: What can stand below an estimate.
BELOW = ("se", "ci", "p", "none")

#: Marks of p-values below a limit, when they are asked for.
STARS = {"***": 0.001, "**": 0.01, "*": 0.05}

#: Tests by the method of their degrees of freedom.
METHODS = {
    "satterthwaite": "t tests with Satterthwaite's degrees of freedom",
    "kenward-roger": "t tests with Kenward-Roger's degrees of freedom",
    "kenward-roger-linear": "t tests with Kenward-Roger's degrees of freedom, linear form",
    "between-within": "t tests with between-within degrees of freedom",
    "residual": "t tests with residual degrees of freedom",
    "clusters": "t tests with the number of clusters less one as degrees of freedom",
    "none": "normal tests",
}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RegressionTable(TableForms):
    """Models side by side.

    ``str()`` gives text; notebooks show HTML; :meth:`save` writes files of Word, LaTeX, Typst, HTML
    and more, which :meth:`to_latex` and its kin return as text; :meth:`to_frame` has the numbers.

    Attributes
    ----------
    models : tuple of ModelColumn
    labels : mapping
        Text for names of coefficients, effects and grouping factors.
    below : {"se", "ci", "p", "none"}
        What stands below an estimate.
    level : float
        Level of intervals.
    stars : mapping
        Marks and their limits; empty for none.
    digits : int
        Significant digits of the smallest standard error or standard deviation of a row, whose
        numbers all have as many decimals.
    statistics : tuple of str
        The statistics below.
    title : str
    """

    models: tuple[ModelColumn, ...]
    labels: Mapping[str, str]
    below: str
    level: float
    stars: Mapping[str, float]
    digits: int
    statistics: tuple[str, ...]
    title: str

    def to_frame(self) -> "pd.DataFrame":
        """Return the numbers, a row for each parameter or statistic of each model.

        Returns
        -------
        DataFrame
            Columns ``model, part`` ("fixed", "sd", "correlation", "structure", "statistic"; effects
            of other parts by their names, such as "zi" and "thresholds"), ``group, term, estimate,
            std_error, lower, upper, p_value``; a correlation has both of its effects in ``term``,
            joined by ``.``. Of more than ten effects whose covariance has a structure there are the
            parameters of that.
        """
        import pandas as pd

        columns = ["model", "part", "group", "term", "estimate", "std_error", "lower", "upper", "p_value"]
        rows: list[tuple[object, ...]] = []
        nothing = (math.nan,) * 4
        for m in self.models:
            blocks: list[tuple[str, ModelColumn | PartColumn]] = [("fixed", m), *((p.name, p) for p in m.parts)]
            for part, own in blocks:
                for j, term in enumerate(own.terms):
                    p = math.nan if own.p_value is None else float(own.p_value[j])
                    limits = (float(own.std_error[j]), float(own.lower[j]), float(own.upper[j]))
                    rows.append((m.name, part, None, term, float(own.estimate[j]), *limits, p))
            for (part, group, term), value in random_parameters(m).items():
                rows.append((m.name, part, group, term, value, *nothing))
            for name, value in {**m.statistics, **m.shape}.items():
                rows.append((m.name, "statistic", None, name, value, *nothing))
            for group, count in m.groups:
                rows.append((m.name, "statistic", group, "groups", float(count), *nothing))
        return pd.DataFrame(rows, columns=columns)

    # ---- contents

    @property
    def notes(self) -> tuple[str, ...]:
        """What must be known to read the table."""
        return (
            *self._reading(),
            *self._comparability(),
            *(f"{m.name}: {remark}" for m in self.models for remark in m.remarks),
            *([UNDEFINED_NOTE] if without_correlation(self.models) else []),
        )

    def _document(self) -> Document:
        heads = tuple("" if m.ratios is None else m.ratios.head for m in self.models)
        blank = ("",) * len(self.models)
        digits = self.digits + 1
        headings = list(dict.fromkeys(m.heading for m in self.models))
        parts = [
            (headings[0] if len(headings) == 1 else "Fixed effects", heads, self._effects(self.models)),
            *((heading, blank, self._effects(found)) for heading, found in self._parts()),
            ("Random effects", blank, random_rows(self.models, self.labels, digits)),
            ("Fit", blank, [*fit_rows(self.models, self.labels, self.statistics, digits), *method_rows(self.models)]),
        ]
        rows: list[tuple[str, ...]] = []
        sections = []
        for label, cells, below in parts:
            sections.append(len(rows))
            rows += [(label, *cells), *((text, *own) for text, own in below)]
        columns = ("", *(m.name for m in self.models))
        grid = Grid("", columns, tuple(rows), 1, sections=tuple(sections), aligned=True)
        return Document(self.title, tuple((m.name, m.formula) for m in self.models), (grid,), self.notes)

    def _parts(self) -> list[tuple[str, list[PartColumn | None]]]:
        """The other parts by their headings, a cell for each model."""
        headings = dict.fromkeys(p.heading for m in self.models for p in m.parts)
        return [(h, [next((p for p in m.parts if p.heading == h), None) for m in self.models]) for h in headings]

    def _effects(self, found: Sequence[ModelColumn | PartColumn | None]) -> list[Row]:
        rows: list[Row] = []
        for term in dict.fromkeys(t for m in found if m is not None for t in m.terms):
            at = [m.terms.index(term) if m is not None and term in m.terms else None for m in found]
            pairs = [(m, j) for m, j in zip(found, at, strict=True)]
            errors = [float(m.std_error[j]) for m, j in pairs if m is not None and j is not None]
            decimals = row_decimals(errors, self.digits)
            estimates, second = [], []
            for m, j in pairs:
                if m is None or j is None:
                    estimates.append("")
                    second.append("")
                    continue
                estimates.append(fixed_text(float(m.estimate[j]), decimals) + self._mark(m, j))
                second.append(self._second(m, j, decimals))
            rows.append((label_of(term, self.labels), tuple(estimates)))
            if any(second):
                rows.append(("", tuple(second)))
        return rows

    def _mark(self, m: ModelColumn | PartColumn, j: int) -> str:
        if m.p_value is None:
            return ""
        p = float(m.p_value[j])
        return next((mark for mark, limit in sorted(self.stars.items(), key=lambda s: s[1]) if p < limit), "")

    def _second(self, m: ModelColumn | PartColumn, j: int, decimals: int) -> str:
        if self.below == "se":
            return f"({fixed_text(float(m.std_error[j]), decimals)})"
        if self.below == "ci":
            return f"[{fixed_text(float(m.lower[j]), decimals)}, {fixed_text(float(m.upper[j]), decimals)}]"
        if self.below == "p" and m.p_value is not None and not math.isnan(m.p_value[j]):
            return f"p {_p_text(float(m.p_value[j]))}"
        return ""

    # ---- notes

    def _reading(self) -> list[str]:
        out = []
        if self.below == "se":
            out.append("Standard errors in brackets.")
        elif self.below == "ci":
            out.append(f"Wald intervals of level {100 * self.level:g} % in brackets.")
        methods = list(dict.fromkeys(m.ddf for m in self.models if m.ddf is not None))
        tested = "; ".join(
            METHODS[d] + (f" ({_listed([m.name for m in self.models if m.ddf == d])})" if len(methods) > 1 else "")
            for d in methods
        )
        if self.stars:
            marks = ", ".join(f"{mark} p < {limit:g}" for mark, limit in sorted(self.stars.items(), key=lambda s: s[1]))
            out.append(f"{marks}; {tested}.")
        elif self.below == "p":
            out.append(f"p-values from {tested}.")
        return [*out, *(f"{note}." for note in dict.fromkeys(m.ratios.note for m in self.models if m.ratios))]

    def _comparability(self) -> list[str]:
        criteria = [STATISTICS[s] for s in self.statistics if s in ("llf", "aic", "bic")]
        out = []
        methods = list(dict.fromkeys("REML" if m.method == "REML" else "ML" for m in self.models))
        approximations = list(dict.fromkeys(m.method for m in self.models if m.family))
        different = len({frozenset(m.terms) for m in self.models}) > 1
        named = _listed(criteria)
        if len(methods) > 1:
            by = "; ".join(
                f"{_listed([m.name for m in self.models if (m.method == 'REML') == (x == 'REML')])} by {x}"
                for x in methods
            )
            out.append(f"Estimated differently: {by}." + (f" {named} of these cannot be compared." if criteria else ""))
        elif methods == ["REML"] and different and criteria:
            out.append(f"{named} of REML fits with different fixed effects cannot be compared; refit with REML=False.")
        if len(approximations) > 1 and criteria:
            out.append(
                f"The likelihoods are approximated in different ways ({_listed(approximations)}): differences of "
                f"{named} contain the errors of that."
            )
        if any(m.ratios is not None and m.parts for m in self.models):
            out.append("Ratios are of the first part; effects of the others are as they were estimated.")
        if any(m.family for m in self.models) and {"icc", "r2_marginal", "r2_conditional"} & set(self.statistics):
            out.append("ICC and R² of generalized models are on the scale of the link.")
        if len({m.statistics.get("nobs") for m in self.models}) > 1:
            out.append("The models were fitted to different numbers of rows.")
        responses = list(dict.fromkeys(m.response for m in self.models))
        if len(responses) > 1:
            out.append(f"The models have different responses: {_listed(responses)}.")
        return out


def _p_text(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {fixed_text(p, 3)}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else "".join(names)
