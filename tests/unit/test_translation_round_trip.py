"""A formula, said in another program's language and read back, is the same model."""

import warnings

import pytest

import ranef
from ranef import RanefWarning, lmer, load_dataset
from ranef.errors import TranslationError
from ranef.translation import describe, read, write
from ranef.translation.languages import WRITTEN

LINEAR = {
    "null": ("y ~ 1 + (1 | g)", {}),
    "random intercept": ("y ~ x + (1 | g)", {}),
    "maximum likelihood": ("y ~ x + (1 | g)", {"reml": False}),
    "correlated slope": ("y ~ x + (x | g)", {}),
    "uncorrelated slope": ("y ~ x + (x || g)", {}),
    "uncorrelated by diag": ("y ~ x + diag(x | g)", {"reml": False}),
    "uncorrelated by terms": ("y ~ x + (1 | g) + (0 + x | g)", {}),
    "slope only": ("y ~ x + (0 + x | g)", {}),
    "two slopes": ("y ~ x + z + (x + z | g)", {}),
    "blocks": ("y ~ x + (x + z | g) + (0 + w | g)", {}),
    "nested": ("y ~ x + (1 | school/class)", {}),
    "nested with slopes": ("y ~ x + (x | school) + (1 | school:class)", {}),
    "nested, same slopes": ("y ~ x + (x | school/class)", {"reml": False}),
    "four levels": ("y ~ x + (1 | a/b/c)", {}),
    "cross-level interaction": ("y ~ x * w + (x | g)", {}),
    "three-way": ("y ~ x * w * z + (1 | g)", {}),
    "interaction alone": ("y ~ x:w + (1 | g)", {}),
    "no intercept": ("y ~ 0 + x + z + (1 | g)", {}),
    "no intercept, nothing": ("y ~ 0 + (1 | g)", {}),
    "square": ("y ~ x + I(x^2) + (1 | g)", {}),
    "cube in an interaction": ("y ~ x + w:I(x^3) + (1 | g)", {}),
    "computed": ("log(y) ~ sqrt(x) + I((x - 3) / w) + (1 | g)", {}),
    "factor": ("y ~ f * x + (1 | g)", {"categorical": ["f"]}),
    "factor of the formula": ("y ~ factor(f) + x + (1 | g)", {}),
}
CROSSED = {
    "crossed": ("y ~ x + (1 | subject) + (1 | item)", {}),
    "crossed with a slope": ("y ~ x + (x | subject) + (1 | item)", {"reml": False}),
    "crossed and nested": ("y ~ x + (1 | item) + (1 | school/class)", {}),
}
GENERALIZED = {
    "logit": ("y ~ x + (1 | g)", {"family": "binomial"}),
    "logit, quadrature": ("y ~ x + (1 | g)", {"family": "binomial", "n_quad": 7}),
    "probit": ("y ~ x + (x | g)", {"family": "binomial(probit)"}),
    "cloglog": ("y ~ x + (1 | g)", {"family": "binomial", "link": "cloglog", "n_quad": 15}),
    "counts of successes": ("cbind(s, n - s) ~ x + (1 | g)", {"family": "binomial"}),
    "proportion with trials": ("s/n ~ x + (1 | g)", {"family": "binomial", "weights": "n"}),
    "Poisson": ("y ~ x + (x || g)", {"family": "poisson"}),
    "Poisson, quadrature and exposure": ("y ~ x + offset(log(e)) + (1 | g)", {"family": "poisson", "n_quad": 9}),
    "offset": ("y ~ x + offset(o) + (1 | g)", {"family": "poisson"}),
    "Gamma": ("y ~ x + (1 | g)", {"family": "Gamma(log)"}),
    "logit, nested": ("y ~ x + (1 | a/b)", {"family": "binomial"}),
    "logit, crossed": ("y ~ x + (1 | a) + (1 | b)", {"family": "binomial"}),
}


def there_and_back(formula, options, language):
    model = describe(formula, **options)
    return model, read(write(model, language), language)


