"""Syntax as people write it in other programs, to a call."""

import pytest

import ranef
from ranef.errors import TranslationError

READ = [
    # ---- SPSS
    (
        "spss",
        """* Slopes as outcomes.
        mixed mathach with ses meanses
          /print = solution testcov
          /method = ml
          /fixed = ses meanses ses*meanses | sstype(3)
          /random = intercept ses | subject(school) covtype(un).""",
        'lmer("mathach ~ ses + meanses + ses:meanses + (ses | school)", data, REML=False)',
    ),
    (
        "spss",
        """MIXED score BY arm visit WITH age
          /CRITERIA=CIN(95) MXITER(100) SCORING(1) HCONVERGE(0, ABSOLUTE) PCONVERGE(0.000001, ABSOLUTE)
          /FIXED=arm visit arm*visit age | NOINT SSTYPE(3)
          /PRINT=G SOLUTION
          /RANDOM=INTERCEPT | SUBJECT(id) COVTYPE(VC)
          /EMMEANS=TABLES(arm*visit) COMPARE(arm) ADJ(BONFERRONI).
        EXECUTE.""",
        'lmer("score ~ 0 + factor(arm) + factor(visit) + factor(arm):factor(visit) + age + (1 | id)", data)',
    ),
    (
        "spss",
        "MIXED y WITH x\n /FIX=x\n /RAN=INTERCEPT x | SUBJECT(g) COVTYPE(DIAG).",
        'lmer("y ~ x + (x || g)", data)',
    ),
    ("spss", "mixed y with X /fixed=x /random=intercept X | subject(G).", 'lmer("y ~ X + (X || G)", data)'),
    ("spss", "mixed y by subj item /fixed= /random=subj item.", 'lmer("y ~ 1 + (1 | subj) + (1 | item)", data)'),
    (
        "spss",
        "mixed y by plot with x /random=plot plot*x | subject(block).",
        'lmer("y ~ 1 + (1 | block:plot) + (0 + x | block:plot)", data)',
    ),
    (
        "spss",
        "SELECT IF (year GE 1990).\nCOMPUTE lx = LN(x).\nMIXED y WITH lx /FIXED=lx lx*lx /RANDOM=INTERCEPT | "
        "SUBJECT(school*class)\n /REGWGT=w.",
        'lmer("y ~ log(x) + I(log(x)^2) + (1 | school:class)", data, weights="w", subset="year >= 1990")',
    ),
    (
        "spss",
        """GENLINMIXED
          /DATA_STRUCTURE SUBJECTS=doctor
          /FIELDS TARGET=relapse TRIALS=NONE OFFSET=NONE
          /TARGET_OPTIONS DISTRIBUTION=BINOMIAL LINK=PROBIT
          /FIXED EFFECTS=age stage age*stage USE_INTERCEPT=TRUE
          /RANDOM USE_INTERCEPT=TRUE COVARIANCE_TYPE=VARIANCE_COMPONENTS
          /BUILD_OPTIONS TARGET_CATEGORY_ORDER=DESCENDING MAX_ITERATIONS=100 DF_METHOD=RESIDUAL COVB=MODEL.""",
        'glmer("relapse ~ age + stage + age:stage + (1 | doctor)", data, family="binomial(probit)")',
    ),
    # ---- Stata
    (
        "stata",
        """use "pigs.dta", clear
        * growth curves
        mixed weight c.week##i.sex /// the fixed part
              || id: week, ///
              covariance(unstruct) reml dfmethod(kroger)""",
        'lmer("weight ~ week + factor(sex) + week:factor(sex) + (week | id)", pigs, ddf="kenward-roger")',
    ),
    (
        "stata",
        ". mixed math hw || schid: hw, cov(un) variance mle",
        'lmer("math ~ hw + (hw | schid)", data, REML=False)',
    ),
    ("stata", "mixed y x || g: x", 'lmer("y ~ x + (x || g)", data, REML=False)'),
    (
        "stata",
        "mixed y x || region: || district: x, nocons || clinic:, reml",
        'lmer("y ~ x + (1 | region) + (0 + x | region:district) + (1 | region:district:clinic)", data)',
    ),
    (
        "stata",
        "mixed y || _all: R.rater || subject:, reml // crossed",
        'lmer("y ~ 1 + (1 | rater) + (1 | subject)", data)',
    ),
    (
        "stata",
        "mixed y i.(a b) ib2.f a#c.x, nocons || g:",
        "lmer('y ~ 0 + factor(a) + factor(b) + relevel(factor(f), ref = \"2\") + factor(a):x + (1 | g)', data, "
        "REML=False)",
    ),
    (
        "stata",
        "melogit thk prethk cc##tv || school:, or binomial(10) intp(5)",
        'glmer("cbind(thk, 10 - thk) ~ prethk + factor(cc) + factor(tv) + factor(cc):factor(tv) + (1 | school)", '
        'data, family="binomial", n_quad=5)',
    ),
    (
        "stata",
        "mepoisson d uv c.uv#c.uv, exposure(e) || nation: || region: uv, cov(un) intmethod(laplace) irr",
        'glmer("d ~ uv + I(uv^2) + offset(log(e)) + (1 | nation) + (uv | nation:region)", data, family="poisson")',
    ),
    (
        "stata",
        "gen lx = ln(x + 1)\nmenbreg y lx if z>3 & !missing(w) || g:, intm(lap)",
        'glmer_nb("y ~ log(x + 1) + (1 | g)", data, subset="z > 3 & !is.na(w)")',
    ),
    (
        "stata",
        "meglm y x || g:, family(bin n) link(cloglog) intpoints(9)",
        'glmer("cbind(y, n - y) ~ x + (1 | g)", data, family="binomial(cloglog)", n_quad=9)',
    ),
    ("stata", "xtmixed y x || g: /* old */ , reml", 'lmer("y ~ x + (1 | g)", data)'),
    ("stata", "xtset id\nxtreg y x1 x2, re mle", 'lmer("y ~ x1 + x2 + (1 | id)", data, REML=False)'),
    ("stata", "xtreg y x1 x2, mle i(id)", 'lmer("y ~ x1 + x2 + (1 | id)", data, REML=False)'),
    ("stata", "xtlogit y x, re i(id)", 'glmer("y ~ x + (1 | id)", data, family="binomial", n_quad=12)'),
    ("stata", "xtset id t\nxtpoisson y x, re normal", 'glmer("y ~ x + (1 | id)", data, family="poisson", n_quad=12)'),
    (
        "stata",
        "gllamm y x, i(school) family(binom) link(logit) nip(9) adapt",
        'glmer("y ~ x + (1 | school)", data, family="binomial", n_quad=9)',
    ),
    ("stata", "gllamm y x, i(class school)", 'lmer("y ~ x + (1 | school/class)", data, REML=False)'),
    (
        "stata",
        "xi: mixed y i.a*i.b || id:",
        'lmer("y ~ factor(a) + factor(b) + factor(a):factor(b) + (1 | id)", data, REML=False)',
    ),
    # From the manual: slopes over x that differ from one intercept.
    ("stata", "xi: mixed y i.a|x || id:", 'lmer("y ~ x + factor(a):x + (1 | id)", data, REML=False)'),
    ("stata", "xi i.a\nmixed y x _Ia_* || id:", 'lmer("y ~ x + factor(a) + (1 | id)", data, REML=False)'),
    ("stata", "mixed y x ||id:x,cov( un )", 'lmer("y ~ x + (x | id)", data, REML=False)'),
    ("stata", "mixed y x || id: , cov(un)", 'lmer("y ~ x + (1 | id)", data, REML=False)'),
    (
        "stata",
        "xi: mixed y i.a*x || id:",
        'lmer("y ~ factor(a) + x + factor(a):x + (1 | id)", data, REML=False)',
    ),
    # ---- SAS
    (
        "sas",
        """proc mixed data=hsb covtest noclprint method = ml;
          class school;  * the grouping ;
          model mathach = meanses|cses sector / s ddfm=kr notest; /* fixed */
          random int cses / sub=school type=un gcorr;
        run;""",
        'lmer("mathach ~ meanses + cses + meanses:cses + sector + (cses | school)", hsb, REML=False, '
        'ddf="kenward-roger")',
    ),
    (
        "sas",
        "PROC MIXED; CLASS a b block; MODEL y = a b a*b; RANDOM block block*a; RUN;",
        'lmer("y ~ factor(a) + factor(b) + factor(a):factor(b) + (1 | block/a)", data)',
    ),
    (
        "sas",
        "proc mixed data=x; class f(ref='b') s k; model y=f/ s; random intercept / subject=k(s); random "
        "intercept/subject=s; weight w; run;",
        'lmer(\'y ~ relevel(factor(f), ref = "b") + (1 | s/k)\', x, weights="w")',
    ),
    (
        "sas",
        "proc mixed; class g; model y=x|z|w@2 / noint; random int x / subject=g; run;",
        'lmer("y ~ 0 + x + z + x:z + w + x:w + z:w + (x || g)", data)',
    ),
    (
        "sas",
        "proc mixed; class g; model y=x; random int x / subject=g type=un(1); run;",
        'lmer("y ~ x + (x || g)", data)',
    ),
    (
        "sas",
        "proc glimmix data=lib.trial method=laplace; class clinic trt; model fav/n = trt / dist=binomial link=logit "
        "s; random intercept / subject=clinic; run;",
        'glmer("cbind(fav, n - fav) ~ factor(trt) + (1 | clinic)", trial, family="binomial")',
    ),
    (
        "sas",
        "data b; set a; logn=log(n); run; proc glimmix data=b method=quad(qpoints=11); class g; where year>=1990; "
        "model y = x x*x / dist=poisson offset=logn s; random int/subject=g; run;",
        'glmer("y ~ x + I(x^2) + offset(log(n)) + (1 | g)", b, family="poisson", n_quad=11, subset="year >= 1990")',
    ),
    # ---- R
    (
        "nlme",
        "library(nlme)\nfm <- lme(distance ~ age*Sex, data = Orthodont, random = ~ age | Subject, # growth\n "
        "method='ML')\nsummary(fm)",
        'lmer("distance ~ age * Sex + (age | Subject)", Orthodont, REML=False)',
    ),
    (
        "nlme",
        "lme(y ~ x, d, random = list(school = pdDiag(~ x), class = ~ 1))",
        'lmer("y ~ x + diag(x | school) + (1 | school:class)", d)',
    ),
    ("nlme", "lme(y ~ 1, d, ~ 1 | a/b, weights = varFixed(~ v))", 'lmer("y ~ 1 + (1 | a/b)", d, weights="1/v")'),
    (
        "lme4",
        "lmer(normexam ~ standLRT + (standLRT | school), data=Exam, method=”ML”)",
        'lmer("normexam ~ standLRT + (standLRT | school)", Exam, REML=False)',
    ),
    (
        "lme4",
        'm <- lme4::glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, binomial("probit"), nAGQ = '
        "9L)",
        'glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", cbpp, family="binomial(probit)", n_quad=9)',
    ),
    (
        "lme4",
        'lmer(y ~ f + (1 | g), d, contrasts = list(f = "contr.sum"), weights = w, subset = x > 2)',
        'lmer("y ~ f + (1 | g)", d, weights="w", subset="x > 2", contrasts={\'f\': \'sum\'})',
    ),
    # ---- Julia
    (
        "julia",
        "using MixedModels\nf = @formula(rt ~ 1 + days + zerocorr(1 + days | subj)) # a formula\nm = fit(MixedModel, "
        "f, DataFrame(d); REML = true)",
        'lmer("rt ~ days + diag(1 + days | subj)", d)',
    ),
    (
        "julia",
        "fm = fit!(LinearMixedModel(@formula(y ~ x * w & z + (x|g) + (1|a/b)), df), REML=true)",
        'lmer("y ~ (x * w):z + (x | g) + (1 | a/b)", df)',
    ),
    (
        "julia",
        "glmm(@formula(r2 ~ 0 + anger + (1 | subj) + (1 | item)), verbagg, Bernoulli(), ProbitLink(); fast=true)",
        'glmer("r2 ~ 0 + anger + (1 | subj) + (1 | item)", verbagg, family="binomial(probit)", n_quad=0)',
    ),
    (
        "julia",
        "df.p = df.s ./ df.n\nfit(MixedModel, @formula(p ~ 1 + x^2 + (1|h)), df, Binomial(); wts=float(df.n), nAGQ=9)",
        'glmer("s/n ~ I(x^2) + (1 | h)", df, family="binomial", n_quad=9, weights="n")',
    ),
]


