"""Equations of a model: the levels, and the three ways of writing them."""

import pickle
import re
from xml.etree import ElementTree

import pytest

from ranef import lmer, load_dataset
from ranef.presentation.equations import Equations, equations_of
from ranef.presentation.explanation import explain, parameters_of
from ranef.translation import Categorical, describe


def text_of(formula, **options):
    return equations_of(describe(formula, **options)).to_text().splitlines()


def test_contextual_model():
    assert text_of("y ~ x * w + z + (x | g)", constant_within={"w": "g"}) == [
        "Level 1 (rows)",
        "  y_ij = β_0j + β_1j x_ij + β_2 z_ij + e_ij",
        "  e_ij ~ N(0, σ²)",
        "Level 2 (g)",
        "  β_0j = γ_00 + γ_01 w_j + u_0j",
        "  β_1j = γ_10 + γ_11 w_j + u_1j",
        "  [u_0j; u_1j] ~ N([0; 0], [σ²_u0, σ_u01; σ_u01, σ²_u1])",
    ]


def test_three_levels():
    assert text_of(
        "y ~ x + z + w + (x | school) + (1 | school:class)", constant_within={"w": "school", "z": "school:class"}
    ) == [
        "Level 1 (rows)",
        "  y_ijk = β_0jk + β_1k x_ijk + e_ijk",
        "  e_ijk ~ N(0, σ²)",
        "Level 2 (class within school)",
        "  β_0jk = γ_00k + γ_01 z_jk + u_0jk",
        "  u_0jk ~ N(0, σ²_u0)",
        "Level 3 (school)",
        "  γ_00k = δ_000 + δ_001 w_k + v_00k",
        "  β_1k = γ_10 + v_1k",
        "  [v_00k; v_1k] ~ N([0; 0], [σ²_v00, σ_v00,1; σ_v00,1, σ²_v1])",
    ]


def test_crossed_factors_share_a_level():
    assert text_of("y ~ x + (x || s) + (1 | t)", family="binomial") == [
        "Level 1 (rows)",
        "  y_i(jk) ~ Bernoulli(π_i(jk))",
        "  logit(π_i(jk)) = β_0jk + β_1j x_i(jk)",
        "Level 2 (s and t)",
        "  β_0jk = γ_00 + u_0j + v_0k",
        "  β_1j = γ_10 + u_1j",
        "  [u_0j; u_1j] ~ N([0; 0], [σ²_u0, 0; 0, σ²_u1])",
        "  v_0k ~ N(0, σ²_v0)",
    ]


def test_no_fixed_counterpart_and_weights():
    assert text_of("y ~ 0 + x + (1 | g)", weights="w") == [
        "Level 1 (rows)",
        "  y_ij = β_0j + β_1 x_ij + e_ij",
        "  e_ij ~ N(0, σ²/w_ij)",
        "Level 2 (g)",
        "  β_0j = u_0j",
        "  u_0j ~ N(0, σ²_u0)",
    ]


@pytest.mark.parametrize(
    ("family", "lines"),
    [
        ("poisson", ["y_ij ~ Poisson(λ_ij)", "log(λ_ij) = β_0j + log(e)_ij"]),
        ("nbinom2", ["y_ij ~ NegativeBinomial(μ_ij, φ)", "log(μ_ij) = β_0j + log(e)_ij"]),
        ("gaussian(log)", ["y_ij ~ N(μ_ij, σ²)", "log(μ_ij) = β_0j + log(e)_ij"]),
        ("Gamma", ["y_ij ~ Gamma(μ_ij, φ)", "inverse(μ_ij) = β_0j + log(e)_ij"]),
    ],
)
def test_families(family, lines):
    text = text_of("y ~ 1 + offset(log(e)) + (1 | g)", family=family)
    assert [line.strip() for line in text[1:3]] == lines


def test_binomial_counts():
    assert "  s_ij ~ Binomial(n_ij, π_ij)" in text_of("cbind(s, n - s) ~ x + (1 | g)", family="binomial")


def test_latex_is_escaped():
    latex = equations_of(describe("`a_b & c%` ~ `x{1}` + (`x{1}` | my_group)"))
    assert r"\text{\_}" not in latex
    for escaped in (r"a\_b \& c\%", r"x\{1\}", r"my\_group"):
        assert escaped in latex
    # Outside of text an underscore is only an index.
    bare = re.sub(r"\\text(?:bf)?\{(?:\\[{}]|[^{}])*\}", "", latex)
    assert not re.search(r"\\_|[%$#]", bare)
    assert latex.startswith("\\begin{align*}\n")
    assert latex.count(r"\begin{pmatrix}") == latex.count(r"\end{pmatrix}") == 3
    assert r"\beta_{0j} &= \gamma_{00} + u_{0j}" in latex
    assert r"\begin{pmatrix} \sigma_{u0}^{2} & \sigma_{u01} \\ \sigma_{u01} & \sigma_{u1}^{2} \end{pmatrix}" in latex
    assert r"\begin{aligned}" in latex._repr_latex_()


def test_mathml_is_xml_with_the_names_escaped():
    equations = equations_of(describe("y ~ `a<b` + (`a<b` | g)"))
    root = ElementTree.fromstring(equations.to_mathml())
    space = "{http://www.w3.org/1998/Math/MathML}"
    assert root.tag == f"{space}math"
    words = [e.text for e in root.iter(f"{space}mtext")]
    assert words[0] == "Level 1 (rows)"
    assert "a<b" in words
    assert [e.text for e in root.iter(f"{space}mi")].count("β") == 4


