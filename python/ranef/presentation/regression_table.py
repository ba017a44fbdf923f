"""Several models side by side:
a record of numbers, and what it looks like as text, HTML, Markdown and LaTeX.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ranef.presentation.document import Document, Grid
from ranef.presentation.html import html
from ranef.presentation.latex import latex
from ranef.presentation.markdown import markdown
from ranef.presentation.model_column import STATISTICS, ModelColumn
from ranef.presentation.numbers import format_fixed, format_number, format_p_values, round_decimals
from ranef.presentation.text_table import table_lines

if TYPE_CHECKING:
    import pandas as pd

#: What can stand below an estimate.
BELOW = ("se", "ci", "p", "none")

#: Marks of p-values below a limit, when they are asked for.
STARS = {"***": 0.001, "**": 0.01, "*": 0.05}

#: Text of a correlation that does not exist.
UNDEFINED = "undefined"

_METHODS = {
    "satterthwaite": "t tests with Satterthwaite's degrees of freedom",
    "kenward-roger": "t tests with Kenward-Roger's degrees of freedom",
    "residual": "t tests with residual degrees of freedom",
    "none": "normal tests",
}

Row = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class RegressionTable:
    """Models side by side.

    ``str()`` gives text; notebooks show HTML; :meth:`to_html`, :meth:`to_markdown` and
    :meth:`to_latex` are for documents, :meth:`to_frame` for the numbers.

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
        Significant digits of standard errors; estimates have as many decimals.
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

    # ---- forms

    def __str__(self) -> str:
        rows = self._rows()
        names = [m.name for m in self.models]
        lines = [self.title, ""]
        lines += [
            line.rstrip()
            for line in table_lines([r[0] for r in rows], names, [r[1] for r in rows], right=True, width=120)
        ]
        return "\n".join([*lines, "", *(f"{m.name}: {m.formula}" for m in self.models), *self.notes])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.to_html()

    def to_html(self) -> str:
        """Return the table as an HTML fragment."""
        return html(self._document())

    def to_markdown(self) -> str:
        """Return the table as Markdown."""
        return markdown(self._document())

    def to_latex(self) -> str:
        r"""Return the table as LaTeX; it needs ``\usepackage{booktabs}``."""
        return latex(self._document())

    def to_frame(self) -> "pd.DataFrame":
        """Return the numbers, a row for each parameter or statistic of each model.

        Returns
        -------
        DataFrame
            Columns ``model, part`` ("fixed", "sd", "correlation", "statistic"),
            ``group, term, estimate, std_error, lower, upper, p_value``; a correlation has both of
            its effects in ``term``, joined by ``.``.
        """
        import pandas as pd

        columns = ["model", "part", "group", "term", "estimate", "std_error", "lower", "upper", "p_value"]
        rows: list[tuple[object, ...]] = []
        nothing = (math.nan,) * 4
        for m in self.models:
            for j, term in enumerate(m.terms):
                p = math.nan if m.p_value is None else float(m.p_value[j])
                limits = (float(m.std_error[j]), float(m.lower[j]), float(m.upper[j]))
                rows.append((m.name, "fixed", None, term, float(m.estimate[j]), *limits, p))
            for (part, group, term), value in _random(m).items():
                rows.append((m.name, part, group, term, value, *nothing))
            for name, value in m.statistics.items():
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
            *(r for m in self.models for r in m.remarks),
            *self._undefined(),
        )

    def _document(self) -> Document:
        grid = Grid(
            "Estimates",
            ("", *(m.name for m in self.models)),
            tuple((label, *cells) for label, cells in self._rows()),
            1,
        )
        return Document(self.title, tuple((m.name, m.formula) for m in self.models), (grid,), self.notes)

    def _rows(self) -> list[Row]:
        blank = ("",) * len(self.models)
        rows: list[Row] = [("Fixed effects", blank), *self._fixed(), ("Random effects", blank), *self._random_rows()]
        return [*rows, ("Fit", blank), *self._fit_rows()]

    def _label(self, name: str) -> str:
        return self.labels.get(name, name)

    def _fixed(self) -> list[Row]:
        rows: list[Row] = []
        for term in dict.fromkeys(t for m in self.models for t in m.terms):
            at = [m.terms.index(term) if term in m.terms else None for m in self.models]
            pairs = list(zip(self.models, at, strict=True))
            errors = [float(m.std_error[j]) for m, j in pairs if j is not None]
            decimals = _decimals(errors, self.digits)
            estimates, second = [], []
            for m, j in pairs:
                if j is None:
                    estimates.append("")
                    second.append("")
                    continue
                estimates.append(_fixed_text(float(m.estimate[j]), decimals) + self._mark(m, j))
                second.append(self._second(m, j, decimals))
            rows.append((self._label(term), tuple(estimates)))
            if self.below != "none":
                rows.append(("", tuple(second)))
        return rows

    def _mark(self, m: ModelColumn, j: int) -> str:
        if m.p_value is None:
            return ""
        p = float(m.p_value[j])
        return next((mark for mark, limit in sorted(self.stars.items(), key=lambda s: s[1]) if p < limit), "")

    def _second(self, m: ModelColumn, j: int, decimals: int) -> str:
        if self.below == "se":
            return f"({_fixed_text(float(m.std_error[j]), decimals)})"
        if self.below == "ci":
            return f"[{_fixed_text(float(m.lower[j]), decimals)}, {_fixed_text(float(m.upper[j]), decimals)}]"
        if self.below == "p" and m.p_value is not None:
            return f"p {_p_text(float(m.p_value[j]))}"
        return ""

    def _random_rows(self) -> list[Row]:
        found = [_random(m) for m in self.models]
        rows: list[Row] = []
        for key in sorted(dict.fromkeys(k for f in found for k in f), key=_residual_last):
            part, group, term = key
            values = [f.get(key) for f in found]
            if part == "correlation":
                cells = ["" if v is None else UNDEFINED if math.isnan(v) else format_fixed([v], 2)[0] for v in values]
                first, second = _correlated(self.models)[(group, term)]
                label = f"Correlation {self._label(first)} with {self._label(second)}, {self._label(group)}"
            else:
                cells = ["" if v is None else format_number(v, 4) for v in values]
                label = "SD residual" if group == "Residual" else f"SD {self._label(term)}, {self._label(group)}"
            rows.append((label, tuple(cells)))
        return rows

    def _fit_rows(self) -> list[Row]:
        rows: list[Row] = []
        for name in self.statistics:
            if name == "groups":
                for group in dict.fromkeys(g for m in self.models for g, _ in m.groups):
                    counts = [dict(m.groups).get(group) for m in self.models]
                    rows.append((f"Levels of {self._label(group)}", tuple("" if c is None else str(c) for c in counts)))
                continue
            values = [m.statistics.get(name) for m in self.models]
            if all(v is None for v in values):
                continue
            if name == "dispersion":
                rows.append((STATISTICS[name], tuple("" if v is None else format_number(v, 4) for v in values)))
                continue
            decimals = 0 if name == "nobs" else 1 if name in ("llf", "aic", "bic") else 3
            cells = tuple("" if v is None else format_fixed([v], decimals)[0] for v in values)
            rows.append((STATISTICS[name], cells))
        if any(m.family for m in self.models):
            rows.append(("Family", tuple(m.family or "gaussian" for m in self.models)))
        return [*rows, ("Estimated by", tuple(m.method for m in self.models))]

    # ---- notes

    def _reading(self) -> list[str]:
        out = []
        if self.below == "se":
            out.append("Standard errors in brackets.")
        elif self.below == "ci":
            out.append(f"Wald intervals of level {100 * self.level:g} % in brackets.")
        methods = list(dict.fromkeys(m.ddf for m in self.models if m.ddf is not None))
        tested = "; ".join(
            _METHODS[d] + (f" ({_listed([m.name for m in self.models if m.ddf == d])})" if len(methods) > 1 else "")
            for d in methods
        )
        if self.stars:
            marks = ", ".join(f"{mark} p < {limit:g}" for mark, limit in sorted(self.stars.items(), key=lambda s: s[1]))
            out.append(f"{marks}; {tested}.")
        elif self.below == "p":
            out.append(f"p-values from {tested}.")
        return out

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
        if any(m.family for m in self.models) and {"icc", "r2_marginal", "r2_conditional"} & set(self.statistics):
            out.append("ICC and R² of generalized models are on the scale of the link.")
        if len({m.statistics.get("nobs") for m in self.models}) > 1:
            out.append("The models were fitted to different numbers of rows.")
        responses = list(dict.fromkeys(m.response for m in self.models))
        if len(responses) > 1:
            out.append(f"The models have different responses: {_listed(responses)}.")
        return out

    def _undefined(self) -> list[str]:
        missing = any(math.isnan(v) for m in self.models for k, v in _random(m).items() if k[0] == "correlation")
        return [f"{UNDEFINED}: an effect whose variance is zero has no correlation."] if missing else []


