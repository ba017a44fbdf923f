"""Any model survives the way through another language,
and any text ends in a call or in an error of the package.
"""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ranef
from ranef.errors import RanefError, TranslationError
from ranef.presentation.equations import equations_of
from ranef.translation import LANGUAGES, describe, read, write

COLUMNS = ["x", "z", "w"]
GROUPS = ["g", "h/k", "g:h", "h"]


@st.composite
def fixed_terms(draw):
    terms = draw(
        st.lists(st.sampled_from([*COLUMNS, "f", "x:z", "f:x", "x:z:w", "I(x^2)", "log(v)"]), unique=True, max_size=4)
    )
    return [draw(st.sampled_from(["1", "0"])), *terms]


@st.composite
def random_terms(draw):
    out = []
    for group in draw(st.lists(st.sampled_from(GROUPS), unique=True, min_size=1, max_size=2)):
        slopes = draw(st.lists(st.sampled_from(COLUMNS), unique=True, max_size=2))
        intercept = draw(st.booleans()) or not slopes
        left = " + ".join(["1" if intercept else "0", *slopes])
        out.append(f"({left} {draw(st.sampled_from(['|', '||']))} {group})")
    return out


@st.composite
def models(draw):
    formula = f"y ~ {' + '.join([*draw(fixed_terms()), *draw(random_terms())])}"
    family = draw(st.sampled_from([None, None, "binomial", "binomial(probit)", "poisson"]))
    options = {"reml": draw(st.booleans()), "family": family, "categorical": ["f"]}
    return formula, options


@given(models(), st.sampled_from(list(LANGUAGES)))
def test_round_trip(model, language):
    formula, options = model
    described = describe(formula, **options)
    if not sayable(described, language):
        with pytest.raises(TranslationError):
            write(described, language)
        return
    assert read(write(described, language), language).describe().signature == described.signature


def sayable(described, language):
    """Whether a language has the model: nlme has linear models of nested factors;
    Stata has slopes over nested factors only.
    """
    effects = [
        (frozenset(b.group), e) for b in described.blocks for e in [*(["1"] * b.intercept), *(t.label for t in b.terms)]
    ]
    if len(set(effects)) < len(effects):
        # A variance that occurs twice is refused by all but R, which takes the formula as it is.
        return language == "lme4"
    groups = sorted({frozenset(b.group) for b in described.blocks}, key=len)
    if language == "nlme":
        single = all(len(b - a) == 1 for a, b in pairwise([frozenset(), *groups]))
        return described.family is None and single and all(a < b for a, b in pairwise(groups))
    if language == "stata":
        sloped = sorted({frozenset(b.group) for b in described.blocks if not b.scalar}, key=len)
        return all(a < b for a, b in pairwise(sloped))
    return True


@given(models())
def test_equations_are_well_formed(model):
    from xml.etree import ElementTree

    formula, options = model
    described = describe(formula, **options)
    equations = equations_of(described)
    root = ElementTree.fromstring(equations.to_mathml())
    assert root.tag.endswith("math")
    for opening, closing in ("{}", ("\\begin", "\\end")):
        assert equations.count(opening) == equations.count(closing)
    # Every random effect stands in an equation and has a distribution.
    text = equations.to_text()
    for effect in set(re.findall(r"\b[uvwst]_[\d′]+[jklmn]+", text)):
        assert text.count(effect) >= 2
    assert len(equations.levels) >= 2


SNIPPETS = [
    (
        "spss",
        "COMPUTE lx = LN(x).\nMIXED y BY f WITH lx /FIXED=f lx f*lx | NOINT SSTYPE(3) /RANDOM=INTERCEPT lx | "
        "SUBJECT(a*b) COVTYPE(UN).",
    ),
    (
        "spss",
        "GENLINMIXED /FIELDS TARGET=y TRIALS=FIELD(n) /TARGET_OPTIONS DISTRIBUTION=BINOMIAL LINK=LOGIT /FIXED "
        "EFFECTS=x /RANDOM USE_INTERCEPT=TRUE SUBJECTS=g.",
    ),
    ("stata", "generate lx = ln(x)\nmelogit y c.lx##i.f if z > 3 || a: || b: lx, cov(un) binomial(n) intpoints(5)"),
    ("stata", "mixed y i.(a b) x || _all: R.r || g: x, nocons reml"),
    (
        "sas",
        "data d; set e; l = log(n); run; proc glimmix data=d method=quad(qpoints=5); class g f(ref='a'); model s/n = "
        "x|f@2 / dist=binomial offset=l; random int x / subject=g(h) type=un; run;",
    ),
    ("nlme", "lme(y ~ x, data = d, random = list(a = pdDiag(~ x), b = ~ 1), method = 'ML', weights = varFixed(~ v))"),
    ("lme4", "m <- glmer(cbind(s, n - s) ~ x + (x || g), data = d, family = binomial(link = 'probit'), nAGQ = 7)"),
    (
        "julia",
        "f = @formula(y ~ 1 + x & z + zerocorr(1 + x | g))\nd.p = d.s ./ d.n\nfit(MixedModel, f, d, Binomial(), "
        "ProbitLink(); wts=d.n, nAGQ=3, contrasts=Dict(:f => DummyCoding()))",
    ),
]


@pytest.mark.parametrize(("source", "text"), SNIPPETS)
def test_snippets_are_understood(source, text):
    assert ranef.translate(text, source).formula


@given(st.sampled_from(SNIPPETS), st.data())
def test_damaged_text_ends_in_a_call_or_in_an_error_of_the_package(snippet, data):
    source, text = snippet
    pieces = re.findall(r"\w+|\s+|.", text)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(pieces) - 1))
        action = data.draw(st.sampled_from(["drop", "copy", "insert", "cut"]))
        other = pieces[data.draw(st.integers(0, len(pieces) - 1))]
        if action == "cut":
            pieces = pieces[: at + 1]
        elif action == "insert":
            pieces.insert(at, other)
        else:
            pieces[at] = "" if action == "drop" else other
    try:
        said = ranef.translate("".join(pieces), source).call
    except RanefError as error:
        said = f"lmer(  # {error}"
    assert said.startswith(("lmer(", "glmer(", "glmer_nb("))
    assert len(said) > 20
