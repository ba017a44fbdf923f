"""Tables of tests: pandas frames that print as R prints them, with their heading and notes."""

import math
from collections.abc import Sequence

import pandas as pd

from ranef.inference.lrt import Comparison
from ranef.presentation.numbers import STAR_LEGEND, format_fixed, format_numbers, format_p_values, stars
from ranef.presentation.text_table import table_lines

#: Columns that are whole numbers, p-values, and how many significant digits the others show.
_COUNTS = frozenset(("npar", "df", "num_df", "eliminated"))
_DIGITS = {"den_df": 5, "sum_sq": 5, "mean_sq": 5}


class TestTable(pd.DataFrame):
    """A data frame of tests.

    It is an ordinary frame in everything but its printed form, which has the heading and the notes kept in ``attrs["heading"]`` and ``attrs["notes"]``. What is
    taken from it (rows, columns, results of arithmetic) is an ordinary frame.
    """

    __test__ = False  # no test of this package, though its name starts so

    @property
    def notes(self) -> tuple[str, ...]:
        """What has to be known to read the table, such as refits by ML."""
        return tuple(self.attrs.get("notes", ()))

    def __repr__(self) -> str:
        return table_text(self)

    __str__ = __repr__

    def _repr_html_(self) -> str:
        from html import escape

        rows = _cells(self)
        head = "".join(f'<th style="text-align:right">{escape(str(c))}</th>' for c in ["", *self.columns, ""])
        body = "".join(
            f'<tr><th style="text-align:left">{escape(str(label))}</th>'
            + "".join(f'<td style="text-align:right">{escape(cell.strip())}</td>' for cell in cells)
            + "</tr>"
            for label, cells in zip(self.index, rows, strict=True)
        )
        lines = [f"<p>{escape(line)}</p>" for line in self.attrs.get("heading", ())]
        notes = [f"<p>{escape(note)}</p>" for note in self.notes]
        return "\n".join(['<div class="ranef-tests">', *lines, f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>", *notes, "</div>"])


def test_table(frame: pd.DataFrame, heading: Sequence[str], notes: Sequence[str]) -> TestTable:
    """Make a table of tests of a frame.

    Parameters
    ----------
    frame : DataFrame
    heading, notes : sequence of str
        Lines above and below.

    Returns
    -------
    TestTable
    """
    table = TestTable(frame)
    table.attrs["heading"] = tuple(heading)
    table.attrs["notes"] = tuple(notes)
    return table


test_table.__test__ = False  # type: ignore[attr-defined]


def table_text(table: TestTable) -> str:
    """Lay out a table of tests: heading, aligned columns, legend of the stars, notes."""
    rows = _cells(table)
    columns = [*map(str, table.columns), ""]
    lines = [*table.attrs.get("heading", ())]
    lines += [line.rstrip() for line in table_lines([str(i) for i in table.index], columns, rows, right=True, width=120)]
    if any(row[-1].strip() for row in rows):
        lines += ["---", f"Signif. codes:  {STAR_LEGEND}"]
    lines += [f"Note: {note}" for note in table.notes]
    return "\n".join(lines)


def _cells(table: pd.DataFrame) -> list[list[str]]:
    columns = [_column(str(name), [float(v) for v in table[name]]) for name in table.columns]
    p = [float(v) for v in table["p_value"]] if "p_value" in table.columns else [math.nan] * len(table)
    return [[*row, stars(value)] for row, value in zip(zip(*columns, strict=True), p, strict=True)]


def _column(name: str, values: list[float]) -> list[str]:
    if name.startswith("p_value"):
        texts = format_p_values(values, 4)
    elif name in _COUNTS:
        texts = format_fixed(values, 0)
    elif name in _DIGITS:
        texts = format_numbers(values, _DIGITS[name])
    elif name in ("chisq", "f_value"):
        texts = format_fixed(values, 4)
    else:
        # Criteria: as many decimals as the smallest of them needs for five digits, three at most.
        size = min((abs(v) for v in values if math.isfinite(v) and v), default=1.0)
        texts = format_fixed(values, min(3, max(1, 4 - math.floor(math.log10(size)))))
    return ["" if math.isnan(v) else t for v, t in zip(values, texts, strict=True)]


def likelihood_ratio_table(comparison: Comparison, formulas: Sequence[str]) -> TestTable:
    """The table of ``ranef.anova`` for several models.

    Parameters
    ----------
    comparison : Comparison
    formulas : sequence of str
        One for each model, in its order.

    Returns
    -------
    TestTable
        Columns ``npar, aic, bic, llf, deviance, chisq, df, p_value``, and ``p_value_boundary`` when variances are tested.
    """
    c = comparison
    frame = _criteria(c)
    frame.insert(2, "bic", [m.objective + m.npar * math.log(c.nobs) for m in c.models])
    frame.insert(4, "deviance", [m.objective for m in c.models])
    if not any(math.isfinite(p) for p in c.p_boundary):
        del frame["p_value_boundary"]
    kind = "REML criteria" if c.reml else "maximum likelihood"
    heading = [f"Likelihood-ratio tests ({kind})", "Models:", *(f"{n}: {f}" for n, f in zip(c.names, formulas, strict=True))]
    return test_table(frame, heading, c.notes)


def random_effects_table(comparison: Comparison, formula: str) -> TestTable:
    """The table of ``ranova``: columns ``npar, llf, aic, chisq, df, p_value, p_value_boundary``."""
    frame = _criteria(comparison)[["npar", "llf", "aic", "chisq", "df", "p_value", "p_value_boundary"]]
    kind = "REML" if comparison.reml else "maximum likelihood"
    return test_table(frame, [f"Tests of random effects: single deletions, {kind}", f"Model: {formula}"], comparison.notes)


def deletions_table(comparison: Comparison, formula: str) -> TestTable:
    """The table of ``drop1(test="chisq")``: columns ``npar, llf, aic, chisq, df, p_value``."""
    frame = _criteria(comparison)[["npar", "llf", "aic", "chisq", "df", "p_value"]]
    return test_table(frame, ["Tests of fixed terms: single deletions, maximum likelihood", f"Model: {formula}"], comparison.notes)


def _criteria(c: Comparison) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "npar": [m.npar for m in c.models],
            "aic": [m.objective + 2 * m.npar for m in c.models],
            "llf": [-m.objective / 2 for m in c.models],
            "chisq": c.statistic,
            "df": c.df,
            "p_value": c.p_value,
            "p_value_boundary": c.p_boundary,
        },
        index=pd.Index(c.names),
    )