@pytest.mark.parametrize(("source", "text", "call"), READ)
def test_calls(source, text, call):
    found = ranef.translate(text, source=source)
    assert found.call == call
    assert str(found).splitlines()[0] == found.call


NOTES = [
    ("stata", "mixed y x || g:", "Stata fits by ML unless given reml"),
    ("stata", "melogit y x || g:", "7 nodes of quadrature are Stata's default"),
    ("stata", "melogit y x || a: || b: || c:", "Laplace's approximation takes their place"),
    ("stata", "melogit y x || a: || b: x", "Laplace's approximation takes their place"),
    ("stata", "mixed y x || g:, vce(robust)", "robust standard errors"),
    ("spss", "MIXED y BY f /FIXED=f /RANDOM=INTERCEPT | SUBJECT(g).", "last level of a factor as reference"),
    ("spss", "MIXED y WITH x /FIXED=x /RANDOM=INTERCEPT | SUBJECT(g).", "only covariance parameters in AIC"),
    ("sas", "proc mixed; class f g; model y=f; random int/subject=g; run;", "last level of a CLASS variable"),
    ("sas", "proc mixed; class g; model y=x/ddfm=kr; random int/subject=g; run;", "number of subjects in BIC"),
    ("sas", "proc mixed; class g; model y=x; random int/subject=g; estimate 'a' x 1; run;", "m.test"),
    ("sas", "proc mixed; class g; model y=x/ddfm=bw; random int/subject=g; run;", "ddfm=bw is not here"),
    ("sas", "proc mixed; class g; model y=x/ddfm=kr2; random int/subject=g; run;", "second form"),
    ("sas", "proc glimmix; class g; model y=x/dist=binary; random int/subject=g; run;", "pseudo-likelihood"),
    (
        "sas",
        "proc glimmix method=quad; class g; model y=x/dist=poisson; random int/subject=g; run;",
        "7 are taken here",
    ),
    (
        "spss",
        "GENLINMIXED /FIELDS TARGET=y /TARGET_OPTIONS DISTRIBUTION=BINOMIAL LINK=LOGIT /FIXED EFFECTS=x /RANDOM "
        "USE_INTERCEPT=TRUE SUBJECTS=g.",
        "the signs of all coefficients change",
    ),
    (
        "sas",
        "proc glimmix method=laplace; class g; model y=x/dist=binary; random int/subject=g; run;",
        "first level of the response",
    ),
    ("julia", "fit(MixedModel, @formula(y ~ 1 + (1 | g)), d)", "ML unless given REML=true"),
    ("nlme", "lme(y ~ x, d, ~ 1 | g)", "degrees of freedom follow from the levels"),
]


