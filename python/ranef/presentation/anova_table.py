"""Tables of tests: pandas frames that print as R prints them, with their heading and notes."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from ranef.inference.anova.deletion_tests import DeletionTests
from ranef.inference.contrast_tests import ContrastTests
from ranef.inference.fixed_effect_tests import JointTest, Reference
from ranef.inference.likelihood_ratio import Comparison
from ranef.inference.marginal_means.joint import TermJointTests
from ranef.inference.marginal_means.variables import level_text
from ranef.inference.step import FixedStep, RandomStep
from ranef.inference.wald_terms import WaldTests
from ranef.presentation.numbers import STAR_LEGEND, stars
from ranef.presentation.printed_frame import PrintedFrame

_METHODS = {
    "satterthwaite": "with Satterthwaite's method",
    "kenward-roger": "with Kenward-Roger's method",
    "kenward-roger-linear": "with Kenward-Roger's linear method",
    "between-within": "with between-within degrees of freedom",
    "residual": "with residual degrees of freedom",
    "none": "without denominator degrees of freedom",
}


class TestTable(PrintedFrame):
    """A data frame of tests, whose p-values are marked in print as R marks them."""

    __test__ = False  # no test of this package, though its name starts so

    def _marks(self) -> list[str] | None:
        p = self["p_value"].tolist() if "p_value" in self.columns else [math.nan] * len(self)
        return [stars(float(v)) for v in p]

    def _legend(self) -> str:
        marks = self._marks() or []
        return f"Signif. codes:  {STAR_LEGEND}" if any(m.strip() for m in marks) else ""


def table_of_tests(frame: pd.DataFrame, heading: str, notes: Sequence[str]) -> TestTable:
    """Make a table of tests of a frame.

    Parameters
    ----------
    frame : DataFrame
    heading : str
        What stands above, one line or more.
    notes : sequence of str
        What stands below.

    Returns
    -------
    TestTable
    """
    table = TestTable(frame)
    table.attrs["heading"] = heading
    table.attrs["notes"] = tuple(notes)
    return table


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
        Columns ``npar, aic, bic, llf, deviance, chisq, df, p_value``, and ``p_value_boundary`` when
        variances are tested.
    """
    c = comparison
    frame = _criteria(c)
    frame.insert(2, "bic", [m.objective + m.npar * math.log(c.nobs) for m in c.models])
    frame.insert(4, "deviance", [m.objective for m in c.models])
    if not any(math.isfinite(p) for p in c.p_boundary):
        del frame["p_value_boundary"]
    kind = "REML criteria" if c.reml else "maximum likelihood"
    heading = "\n".join(
        [f"Likelihood-ratio tests ({kind})", "Models:", *(f"{n}: {f}" for n, f in zip(c.names, formulas, strict=True))]
    )
    return table_of_tests(frame, heading, c.notes)


def random_effects_table(comparison: Comparison, formula: str) -> TestTable:
    """The table of ``ranova``: columns ``npar, llf, aic, chisq, df, p_value, p_value_boundary``."""
    frame = _criteria(comparison)[["npar", "llf", "aic", "chisq", "df", "p_value", "p_value_boundary"]]
    kind = "REML" if comparison.reml else "maximum likelihood"
    return table_of_tests(
        frame, f"Tests of random effects: single deletions, {kind}\nModel: {formula}", comparison.notes
    )


def deletions_table(comparison: Comparison, formula: str) -> TestTable:
    """The table of ``drop1(test="chisq")``: columns ``npar, llf, aic, chisq, df, p_value``."""
    frame = _criteria(comparison)[["npar", "llf", "aic", "chisq", "df", "p_value"]]
    return table_of_tests(
        frame, f"Tests of fixed terms: single deletions, maximum likelihood\nModel: {formula}", comparison.notes
    )


def part_tests_table(comparison: Comparison, formula: str, name: str) -> TestTable:
    """The table of ``nominal_test`` and ``scale_test``: the same columns."""
    what = "effects on every threshold" if name == "nominal" else "effects on the scale"
    frame = _criteria(comparison)[["npar", "llf", "aic", "chisq", "df", "p_value"]]
    return table_of_tests(
        frame, f"Tests of {what}: single terms, maximum likelihood\nModel: {formula}", comparison.notes
    )


def deletion_f_table(deletions: DeletionTests, formula: str) -> TestTable:
    """The table of ``drop1(test="f")``:
    columns ``sum_sq, mean_sq, num_df, den_df, f_value, p_value``.
    """
    heading = f"Tests of fixed terms: single deletions, F tests {_METHODS[deletions.ddf]}\nModel: {formula}"
    return table_of_tests(_f_tests(deletions), heading, deletions.notes)


