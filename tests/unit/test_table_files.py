"""One-model tables, labels, names of models, and files of tables."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ranef
from ranef import ArgumentTypeError, DataError, OptionError, glmer, lmer, load_dataset
from ranef.presentation.column_rows import fixed_text

LABELS = {"standLRT": "Reading score", "sex[T.M]": "Boy", "school": "School"}


@pytest.fixture(scope="module")
def exam() -> Any:
    return lmer("normexam ~ standLRT * sex + (standLRT | school)", load_dataset("exam"))


@pytest.fixture(scope="module")
def sleep() -> Any:
    return lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))


@pytest.fixture(scope="module")
def herds() -> Any:
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    return glmer(formula, load_dataset("cbpp"), family="binomial")


def rows(table: Any) -> dict[str, list[str]]:
    """Cells of the text form by label; columns are two blanks or more apart in the labels' part."""
    (grid,) = table._document().grids
    return {row[0]: list(row[1:]) for row in grid.rows}


# ---- one model


def test_apa_layout(sleep: Any) -> None:
    table = ranef.table(sleep, style="apa")
    (grid,) = table._document().grids
    assert grid.columns == ("", "b", "SE", "95 % CI", "t", "df", "p")
    shown = rows(table)
    # lmerTest: 251.405 (6.825), t 36.84 and 6.77 with 17 df, p 3.26e-06; limits by t quantiles.
    assert shown["(Intercept)"] == ["251.41", "6.82", "[237.01, 265.80]", "36.84", "17.00", "< .001"]
    assert shown["Days"] == ["10.47", "1.55", "[7.21, 13.73]", "6.77", "17.00", "< .001"]
    assert shown["SD (Intercept), Subject"][0] == "24.74"
    assert shown["SD Days, Subject"][0] == "5.92"
    assert shown["Correlation (Intercept) with Days, Subject"][0] == ".07"
    assert shown["R² marginal"][0] == ".279"
    assert shown["Observations"][0] == "180"
    assert shown["Levels of Subject"][0] == "18"
    (note,) = table.notes
    assert "The model is Reaction ~ Days + (Days | Subject). Estimated by REML." in note
    assert "Satterthwaite" in note
    assert str(table).splitlines()[0] == "Linear mixed model of Reaction"
    assert "Note. CI = " in str(table)
    frame = table.to_frame().query("part == 'fixed'").set_index("term")
    np.testing.assert_allclose(frame.loc["Days", ["estimate", "df"]].astype(float), [10.46729, 17.0], rtol=1e-5)
    assert "model" not in frame


def test_apa_of_other_models(sleep: Any, herds: Any, exam: Any) -> None:
    odds = rows(ranef.table(herds, style="apa", exponentiate=True, labels={"period": "Period", "herd": "Herd"}))
    assert odds["Period: 2"] == ["0.37", "0.11", "[0.20, 0.68]", "-3.24", ".001"]
    plain = ranef.table(sleep.update(ddf="none"), style="apa")
    assert plain._document().grids[0].columns == ("", "b", "SE", "95 % CI")
    assert rows(plain)["Days"] == ["10.47", "1.55", "[7.44, 13.50]"]
    assert rows(ranef.table(exam, style="apa"))["standLRT:sex[T.M]"][-1] == ".973"
    with pytest.raises(OptionError, match="style='apa' shows one model, and 2 were given"):
        ranef.table(sleep, exam, style="apa")
    with pytest.raises(OptionError, match="stars and below are for models in columns"):
        ranef.table(sleep, style="apa", stars=True)
    with pytest.raises(OptionError, match="style must be one of 'columns', 'apa'"):
        ranef.table(sleep, style="APA7")  # type: ignore[arg-type]


def test_missing_rows_are_in_the_notes() -> None:
    data = load_dataset("sleepstudy")
    data.loc[[3, 7], "Reaction"] = np.nan
    fewer = lmer("Reaction ~ Days + (1 | Subject)", data)
    assert "fewer: 178 of 180 rows used (2 missing: Reaction 2)." in ranef.table(fewer).notes
    assert "178 of 180 rows used" in ranef.table(fewer, style="apa").notes[0]