@pytest.mark.parametrize("language", WRITTEN)
@pytest.mark.parametrize("name", LINEAR)
def test_linear_models(name, language):
    model, back = there_and_back(*LINEAR[name], language)
    assert back.describe().signature == model.signature
    assert back.call.startswith("lmer(")
    assert ("REML=False" in back.call) == (back.method == "ML") == (not model.reml)
    assert (back.family, back.n_quad) == (None, None)


@pytest.mark.parametrize("language", WRITTEN)
@pytest.mark.parametrize("name", CROSSED)
def test_crossed_models(name, language):
    if language == "nlme":
        with pytest.raises(TranslationError, match="crossed grouping factors"):
            write(describe(CROSSED[name][0]), language)
        return
    model, back = there_and_back(*CROSSED[name], language)
    assert back.describe().signature == model.signature


@pytest.mark.parametrize("language", WRITTEN)
@pytest.mark.parametrize("name", GENERALIZED)
def test_generalized_models(name, language):
    formula, options = GENERALIZED[name]
    if language == "nlme":
        with pytest.raises(TranslationError, match="lme has linear models only"):
            write(describe(formula, **options), language)
        return
    if language == "glmmtmb" and options.get("n_quad", 1) > 1:
        with pytest.raises(TranslationError, match="Laplace's approximation only"):
            write(describe(formula, **options), language)
        return
    model, back = there_and_back(formula, options, language)
    wanted = model.signature
    if language == "spss" and model.n_quad > 1:
        # GENLINMIXED has no quadrature: it says so, and all else comes back.
        wanted = describe(formula, **{**options, "n_quad": 1}).signature
        assert "no quadrature" in write(model, language)
        assert any("pseudo-likelihood" in note for note in back.notes)
    assert back.describe().signature == wanted
    assert back.call.startswith("glmer(")


# ---- every structure by every method

STRUCTURES = {
    "random intercept": "y ~ x + (1 | g)",
    "correlated slope": "y ~ x + (x | g)",
    "uncorrelated slope": "y ~ x + (x || g)",
    "three levels": "y ~ x + (1 | school/class)",
    "crossed": "y ~ x + (1 | subject) + (1 | item)",
    "cross-level interaction": "y ~ x * w + (x | g)",
}
METHODS = {
    "REML": {},
    "ML": {"reml": False},
    "logit": {"family": "binomial"},
    "logit, 7 nodes": {"family": "binomial", "n_quad": 7},
    "Poisson": {"family": "poisson"},
    "Poisson, 7 nodes": {"family": "poisson", "n_quad": 7},
}


def impossible(structure, method, language):
    """What is said of a combination that a language does not have."""
    if language == "nlme":
        return "lme has linear models only" if "family" in METHODS[method] else (
            "crossed grouping factors" if structure == "crossed" else None
        )  # fmt: skip
    if "n_quad" in METHODS[method]:
        if language == "glmmtmb":
            return "Laplace's approximation only"
        if language in ("lme4", "julia") and structure != "random intercept":
            return "quadrature for one random intercept only"
        if language == "stata" and structure == "crossed":
            return "crossed random effects have no quadrature"
        if language == "sas" and structure == "crossed":
            return "METHOD=QUAD needs nested subjects"
    return None


@pytest.mark.parametrize("language", WRITTEN)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("structure", STRUCTURES)
def test_every_structure_by_every_method(structure, method, language):
    model = describe(STRUCTURES[structure], **METHODS[method])
    reason = impossible(structure, method, language)
    if reason is not None:
        with pytest.raises(TranslationError, match=reason) as caught:
            write(model, language)
        assert caught.value.part
        return
    text = write(model, language)
    back = read(text, language)
    # GENLINMIXED has no quadrature and says so.
    if "n_quad" in METHODS[method] and language == "spss":
        model = describe(STRUCTURES[structure], **{**METHODS[method], "n_quad": 1})
        assert "quadrature" in text or any("quadrature" in note for note in back.notes)
    assert back.describe().signature == model.signature


def test_lme4_and_its_constant_under_quadrature():
    assert "leave a constant out" in write(describe("y ~ x + (1 | g)", family="poisson", n_quad=7), "lme4")
    assert "leave a constant out" in write(
        describe("cbind(s, n - s) ~ x + (1 | g)", family="binomial", n_quad=7), "lme4"
    )
    assert "leave a constant out" not in write(describe("y ~ x + (1 | g)", family="binomial", n_quad=7), "lme4")