@pytest.mark.parametrize(("source", "text", "note"), NOTES)
def test_notes(source, text, note):
    found = ranef.translate(text, source)
    assert any(note in n for n in found.notes)
    assert note in str(found)


UNSUPPORTED = [
    ("spss", "MIXED y WITH t\n /FIXED=t\n /REPEATED=t | SUBJECT(id) COVTYPE(SP_EXP).", "COVTYPE(SP_EXP)", 3),
    ("spss", "MIXED y WITH x /FIXED=x /RANDOM=INTERCEPT x | SUBJECT(g) COVTYPE(CS).", "/RANDOM", 1),
    ("spss", "MIXED y WITH x /FIXED=x /RANDOM=INTERCEPT x | SUBJECT(g) COVTYPE(ID).", "/RANDOM", 1),
    ("spss", "WEIGHT BY n.\nMIXED y WITH x /FIXED=x /RANDOM=INTERCEPT | SUBJECT(g).", "WEIGHT BY", 1),
    ("spss", "MIXED y WITH x1 TO x5 /FIXED=x1 /RANDOM=INTERCEPT | SUBJECT(g).", "TO", 1),
    ("spss", "MIXED y WITH x /FIXED=x.", "the model", None),
    ("spss", "MIXED y WITH x /FIXED=x /SPLINE=x.", "/SPLINE", 1),
    ("spss", "REGRESSION /DEPENDENT y.", "the text", None),
    ("stata", "mixed y x || id:, residuals(banded 1, t(time))", "residuals(banded)", 1),
    ("stata", "mixed y x [pw=w] || id:", "the weights", 1),
    ("stata", "\n\nmestreg y x || g:", "'mestreg'", 3),
    ("stata", "mixed y L.x || g:", "L.", 1),
    ("stata", "mixed y x* || g:", "x*", 1),
    ("stata", "xtreg y x, fe i(id)", "xtreg, fe", 1),
    ("stata", "xtreg y x, re", "xtreg", 1),
    ("stata", "xtpoisson y x, i(id)", "xtpoisson", 1),
    ("stata", "mixed y x1-x4 || g:", "x1-", 1),
    ("stata", "mixed y 2.f || g:", "'2.'", 1),
    ("stata", "mixed y x || g: x z, cov(exchangeable)", "covariance(exchangeable) of g", 1),
    ("stata", "mixed y x || g: x z, cov(identity)", "the equation of g", 1),
    ("stata", "mixed y x || g: i.f", "the equation of g", 1),
    ("stata", "mixed y x || g:, nonsense(3)", "the option nonsense", 1),
    ("stata", "mixed y x", "mixed", 1),
    ("sas", "proc mixed; class id; model y = x;\n repeated / subject=id type=ar(1); run;", "REPEATED", 2),
    ("sas", "proc mixed; class g; model y=x; random int x/subject=g type=ar(1); run;", "RANDOM", 1),
    ("sas", "proc mixed; class g; model y=x; random int/subject=g group=sex; run;", "GROUP of RANDOM", 1),
    ("sas", "proc glimmix; class g; model y=x/dist=multinomial; random int/subject=g; run;", "dist=multinomial", 1),
    ("sas", "proc glimmix; model y=x/dist=poisson; random _residual_; run;", "RANDOM _RESIDUAL_", 1),
    ("sas", "proc mixed; by site; class g; model y=x; random int/subject=g; run;", "BY", 1),
    ("sas", "proc mixed; class g; model y=x; random int/subject=g; effect s=spline(x); run;", "EFFECT", 1),
    ("sas", "proc mixed method=mivque0; class g; model y=x; random int/subject=g; run;", "method=mivque0", 1),
    ("sas", "proc mixed; model y=x; random x; run;", "RANDOM", 1),
    ("sas", "proc glimmix; class g; model y=x/dist=poisson offset=; random int/subject=g; run;", "offset=", 1),
    (
        "nlme",
        "lme(y ~ x, d, ~ 1 | g, correlation = corFoo(form = ~ t | g))",
        "correlation = corFoo(form = ~t | g)",
        None,
    ),
    (
        "nlme",
        "lme(y ~ x, d, ~ 1 | g, weights = varFoo(form = ~ 1 | sex))",
        "weights = varFoo(form = ~1 | sex)",
        None,
    ),
    ("nlme", "lme(y ~ x, d, list(g = pdTens(~ f - 1)))", "pdTens(~f - 1)", None),
    ("nlme", "lme(y ~ x, d)", "random", None),
    ("lme4", "glmer(y ~ x + (1 | g), d)", "glmer()", None),
    ("lme4", "glmer(y ~ x + (1 | g), d, quasipoisson)", "quasipoisson", None),
    ("lme4", "lmer(form, d)", "the formula", None),
    (
        "julia",
        "fit(MixedModel, @formula(y ~ 1 + f + (1 | g)), d; contrasts=Dict(:f => EffectsCoding()))",
        "contrasts of f",
        1,
    ),
    ("julia", "fit(MixedModel, @formula(y ~ 1 + (1 | g)), d, NegativeBinomial())", "'NegativeBinomial'", 1),
    ("julia", "fit(MixedModel, @formula(y ~ 1 + x), d)", "the formula", None),
]