def _correlated(models: Sequence[ModelColumn]) -> dict[tuple[str, str], tuple[str, str]]:
    """The two effects of each correlation, by its group and term."""
    return {
        (b.group, f"{b.names[i]}.{b.names[j]}"): (b.names[i], b.names[j])
        for m in models
        for b in m.random
        for i in range(len(b.names))
        for j in range(i + 1, len(b.names))
    }


def _random(m: ModelColumn) -> dict[tuple[str, str, str], float]:
    """Standard deviations and correlations by part, group and term."""
    out: dict[tuple[str, str, str], float] = {}
    for block in m.random:
        for name, sd in zip(block.names, block.sd, strict=True):
            out[("sd", block.group, name)] = float(sd)
        if block.corr is not None:
            for i, first in enumerate(block.names):
                for j in range(i + 1, len(block.names)):
                    out[("correlation", block.group, f"{first}.{block.names[j]}")] = float(block.corr[j, i])
    if m.sigma is not None:
        out[("sd", "Residual", "")] = float(m.sigma)
    return out


def _residual_last(key: tuple[str, str, str]) -> bool:
    return key[1] == "Residual"


def _decimals(errors: Sequence[float], digits: int) -> int:
    """Decimals with which the smallest standard error shows its significant digits."""
    sizes = [e for e in errors if math.isfinite(e) and e > 0]
    return min(12, max(0, digits - 1 - math.floor(math.log10(min(sizes))))) if sizes else digits


def _fixed_text(x: float, decimals: int) -> str:
    return format_fixed([round_decimals(x, decimals)], decimals)[0]


def _p_text(p: float) -> str:
    text = format_p_values([p], 2, 1e-3)[0].strip()
    return f"< {text[1:].strip()}" if text.startswith("<") else f"= {text}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else "".join(names)