# ---- labels


def test_labels_of_interactions_are_made_of_their_parts(exam: Any) -> None:
    shown = rows(ranef.table(exam, labels=LABELS))
    assert "Reading score × Boy" in shown
    assert "SD Reading score, School" in shown
    assert "Correlation (Intercept) with Reading score, School" in shown
    assert "Levels of School" in shown
    factor = rows(ranef.table(exam, labels={"sex": "Sex"}))
    assert {"Sex: M", "standLRT × Sex: M"} <= set(factor)
    own = rows(ranef.table(exam, labels={**LABELS, "standLRT:sex[T.M]": "More for boys"}))
    assert "More for boys" in own
    assert "standLRT:sex[T.M]" in rows(ranef.table(exam, labels={"school": "School"}))


def test_levels_with_colons_are_no_interactions() -> None:
    data = load_dataset("sleepstudy")
    data["late:d"] = np.where(data["Days"] > 4, "b:c", "a")
    m = lmer("Reaction ~ `late:d` + I(Days^2) + (1 | Subject)", data)
    (name,) = [n for n in m.fixef.index if "b:c" in n]
    assert "After: b:c" in rows(ranef.table(m, labels={name.split("[")[0]: "After"}))


def test_unknown_labels_are_refused(exam: Any) -> None:
    with pytest.raises(OptionError, match=r"'standLTR', which does not occur. Did you mean 'standLRT'\?.*'school'"):
        ranef.table(exam, labels={"standLTR": "Reading score"})
    with pytest.raises(ArgumentTypeError, match="labels must be a dict"):
        ranef.table(exam, labels={"standLRT": 3})  # type: ignore[dict-item]


# ---- names of models


def test_models_are_called_by_their_variables(sleep: Any) -> None:
    slopes = sleep
    intercepts = slopes.update("Reaction ~ Days + (1 | Subject)")
    compared = ranef.anova(slopes, intercepts)  # pytest 8.0 rewrites calls within assert
    assert list(compared.index) == ["intercepts", "slopes"]
    assert [m.name for m in ranef.table(intercepts, sleep).models] == ["intercepts", "sleep"]
    assert [m.name for m in ranef.table(*[intercepts, slopes]).models] == ["intercepts", "sleep"]  # the first name
    assert [m.name for m in ranef.table(intercepts, intercepts).models] == ["intercepts (1)", "intercepts (2)"]
    several = [intercepts.update(REML=False) for _ in range(2)]
    assert [m.name for m in ranef.table(*several).models] == ["m1", "m2"]
    assert [m.name for m in ranef.table(intercepts, several[0]).models] == ["m1", "m2"]
    named = ranef.table(intercepts, *several, names=["a", "b", "c"])
    assert [m.name for m in named.models] == ["a", "b", "c"]


def test_families_are_shown_where_they_differ() -> None:
    ticks = load_dataset("grouseticks")
    poisson = glmer("TICKS ~ YEAR + (1 | BROOD)", ticks, family="poisson")
    nb = poisson.update(family="nbinom2")
    heading = ranef.anova(poisson, nb).attrs["heading"]
    assert "poisson: TICKS ~ YEAR + (1 | BROOD); poisson, log" in heading
    assert "nb: TICKS ~ YEAR + (1 | BROOD); nbinom2, log" in heading
    same = ranef.anova(poisson, poisson.update("TICKS ~ 1 + (1 | BROOD)")).attrs["heading"]
    assert "log" not in same


# ---- numbers


def test_numbers_of_a_row_have_the_same_decimals(sleep: Any) -> None:
    other = sleep.update("Reaction ~ Days + (1 | Subject)")
    table = ranef.table(sleep, other, below="p")
    shown = rows(table)
    assert shown["SD (Intercept), Subject"] == ["24.74", "37.12"]
    assert shown["SD residual"] == ["25.59", "30.99"]
    lines = str(ranef.table(sleep)).splitlines()
    at = [line.index(".") for line in lines if line.startswith(("(Int", "SD", "Corr", "AIC"))]
    assert len(set(at)) == 1


