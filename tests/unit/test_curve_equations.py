"""Nonlinear models as equations: the curve, its parameters, their random effects."""

import pytest

from ranef import load_dataset, nlmer


def test_a_logistic_curve_with_one_random_parameter() -> None:
    m = nlmer("circumference ~ SSlogis(age, Asym, xmid, scal) ~ (Asym | Tree)", load_dataset("Orange"))
    assert m.equations().to_text().split("\n") == [
        "The curve (rows)",
        "  circumference_ij = Asym_ij · logistic((age_ij − xmid)/scal) + e_ij",
        "  e_ij ~ N(0, σ²)",
        "Parameters of the curve",
        "  Asym_ij = β_1 + u_1j",
        "  xmid = β_2",
        "  scal = β_3",
        "Random effects (Tree)",
        "  u_1j ~ N(0, σ²_u1)",
    ]


@pytest.fixture(scope="module")
def theoph():
    data = load_dataset("Theoph")
    data["late"] = (data["Subject"].astype(int) > 6).map({True: "y", False: "n"})
    return data


def test_parameters_with_covariates_and_correlated_effects(theoph) -> None:
    effects = {"lKa": "~ 1 + (1 |p| Subject)", "lCl": "~ late + Wt + (1 |p| Subject)"}
    m = nlmer("conc ~ SSfol(Dose, Time, lKe, lKa, lCl)", theoph, params=effects)
    text = m.equations().to_text().split("\n")
    assert "  lCl_ij = β_3 + β_4 late[y]_ij + β_5 Wt_ij + u_2j" in text
    assert "  [u_1j; u_2j] ~ N([0; 0], [σ²_u1, σ_u12; σ_u12, σ²_u2])" in text
    latex = str(m.equations())
    assert r"\text{lKa}_{ij} &= \beta_{2} + u_{1j}" in latex
    assert latex.count("{") == latex.count("}")
    assert m.equations().to_mathml().count("<mtr>") >= 8
    # (exp(x) - 1) / x has no name of its own
    assert "exprel" not in latex


def test_apart_in_two_factors_and_with_a_power() -> None:
    data = load_dataset("Orange")
    data["half"] = data["Tree"].astype(int) % 2
    m = nlmer(
        "circumference ~ a * exp(-b * c^(age / 100))",
        data,
        params={"a": "~ 1 + (1 | Tree)", "b": "~ 1", "c": "~ 1"},
        start={"a": 200, "b": 2, "c": 0.85},
    )
    text = m.equations().to_text()
    assert "circumference_ij = a_ij · exp( − b · c^(age_ij/100)) + e_ij" in text
    assert "  a_ij = β_1 + u_1j" in text


@pytest.mark.usefixtures("undrawn")
def test_the_report_has_them(tmp_path) -> None:
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib").use("Agg")
    m = nlmer("circumference ~ SSlogis(age, Asym, xmid, scal) ~ (Asym | Tree)", load_dataset("Orange"))
    m.report(tmp_path / "report.html")
    assert "<math" in (tmp_path / "report.html").read_text(encoding="utf-8")