@pytest.mark.parametrize("language", ["lme4", "nlme", "spss", "sas", "julia", "glmmtmb"])
def test_weights(language):
    model, back = there_and_back("y ~ x + (1 | g)", {"weights": "w"}, language)
    assert back.weights == "w"
    assert back.describe().signature == model.signature


@pytest.mark.parametrize("language", ["lme4", "nlme", "spss", "sas", "stata"])
def test_rows(language):
    _, back = there_and_back("y ~ x + (1 | g)", {"subset": "x > 3 & (z == 2 | !(w < 1))"}, language)
    assert back.subset == "x > 3 & (z == 2 | !(w < 1))"


@pytest.mark.parametrize("language", ["spss", "sas"])
def test_a_factors_random_effects_are_those_of_its_levels(language):
    # The levels span what the intercept and the contrasts span.
    _, back = there_and_back("y ~ f + (f | g)", {"categorical": ["f"]}, language)
    assert back.formula == "y ~ factor(f) + (0 + factor(f) | g)"
    apart = describe("y ~ f + (f || g)", categorical=["f"])
    assert [b.structure for b in apart.blocks] == ["unstructured", "unstructured"]
    assert read(write(apart, language), language).formula == "y ~ factor(f) + (1 | g) + (0 + factor(f) | g)"


@pytest.mark.parametrize(
    ("language", "written"), [("stata", "ib2.f"), ("sas", "f(ref='2')"), ("julia", 'DummyCoding(base="2")')]
)
def test_reference_level(language, written):
    model, back = there_and_back('y ~ relevel(factor(f), ref = "2") + (1 | g)', {}, language)
    assert written in write(model, language)
    assert back.formula == 'y ~ relevel(factor(f), ref = "2") + (1 | g)'


# ---- fitted models: what is read back has the criterion of what was fitted

FITTED = {
    "tutorial 1": ("normexam ~ 1 + (1 | school)", "exam", {}),
    "tutorial 2": ("normexam ~ standLRT + (1 | school)", "exam", {}),
    "tutorial 3": ("normexam ~ standLRT + (standLRT | school)", "exam", {"method": "ML"}),
    "tutorial 4": ("normexam ~ standLRT + schavg + (1 + standLRT | school)", "exam", {}),
    "tutorial 5": ("normexam ~ standLRT * schavg + (1 + standLRT | school)", "exam", {}),
    "uncorrelated": ("Reaction ~ Days + (Days || Subject)", "sleepstudy", {}),
    "nested": ("strength ~ 1 + (1 | batch/cask)", "pastes", {}),
    "crossed": ("diameter ~ 1 + (1 | plate) + (1 | sample)", "penicillin", {}),
    "factor": ("normexam ~ sex * standLRT + (1 | school)", "exam", {}),
    "weighted, squared": ("Reaction ~ Days + I(Days^2) + (1 | Subject)", "sleepstudy", {"weights": "1 + Days"}),
}


@pytest.mark.parametrize("language", WRITTEN)
@pytest.mark.parametrize("name", FITTED)
def test_fitted_models(name, language):
    formula, data, options = FITTED[name]
    frame = load_dataset(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RanefWarning)
        model = lmer(formula, frame, **options)
        if (name, language) in {("crossed", "nlme"), ("weighted, squared", "stata")}:
            with pytest.raises(TranslationError):
                model.to_syntax(language)
            return
        back = ranef.translate(model.to_syntax(language), language)
        names = {"lmer": lmer, back.call.split(", ")[1].rstrip(")"): frame}
        again = eval(back.call, {"__builtins__": {}}, names)
    assert again.objective == pytest.approx(model.objective, rel=1e-9)
    assert again.npar == model.npar


def test_names_of_the_data():
    model = lmer("normexam ~ standLRT + (1 | school)", load_dataset("exam"))
    assert "data=Exam" in model.to_syntax("sas")
    assert model.to_syntax("lme4", notes=False) == "lmer(normexam ~ standLRT + (1 | school), data = Exam)"


# ---- what cannot be said