@pytest.mark.parametrize(("source", "text", "part", "line"), UNSUPPORTED)
def test_what_has_no_translation_is_named_with_its_line(source, text, part, line):
    with pytest.raises(TranslationError) as caught:
        ranef.translate(text, source)
    error = caught.value
    assert (error.part, error.line) == (part, line)
    assert part in str(error)
    assert len(error.reason) > 15


def test_attributes():
    found = ranef.translate("melogit y x || g:, intpoints(5)", source="stata")
    assert (found.formula, found.method, found.family, found.link, found.n_quad, found.weights) == (
        "y ~ x + (1 | g)", "AGHQ", "binomial", "logit", 5, None,
    )  # fmt: skip
    assert found.source == "stata"


def test_errors_survive_pickling():
    import pickle

    with pytest.raises(TranslationError) as caught:
        ranef.translate("mixed y x", "stata")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.part, again.line) == (str(caught.value), caught.value.part, caught.value.line)


@pytest.mark.parametrize(("source", "text"), [(s, t) for s, t, _ in READ] + [(s, t) for s, t, *_ in NOTES])
def test_the_language_is_recognised(source, text):
    assert ranef.translate(text) == ranef.translate(text, source)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "it is empty"),
        ("hello, world", "it begins with 'hello, world'.*source='lme4'"),
        ("y ~ x + (1 | g)", "this is a formula"),
        ("smf.mixedlm('y ~ x', d, groups=d.g)", "this is statsmodels"),
        ("stan_glmer(y ~ x + (1 | g), d)", "as lmer and glmer take it"),
    ],
)
def test_what_is_no_known_language(text, word):
    with pytest.raises(ranef.OptionError, match=word):
        ranef.translate(text)