def test_long_sums_are_broken():
    latex = equations_of(describe("y ~ a + b + c + d + e + f + h + i + (1 | g)"))
    assert latex.count(r"&\quad + ") == 1
    lines = [line for line in latex.splitlines() if r"\text{" in line]
    assert max(line.count(r"\beta") for line in lines) <= 6


def test_of_a_fitted_model():
    model = lmer("normexam ~ standLRT * schavg + sex + schgend + (standLRT | school)", load_dataset("exam"))
    text = model.equations().to_text().splitlines()
    assert text[1] == "  normexam_ij = β_0j + β_1j standLRT_ij + β_2 sex[M]_ij + e_ij"
    # Long lines are broken before a plus.
    assert text[4] == "  β_0j = γ_00 + γ_01 schavg_j + γ_02 schgend[boys]_j + γ_03 schgend[girls]_j"
    assert text[5].strip() == "+ u_0j"
    assert isinstance(model.equations(), str)
    assert isinstance(model.equations(), Equations)
    again = pickle.loads(pickle.dumps(model.equations()))
    assert (again, again.to_mathml()) == (model.equations(), model.equations().to_mathml())


def test_random_effects_of_a_factor():
    model = lmer("score ~ Machine + (0 + Machine | Worker)", load_dataset("machines"))
    text = model.equations().to_text().splitlines()
    # The fixed effects have no column for the first level, the random effects have; their other
    # columns are the same.
    assert text[1] == "  score_ij = β_0 + β_1j Machine[B]_ij + β_2j Machine[C]_ij + β_3j Machine[A]_ij"
    assert text[5:8] == ["  β_1j = γ_10 + u_1j", "  β_2j = γ_20 + u_2j", "  β_3j = u_3j"]
    assert text[8].startswith("  [u_3j; u_1j; u_2j] ~ N(")


def counts(formula, **options):
    return {c.kind: c.number for c in parameters_of(describe(formula, **options))}


def test_parameters_are_counted():
    assert counts("y ~ x * w + (x + w | g) + (1 | h)") == {
        "fixed effects": 4, "variances": 4, "covariances": 3, "residual variance": 1,
    }  # fmt: skip
    assert counts("y ~ 0 + x + (x || g)") == {
        "fixed effects": 1,
        "variances": 2,
        "covariances": 0,
        "residual variance": 1,
    }
    assert counts("y ~ x + (1 | g)", family="poisson") == {"fixed effects": 2, "variances": 1, "covariances": 0}
    assert counts("y ~ x + (1 | g)", family="nbinom2")["dispersion"] == 1
    unknown = parameters_of(describe("y ~ f + (1 | g)", categorical=["f"]))[0]
    assert (unknown.number, unknown.at_least) == (2, True)


@pytest.mark.parametrize(
    "formula", ["normexam ~ standLRT * schavg + sex + (standLRT | school)", "normexam ~ type + (standLRT || school)"]
)
def test_the_count_is_that_of_the_fit(formula):
    model = lmer(formula, load_dataset("exam"))
    described = model._described(True)
    assert sum(c.number for c in parameters_of(described)) == model.npar


def test_explanation():
    text = explain(describe("y ~ x + (1 | a) + (1 | b)", categorical=[Categorical("f")]))
    assert "Level 2 (a and b)" in text
    assert "The intercept varies between the levels of a." in text
    assert "cannot be written: the crossed grouping factors a and b" in text
    assert "  in all                5" in text


def test_quotes_of_names_are_not_printed():
    data = load_dataset("sleepstudy").rename(columns={"Days": "the days"})
    with_quotes = lmer("Reaction ~ I(`the days`^2) + (1 | Subject)", data)
    assert "I(the days" in with_quotes.equations()
    assert "`" not in with_quotes.equations()
    assert "`" not in with_quotes.summary().to_latex()


def test_notebooks_get_what_mathjax_and_katex_show():
    """Their texts have no commands: an escape inside of one would be shown as it is."""
    data = load_dataset("sleepstudy").rename(columns={"Days": "day_no", "Subject": "subject #1"})
    data["50% {a|b} <c> ~^&$"] = data["day_no"] ** 2
    m = lmer("Reaction ~ day_no + `50% {a|b} <c> ~^&$` + (day_no | `subject #1`)", data)
    shown = m.equations()._repr_latex_()
    assert shown.startswith("$$\n\\begin{aligned}\n")
    assert shown.endswith("\n\\end{aligned}\n$$")
    texts = re.findall(r"\\text(?:bf)?\{([^{}]*)\}", shown)
    assert "day" in texts
    assert not any("\\" in text for text in texts)
    assert r"\text{day}\_\text{no}_{ij}" in shown
    assert r"\textbf{Level 2 (subject }\#\textbf{1)}" in shown
    assert r"\text{50}\%\text{ }\{\text{a}{\vert}\text{b}\}" in shown
    assert r"\text{day\_no}" in str(m.equations())
    plain = re.sub(r"\\[{}$&#%_]", "", shown)
    assert plain.count("{") == plain.count("}")


def test_a_long_right_side_is_broken():
    m = lmer("normexam ~ poly(standLRT, 3) * sex + (1 | school)", load_dataset("exam"))
    rows = [line for line in m.equations().splitlines() if line.startswith("&\\quad")]
    assert len(rows) >= 2