def _f_tests(d: DeletionTests) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "sum_sq": [t.num_df * t.wald * s**2 for t, s in zip(d.tests, d.sigmas, strict=True)],
            "mean_sq": [t.wald * s**2 for t, s in zip(d.tests, d.sigmas, strict=True)],
            "num_df": [float(t.num_df) for t in d.tests],
            "den_df": [t.den_df for t in d.tests],
            "f_value": [t.f_value for t in d.tests],
            "p_value": [t.p_value for t in d.tests],
        },
        index=pd.Index(d.names, dtype=object),
    )


def wald_table(tests: WaldTests, formula: str) -> TestTable:
    """The table of ``anova`` where the model has no degrees of freedom: ``chisq, df, p_value``, or
    with those of clusters ``num_df, den_df, f_value, p_value``.
    """
    columns: dict[str, Any] = {"chisq": tests.chisq, "df": tests.df}
    if math.isfinite(tests.den_df):
        f_values = [chisq / df for chisq, df in zip(tests.chisq, tests.df, strict=True)]
        columns = {"num_df": tests.df, "den_df": tests.den_df, "f_value": f_values}
    frame = pd.DataFrame({**columns, "p_value": tests.p_value}, index=pd.Index(tests.labels, dtype=object))
    return table_of_tests(frame, f"{tests.heading}\nModel: {formula}", tests.notes)


def contrast_frame(found: ContrastTests, reference: Reference) -> pd.DataFrame:
    """Tests of contrasts.

    A joint one is a chi-square where tests are normal: ``chisq, df, p_value``.
    """
    if found.joint is None or reference != "z":
        return found.to_pandas()
    frame = pd.DataFrame(
        [joint_test_columns(found.joint, reference)],
        index=pd.Index([", ".join(found.contrasts.labels)], dtype=object),
    )
    frame.attrs = {"notes": found.notes}
    return frame


def joint_test_columns(test: JointTest | None, reference: Reference) -> dict[str, float]:
    """A joint test as columns:
    F, or chi-square where estimates are normal; NaN where there is none.

    Their names are ``num_df, den_df, f_value, p_value``, or ``chisq, df, p_value``.
    """
    names = ("chisq", "df", "p_value") if reference == "z" else ("num_df", "den_df", "f_value", "p_value")
    if test is None:
        return dict.fromkeys(names, math.nan)
    if reference == "z":
        values: tuple[float, ...] = (test.wald * test.num_df, float(test.num_df), test.p_value)
    else:
        values = (float(test.num_df), test.den_df, test.f_value, test.p_value)
    return dict(zip(names, values, strict=True))


def joint_tests_table(found: TermJointTests, reference: Reference) -> TestTable:
    """The table of ``joint_tests``: columns as in :func:`joint_test_columns`;
    the index has the groups and the term.
    """
    keys = [(*map(level_text, group), term) for term, group, _ in found.rows]
    names = [*found.by, "term"]
    index = (
        pd.MultiIndex.from_tuples(keys, names=names)
        if found.by
        else pd.Index([k[0] for k in keys], name="term", dtype=object)
    )
    columns = list(joint_test_columns(None, reference))
    frame = pd.DataFrame([joint_test_columns(t, reference) for _, _, t in found.rows], index=index, columns=columns)
    return table_of_tests(frame, "Joint tests of terms on the reference grid", found.notes)


def random_steps_table(rows: Sequence[RandomStep], notes: Sequence[str]) -> TestTable:
    """The table of the random effects of ``step``."""
    frame = pd.DataFrame(
        {
            "eliminated": [r.eliminated for r in rows],
            "npar": [r.model.npar for r in rows],
            "llf": [-r.model.objective / 2 for r in rows],
            "aic": [r.model.objective + 2 * r.model.npar for r in rows],
            "chisq": [r.statistic for r in rows],
            "df": [r.df for r in rows],
            "p_value": [r.p_value for r in rows],
            "p_value_boundary": [r.p_boundary for r in rows],
        },
        index=pd.Index([r.label for r in rows], dtype=object),
    )
    return table_of_tests(frame, "Backward elimination of random effects", notes)


def fixed_steps_table(rows: Sequence[FixedStep], notes: Sequence[str]) -> TestTable:
    """The table of the fixed terms of ``step``."""
    if any(r.model is not None for r in rows):
        columns = {
            "npar": [r.model.npar for r in rows if r.model is not None],
            "llf": [-r.model.objective / 2 for r in rows if r.model is not None],
            "aic": [r.model.objective + 2 * r.model.npar for r in rows if r.model is not None],
            "chisq": [r.statistic for r in rows],
            "df": [r.df for r in rows],
            "p_value": [r.p_value for r in rows],
        }
        frame = pd.DataFrame(columns, index=pd.Index([r.label for r in rows], dtype=object))
    else:
        tested = [r for r in rows if r.f_test is not None]
        f_tests = tuple(r.f_test for r in rows if r.f_test is not None)
        frame = _f_tests(
            DeletionTests(tuple(r.label for r in tested), f_tests, tuple(r.sigma for r in tested), "none", ())
        )
    frame.insert(0, "eliminated", [r.eliminated for r in rows])
    return table_of_tests(frame, "Backward elimination of fixed terms", notes)


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