def test_names_of_languages():
    assert ranef.translate("mixed y x || g:", "Stata").source == "stata"
    with pytest.raises(ranef.OptionError, match="'lme4' or 'nlme'"):
        ranef.translate("lmer(y ~ (1 | g))", "R")


def means(statement):
    head = "proc mixed; class a b g; model y = a|b x; random int / subject=g; "
    found = ranef.translate(f"{head}{statement}; run;", source="sas")
    return [n.split(": ", 1)[1] for n in found.notes if n.startswith("LSMEANS")]


@pytest.mark.parametrize(
    ("statement", "calls"),
    [
        ("lsmeans a", ['m.emmeans("a")']),
        # Without adjust= SAS adjusts nothing.
        ("lsmeans a b / pdiff cl", [f'm.emmeans("{f}").contrast("pairwise", adjust="none")' for f in "ab"]),
        ("lsmeans a / diff adjust=tukey alpha=0.1", ['m.emmeans("a", level=0.9).contrast("pairwise")']),
        ("lsmeans a / diff=control adjust=bon", ['m.emmeans("a").contrast("trt.vs.ctrl", adjust="bonferroni")']),
        (
            "lsmeans a*b / diff=control('Placebo' 'Week 4') adjust=dunnett slice=b",
            [
                'm.emmeans(["a", "b"]).contrast("trt.vs.ctrl", ref="Placebo Week 4")',
                'm.joint_tests(by="b")',
            ],
        ),
        (
            "lsmeans a*b / diff=control('P' '4')",
            ['m.emmeans(["a", "b"]).contrast("trt.vs.ctrl", ref="P b4", adjust="none")'],
        ),
        ("lsmeans a / at x=-2 om", ['m.emmeans("a", at={"x": -2}, weights="proportional")']),
        ("lsmeans a / slicediff=b", ['m.emmeans("a")', "slicediff=b was not translated."]),
    ],
)
def test_means_of_sas(statement, calls):
    assert means(statement) == calls