REFUSED = [
    ("stata", "y ~ f + (f | g)", {"categorical": ["f"]}, r"random effects of f over g"),
    ("stata", "y ~ f + (f || g)", {"categorical": ["f"]}, r"random effects of f over g"),
    ("stata", "y ~ x + (x | a) + (x | b)", {}, r"random slopes of (a|b)"),
    ("stata", "y ~ x + (1 | g)", {"weights": "w"}, "the weights"),
    ("stata", "y ~ x.1 + (1 | g)", {}, r"column 'x.1'"),
    ("stata", "y ~ x + (1 | a) + (1 | b)", {"family": "binomial", "n_quad": 5}, "n_quad=5"),
    ("stata", "y ~ x + (1 | g)", {"family": "Gamma"}, "inverse link of the Gamma family"),
    ("stata", "y ~ x + (1 | g)", {"family": "poisson", "n_quad": 0}, "n_quad=0"),
    ("sas", "y ~ x + (1 | g)", {"family": "poisson", "n_quad": 0}, "n_quad=0"),
    ("sas", "y ~ x + X + (1 | g)", {}, "columns x and X"),
    ("sas", "y ~ diag(1 + f | g)", {"categorical": ["f"]}, r"1 \+ f \| g"),
    ("sas", "y ~ x + offset(o) + (1 | g)", {}, "the offset"),
    ("spss", "y ~ x + (1 | g)", {"family": "beta"}, "beta family"),
    ("spss", "y ~ x + offset(o) + (1 | g)", {}, "the offset"),
    ("spss", "y ~ f + (1 | g)", {"categorical": ["f"], "contrasts": ["f"]}, "contrasts of f"),
    ("spss", "y ~ C(f, contr.sum) + (1 | g)", {}, "contrasts of f"),
    ("spss", "y ~ ns(x, 3) + (1 | g)", {}, r"ns\(x, 3\): spline terms"),
    ("sas", "y ~ poly(x, 2) + (1 | g)", {}, "orthogonal polynomials"),
    ("julia", "y ~ bs(x) + (1 | g)", {}, "spline terms"),
    ("julia", "y ~ x + (1 | g)", {"subset": "x > 1"}, "subset"),
    ("julia", "y ~ x + (1 | g)", {"family": "nbinom2"}, "nbinom2 family"),
    ("nlme", "y ~ x + (1 | a:b)", {}, "grouping factor a:b"),
    ("lme4", "y ~ x + (1 | g)", {"family": "beta"}, "beta family"),
    ("spss", "y ~ x + (1 | h/k) + (1 | h)", {}, r"\(1 \| h\): it occurs twice"),
    ("julia", "y ~ x + cs(0 + f | g)", {}, r"cs\(... \| g\)"),
]


@pytest.mark.parametrize(("language", "formula", "options", "part"), REFUSED)
def test_what_cannot_be_said_is_named(language, formula, options, part):
    with pytest.raises(TranslationError, match=part) as caught:
        write(describe(formula, **options), language)
    assert caught.value.part
    assert len(caught.value.reason) > 15


@pytest.mark.parametrize("language", [name for name in WRITTEN if name not in ("stata", "glmmtmb")])
def test_a_family_of_few_programs_is_refused(language):
    with pytest.raises(TranslationError, match="the nbinom1 family"):
        write(describe("y ~ x + (1 | g)", family="nbinom1"), language)


def test_the_other_negative_binomial():
    for language in ("stata", "glmmtmb"):
        model, back = there_and_back("y ~ x + (1 | g)", {"family": "nbinom1"}, language)
        assert back.describe().signature == model.signature
    assert write(describe("y ~ x + (1 | g)", family="nbinom1"), "r").startswith("glmmTMB(")


def test_values_have_no_name():
    data = load_dataset("sleepstudy")
    model = lmer("Reaction ~ Days + (1 | Subject)", data, weights=[1.0] * len(data))
    with pytest.raises(TranslationError, match="the weights: they were given as values"):
        model.to_syntax("spss")
    assert "e_ij" in model.equations().to_text()


def test_unknown_language():
    with pytest.raises(ranef.OptionError, match="'spss', 'stata', 'sas', 'julia'"):
        write(describe("y ~ x + (1 | g)"), "mplus")
    with pytest.raises(ranef.ArgumentTypeError):
        read(None, "sas")