# ---- files


@pytest.mark.parametrize("style", ["columns", "apa"])
def test_text_files(tmp_path: Path, exam: Any, style: Any) -> None:
    table = ranef.table(exam, style=style, labels=LABELS)
    for ending, own in ((".tex", table.to_latex()), (".typ", table.to_typst()), (".md", table.to_markdown())):
        path = table.save(tmp_path / f"t{ending}")
        assert path == tmp_path / f"t{ending}"
        assert path.read_text(encoding="utf-8") == own
        assert "Reading score × Boy" in own
    page = table.save(tmp_path / "t.HTML").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "<style>" in page
    assert table.to_html() in page
    assert table.save(str(tmp_path / "t.txt")).read_text(encoding="utf-8") == f"{table}\n"
    numbers = pd.read_csv(table.save(tmp_path / "t.csv"))
    assert list(numbers.columns) == list(table.to_frame().columns)
    np.testing.assert_allclose(numbers["estimate"], table.to_frame()["estimate"])


def test_typst_markup(sleep: Any) -> None:
    text = ranef.table(sleep, labels={"Days": "Days #1 *of* $x$"}, title="A_b").to_typst()
    assert r"Days \#1 \*of\* \$x\$" in text
    assert r"[A\_b]" in text
    assert "[251.41#hide[0)]]" in text  # below Days, which has a decimal more, and beside a bracket
    assert "[(6.82)#hide[0]]" in text
    assert text.count("table.hline") == 3


def test_word_file(tmp_path: Path, exam: Any) -> None:
    docx = pytest.importorskip("docx")
    table = ranef.table(exam, style="apa", labels=LABELS)
    file = docx.Document(str(table.save(tmp_path / "t.docx")))
    (made,) = file.tables
    cells = [[c.text.replace("\u00a0", " ") for c in row.cells] for row in made.rows]
    assert cells[0] == ["", "b", "SE", "95 % CI", "t", "df", "p"]
    (boy,) = [row for row in cells if row[0] == "Boy"]
    assert boy[1:4] == ["−0.176", "0.032", "[−0.239, −0.112]"]
    assert boy[-1] == "< .001"
    assert file.paragraphs[0].text == "Linear mixed model of normexam"
    assert file.paragraphs[-1].text == f"Note. {table.notes[0]}"
    assert made.rows[0].cells[1].paragraphs[0].runs[0].italic
    assert "w:tblHeader" in made.rows[0]._tr.xml
    # the label has what the numbers leave of the page
    assert made.rows[0].cells[0].width > 1.5 * made.rows[0].cells[1].width


def test_word_without_python_docx(tmp_path: Path, sleep: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "docx", None)
    with pytest.raises(ranef.MissingExtraError, match=r"python-docx.*ranef\[tables\]"):
        ranef.table(sleep).save(tmp_path / "t.docx")


def test_files_that_cannot_be_written(tmp_path: Path, sleep: Any) -> None:
    table = ranef.table(sleep)
    with pytest.raises(OptionError, match=r"ends with .docx, .tex, .html, .typ, .md, .txt, .csv, and 't.pdf' does not"):
        table.save(tmp_path / "t.pdf")
    with pytest.raises(DataError, match="cannot be written to"):
        table.save(tmp_path / "nowhere" / "t.tex")
    with pytest.raises(ArgumentTypeError, match="path must be a file name"):
        table.save(3)  # type: ignore[arg-type]