def test_what_lsmeans_gives_is_what_the_model_answers():
    cake = ranef.load_dataset("cake")
    text = """proc mixed data=cake; class recipe replicate temperature;
      model angle = recipe temperature recipe*temperature / ddfm=kr;
      random intercept / subject=replicate(recipe);
      lsmeans recipe*temperature / diff=control('A' '175') adjust=dunnett slice=temperature; run;"""
    found = ranef.translate(text, source="sas")
    m = eval(found.call, {"lmer": ranef.lmer, "cake": cake})
    asked, sliced = (eval(n.split(": ", 1)[1], {"m": m}) for n in found.notes if n.startswith("LSMEANS"))
    # R: contrast(emmeans(m, ~ recipe * temperature, lmer.df = "kenward-roger"), "trt.vs.ctrl")
    row = asked.to_frame().iloc[0]
    assert row[["estimate", "std_error", "df"]].tolist() == pytest.approx([-2.2666667, 2.8823124, 77.44], rel=1e-4)
    assert sliced.shape[0] == 6


@pytest.mark.parametrize(
    ("ddf", "word"), [("kenward-roger", "kr"), ("residual", "residual"), ("satterthwaite", "satterthwaite")]
)
def test_degrees_of_freedom_go_to_sas_and_back(ddf, word):
    m = ranef.lmer("Reaction ~ Days + (Days | Subject)", ranef.load_dataset("sleepstudy"), ddf=ddf)
    text = m.to_syntax("sas")
    assert f"/ solution ddfm={word};" in text
    assert (f'ddf="{ddf}"' in ranef.translate(text, source="sas").call) == (ddf != "satterthwaite")


@pytest.mark.parametrize(
    ("asked", "said"), [("kroger", ', ddf="kenward-roger"'), ("residual", ', ddf="residual"'), ("satterthwaite", "")]
)
def test_degrees_of_freedom_of_stata(asked, said):
    call = ranef.translate(f"mixed y x || g:, reml dfmethod({asked})", source="stata").call
    assert call == f'lmer("y ~ x + (1 | g)", data{said})'