def test_summaries_are_written_too(tmp_path: Path, sleep: Any) -> None:
    docx = pytest.importorskip("docx")
    summary = sleep.summary()
    file = docx.Document(str(summary.save(tmp_path / "s.docx")))
    assert [t.rows[0].cells[0].text for t in file.tables][-2:] == ["", ""]
    assert "251.405" in [c.text for c in file.tables[-2].rows[1].cells]
    assert summary.save(tmp_path / "s.tex").read_text(encoding="utf-8") == summary.to_latex()
    assert "caption: figure.caption(position: top)[Fixed effects]" in summary.save(tmp_path / "s.typ").read_text(
        encoding="utf-8"
    )
    assert summary.save(tmp_path / "s.txt").read_text(encoding="utf-8") == f"{summary}\n"
    with pytest.raises(OptionError, match=r"ends with .docx, .tex, .html, .typ, .md, .txt, and 's.csv' does not"):
        summary.save(tmp_path / "s.csv")


def test_tables_of_tests_are_written_too(tmp_path: Path, sleep: Any) -> None:
    docx = pytest.importorskip("docx")
    intercepts = sleep.update("Reaction ~ Days + (1 | Subject)")
    compared = ranef.anova(intercepts, sleep)
    (table,) = docx.Document(str(compared.save(tmp_path / "a.docx"))).tables
    cells = [[c.text.replace("\u00a0", " ").rstrip("\u2007\u2008") for c in row.cells] for row in table.rows]
    assert cells[0][1:9] == ["Parameters", "AIC", "BIC", "Log-likelihood", "Deviance", "χ²", "df", "p"]
    # lme4: 1802.1, 1763.9, chisq 42.139, df 2, p 7.072e-10
    assert cells[2][:3] == ["sleep", "6", "1763.9"]
    assert cells[2][6:9] == ["42.1393", "2", "< 0.001"]
    assert pd.read_csv(compared.save(tmp_path / "a.csv"))["chisq"][1] == pytest.approx(42.1393, abs=1e-4)
    assert "Models:" in compared.save(tmp_path / "a.md").read_text(encoding="utf-8")
    terms = sleep.anova().save(tmp_path / "t.tex").read_text(encoding="utf-8")
    assert r"\emph{F}" in terms
    assert r"\caption{Type III tests of fixed effects" in terms
    # As pandas writes it, an underscore in a heading stops LaTeX, and small p-values are 0.000000.
    assert sleep.anova().to_latex() == terms
    assert "45.853" in sleep.anova().to_latex(columns=["f_value"], escape=True)
    long = pd.DataFrame(sleep.augment())
    with pd.option_context("display.max_rows", 10):
        written = sleep.augment().save(tmp_path / "o.md").read_text(encoding="utf-8")
    assert written.count("\n|") == len(long) + 1
    assert not written.startswith("#")
    assert sleep.tidy().save(tmp_path / "o.txt").read_text(encoding="utf-8") == f"{sleep.tidy()}\n"


def test_means_and_contrasts_are_written_too(tmp_path: Path) -> None:
    docx = pytest.importorskip("docx")
    m = lmer("angle ~ recipe * temp + (1 | recipe:replicate)", load_dataset("cake"))
    both = m.emmeans("pairwise ~ recipe | temp", at={"temp": [175, 225]}, adjust="holm")
    tables = docx.Document(str(both.save(tmp_path / "means.docx"))).tables
    assert len(tables) == 4  # means and contrasts, at each temperature
    assert [cell.text for cell in tables[2].rows[0].cells] == ["contrast", "estimate", "SE", "df", "t.ratio", "p.value"]
    pairs = both.contrasts
    text = pairs.save(tmp_path / "pairs.md").read_text(encoding="utf-8")
    assert "P value adjustment: holm method for 3 tests" in text
    assert all(name in text for name in ("A - B", "A - C", "B - C"))
    assert pairs.save(tmp_path / "pairs.txt").read_text(encoding="utf-8") == f"{pairs}\n"
    numbers = pd.read_csv(pairs.save(tmp_path / "pairs.csv"))
    np.testing.assert_allclose(numbers["p_value"], pairs.to_frame()["p_value"])


def test_small_limits_have_no_powers_of_ten() -> None:
    assert [fixed_text(x, 4) for x in (-0.0006, 0.0005, 0.0, -0.00001)] == ["-0.0006", "0.0005", "0.0000", "0.0000"]
    assert fixed_text(12.34567, 3) == "12.346"
