"""Slips that can be predicted are answered by one sentence of ours: what, where, what to do."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ranef
from ranef import RanefError, RanefWarning, anova, glmer, glmer_nb, lmer, power, table
from ranef.status import FitStatus
from unit.refusals import INTERCEPT, SLOPE, sleep

N = 180


def frame(**columns: Any) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    made = sleep(f=list("abc") * 60, count=rng.poisson(3, N), binary=rng.integers(0, 2, N))
    # pandas 2 would look for dates among objects
    objects = {
        k: pd.Series(v, dtype=object) for k, v in columns.items() if isinstance(v, np.ndarray) and v.dtype.hasobject
    }
    return made.assign(**columns | objects)


def mixed(*values: Any) -> np.ndarray:
    out = np.empty(N, object)
    out[:] = (list(values) * N)[:N]
    return out


@pytest.fixture(scope="module")
def fitted() -> SimpleNamespace:
    d = frame()
    return SimpleNamespace(
        m=lmer(SLOPE, d),
        f=lmer("Reaction ~ Days + f + (1 | Subject)", d),
        g=glmer("use ~ age + (1 | district)", ranef.load_dataset("Contraception"), family="binomial"),
    )


def lm(formula: str = INTERCEPT, **columns: Any) -> Callable[[Any], object]:
    return lambda s: lmer(formula, frame(**columns))


def gl(formula: str, family: Any, **columns: Any) -> Callable[[Any], object]:
    return lambda s: glmer(formula, frame(**columns), family=family)


COUNT = "count ~ Days + (1 | Subject)"

FORMULAS = [
    ("empty", lm(""), "is empty"),
    ("blank", lm("  "), "is empty"),
    ("bytes", lambda s: lmer(INTERCEPT.encode(), frame()), "not bytes"),
    ("list", lambda s: lmer(["Reaction", "Days"], frame()), "not list"),
    ("swapped", lambda s: lmer(frame(), INTERCEPT), "not DataFrame"),
    ("no response", lm("~ Days + (1 | Subject)"), "response is missing"),
    ("no tilde", lm("Reaction"), "there is no '~'"),
    ("two tildes", lm("Reaction ~ Days ~ (1 | Subject)"), "three parts"),
    ("equals", lm("Reaction = Days + (1 | Subject)"), "write '~'"),
    ("open bracket", lm("Reaction ~ Days + (1 | Subject"), "never closed"),
    ("no brackets", lm("Reaction ~ Days + 1 | Subject"), "needs parentheses"),
    ("trailing plus", lm("Reaction ~ Days + (1 | Subject) +"), "missing after"),
    ("call as text", lm("lmer(Reaction ~ Days + (1 | Subject), data = d)"), "formula alone"),
    ("typing error", lm("Reacton ~ Days + (1 | Subject)"), "Did you mean 'Reaction'"),
    ("case", lm("Reaction ~ days + (1 | Subject)"), "Did you mean 'Days'"),
    ("reversed bar", lm("Reaction ~ Days + (Subject | 1)"), "grouping factor is missing"),
    ("no group", lm("Reaction ~ Days + (1 | )"), "missing after the bar"),
    ("no effect", lm("Reaction ~ Days + ( | Subject)"), "missing before the bar"),
    ("dollar", lm("d$Reaction ~ Days + (1 | Subject)"), "column's name alone"),
    ("index", lm("d['Reaction'] ~ Days + (1 | Subject)"), "no indexing"),
    ("unknown function", lm("Reaction ~ sqr(Days) + (1 | Subject)"), "Did you mean sqrt"),
    ("smooth", lm("Reaction ~ s(Days) + (1 | Subject)"), r"ns\(x, df = 3\)"),
    ("tensor", lm("Reaction ~ ti(Days, count) + (1 | Subject)"), "Tensor"),
    ("logarithm of zero", lm("Reaction ~ log(Days) + (1 | Subject)"), "infinite in row 0"),
    ("name with a space", lm("Reaction ~ my days + (1 | Subject)"), "back-quotes"),
    ("curly quotes", lm("Reaction ~ Days + (1 | “Subject”)"), "not a grouping factor"),
    ("wide bar", lm("Reaction ~ Days + (1 \uff5c Subject)"), "no meaning"),
    ("no random term", lm("Reaction ~ Days"), "statsmodels"),
    ("two responses", lm("cbind(Reaction, Days) ~ 1 + (1 | Subject)"), "2 columns"),
    ("accents of their own", lm("größe ~ Days + (1 | Subject)", **{"gro\u0308ße": 1.0}), "looks the same"),
    ("numbers for names", lm("0 ~ Days + (1 | Subject)"), "response is a column"),
    ("high polynomial", lm("Reaction ~ poly(Days, 30) + (1 | Subject)"), "degree 30"),
]

CALLS = [
    ("nothing", lambda s: lmer(), "needs formula"),
    ("no data", lambda s: lmer(INTERCEPT), "needs data, a data frame"),
    ("data twice", lambda s: lmer(INTERCEPT, frame(), data=frame()), "data twice"),
    ("third argument", lambda s: lmer(INTERCEPT, frame(), "x"), "formula and data by position"),
    ("REML by position", lambda s: lmer(INTERCEPT, frame(), False), "REML=False"),
    ("no family", lambda s: glmer(COUNT, frame()), r"family='poisson'.*lmer\(formula, data\)"),
    ("family by position", lambda s: glmer(COUNT, frame(), "poisson"), "such as family='poisson'"),
    ("link by position", lambda s: glmer_nb(COUNT, frame(), "log"), "link='log'"),
    ("family of lmer", lambda s: lmer(INTERCEPT, frame(), family="poisson"), r"use glmer\("),
    ("family misspelt", gl(COUNT, "poison"), "Did you mean 'poisson'"),
    ("family logistic", gl(COUNT, "logistic"), "is family='binomial'"),
    ("family is a link", gl(COUNT, "probit"), r"binomial\(probit\)"),
    ("family quasi", gl(COUNT, "quasipoisson"), "no likelihood"),
    ("family several categories", gl(COUNT, "multinomial"), "several binary ones"),
    ("family None", gl(COUNT, None), "not None"),
    ("family function", gl(COUNT, np.log), "object of numpy"),
    ("link misspelt", gl(COUNT, "poisson(lg)"), "'sqrt'"),
    ("identity link", gl(INTERCEPT, "gaussian"), r"use lmer\("),
    ("REML as text", lambda s: lmer(INTERCEPT, frame(), REML="False"), "True or False"),
    ("weights absent", lambda s: lmer(INTERCEPT, frame(), weights="w"), "no column 'w'"),
    ("weights negative", lambda s: lmer(INTERCEPT, frame(), weights=-np.ones(N)), "negative in row 0"),
    ("weights too few", lambda s: lmer(INTERCEPT, frame(), weights=np.ones(5)), "180 rows"),
    ("subset with and", lambda s: lmer(INTERCEPT, frame(), subset="Days > 1 and f == 'a'"), "written &"),
    ("subset empty", lambda s: lmer(INTERCEPT, frame(), subset="Days > 99"), "has no rows"),
    ("subset number", lambda s: lmer(INTERCEPT, frame(), subset="Days"), "condition"),
    ("contrasts of a number", lambda s: lmer(INTERCEPT, frame(), contrasts={"Days": "sum"}), "is numeric"),
    ("control of lme4", lambda s: lmer(INTERCEPT, frame(), control={"optimizer": "bobyqa"}), "max_evaluations"),
    ("quadrature of crossed groups", lambda s: glmer("count ~ 1 + (1 | Subject) + (1 | f)", frame(), family="poisson",
                                                     n_quad=5), "crossed"),
]  # fmt: skip

DATA = [
    ("None", lambda s: lmer(INTERCEPT, None), "data must be given"),
    ("name of a data set", lambda s: lmer(INTERCEPT, "sleepstudy"), r"load_dataset\('sleepstudy'\)"),
    ("absent file", lambda s: lmer(INTERCEPT, "nowhere.csv"), "no file 'nowhere.csv'"),
    ("folder", lambda s: lmer(INTERCEPT, str(Path(__file__).parent)), "is a folder without Parquet, Arrow"),
    ("address", lambda s: lmer(INTERCEPT, "s3://bucket/x.parquet"), "'s3://bucket/x.parquet' is an address"),
    ("pattern of text", lambda s: lmer(INTERCEPT, "part-*.csv"), "no file has a name like"),
    ("pattern", lambda s: lmer(INTERCEPT, "part-*.parquet"), "no file has a name like"),
    ("matrix", lambda s: lmer(INTERCEPT, np.ones((4, 2))), "Name its columns"),
    ("Series", lambda s: lmer(INTERCEPT, frame()["Days"]), "to_frame"),
    ("class", lambda s: lmer(INTERCEPT, pd.DataFrame), "the class DataFrame itself"),
    ("rows as dicts", lambda s: lmer(INTERCEPT, frame().to_dict("records")), "frame of rows"),
    ("no rows", lambda s: lmer(INTERCEPT, frame().iloc[:0]), "no rows"),
    ("no columns", lambda s: lmer(INTERCEPT, pd.DataFrame()), "It has no columns"),
    ("one row", lambda s: lmer(INTERCEPT, frame().iloc[:1]), "one level only"),
    ("one group", lm(Subject="a"), "one level only"),
    ("a group for each row", lm(Subject=range(N)), "one observation in each level"),
    ("one level of a factor", lm("Reaction ~ f + (1 | Subject)", f="a"), "one level only"),
    ("constant response", lm(Reaction=1.0), "constant"),
    ("constant counts", gl(COUNT, "poisson", count=0), "constant"),
    ("text response", lm("f ~ Days + (1 | Subject)"), "needs numbers"),
    ("numbers with commas", lm(Reaction=mixed("1,5", "1.002,5")), "decimal commas"),
    ("numbers as text", lm(Reaction=mixed("1.5", "2.5")), r"to_numeric\(data\['Reaction'\]\)"),
    ("numbers and a sign", lm(Reaction=mixed("1.5", "2.5", "3", ".")), "but for '.'"),
    ("dates as response", lm(Reaction=pd.date_range("2020", periods=N)), "dates or times"),
    ("durations", lm("Reaction ~ t + (1 | Subject)", t=pd.to_timedelta(range(N), unit="h")), "dates or times"),
    ("periods", lm("Reaction ~ t + (1 | Subject)", t=pd.period_range("2020", periods=N, freq="D")), "to_timestamp"),
    ("complex", lm(Reaction=np.arange(N) + 1j), "complex"),
    ("missing throughout", lm(Reaction=np.nan), "missing in every row"),
    ("infinite", lm(Reaction=np.r_[np.inf, np.ones(N - 1)]), "infinite in row 0"),
    ("numbers and text", lm("Reaction ~ t + (1 | Subject)", t=mixed(1, "a")), "mixes numbers"),
    ("lists", lm(Reaction=[[1, 2]] * N), "objects of type list"),
    ("bytes", lm("Reaction ~ t + (1 | Subject)", t=mixed(b"a", b"b")), "holds bytes"),
    ("huge whole numbers", lm(Reaction=mixed(10**400, 1)), "too large"),
    ("huge response", lm(Reaction=np.arange(N) * 1e300), "the response 'Reaction' has values up to"),
    ("huge predictor", lm("Reaction ~ t + (1 | Subject)", t=np.arange(N) * 1e300), "the fixed effect 't' has values"),
    ("identifiers as effects", lm("Reaction ~ t + (1 | Subject)", t=[f"id{i}" for i in range(N)]), r"\(1 \| t\)"),
    ("name twice", lambda s: lmer(INTERCEPT, pd.concat([frame(), frame()[["Days"]]], axis=1)), "2 columns called"),
    ("two header rows", lambda s: lmer(INTERCEPT, pd.concat({"a": frame()}, axis=1)), "2 levels"),
    ("group in the index", lambda s: lmer(INTERCEPT, frame().set_index("Subject")), "reset_index"),
    ("dict of numbers", lambda s: lmer("y ~ 1 + (1 | g)", {"y": 1, "g": "a"}), "single int"),
    ("dict of two lengths", lambda s: lmer("y ~ 1 + (1 | g)", {"y": [1, 2], "g": ["a"]}), "differ in length"),
    ("response as predictor", lm("y ~ Days + (1 | Subject)", y=2.0 * sleep().Days + 1), "reproduce the response"),
    ("negative counts", gl(COUNT, "poisson", count=-1), "negative in row 0|constant"),
    ("fractional counts", gl(COUNT, "poisson", count=np.arange(N) + 0.5), "offset"),
    ("three levels for two", gl("f ~ Days + (1 | Subject)", "binomial"), r'I\(f == "a"\)'),
    ("text for counts", gl("f ~ Days + (1 | Subject)", "poisson"), "must be numbers"),
    ("codes 1 and 2", gl("b ~ Days + (1 | Subject)", "binomial", b=mixed(1, 2)), "not between 0 and 1"),
    ("proportions without trials", gl("b ~ 1 + (1 | Subject)", "binomial", b=np.arange(N) / N), "trials"),
    ("zeros for Gamma", gl(COUNT, "Gamma"), "not positive"),
    ("ends for beta", gl("binary ~ 1 + (1 | Subject)", "beta"), "neither 0 nor 1"),
    ("text as offset", lambda s: lmer(INTERCEPT, frame(), offset="f"), "an offset is a number"),
]

METHODS = [
    ("predict: newdata", lambda s: s.m.predict(new_data=sleep()), "did you mean newdata"),
    ("predict: re.form", lambda s: s.m.predict(**{"re.form": None}), "called re here"),
    ("predict: by position", lambda s: s.m.predict(sleep(), "population"), "re='population'"),
    ("predict: re None", lambda s: s.m.predict(sleep(), re=None), "re.form=NULL is 'conditional'"),
    ("predict: re none", lambda s: s.m.predict(sleep(), re="none"), "re.form=NA is 'population'"),
    ("predict: column absent", lambda s: s.m.predict(sleep()[["Days"]]), "no column 'Subject'"),
    ("predict: new level", lambda s: s.m.predict({"Days": [1], "Subject": ["x"]}), "new_levels='population'"),
    ("predict: numbers", lambda s: s.m.predict({"Days": 1, "Subject": "308"}), "single int"),
    ("predict: list", lambda s: s.m.predict([1, 2]), "this is a list"),
    ("predict: type", lambda s: s.g.predict(type="prob"), "'response' or 'link'"),
    ("predict: interval", lambda s: s.m.predict(interval=True), "'confidence' or 'prediction'"),
    ("predict: level", lambda s: s.m.predict(interval="confidence", level=95), "between 0 and 1"),
    ("predict: alpha", lambda s: s.m.predict(interval="confidence", alpha=0.05), "level=0.95"),
    ("simulate: nsim", lambda s: s.m.simulate(nsim=3), "called n here"),
    ("simulate: seed", lambda s: s.m.simulate(2, seed=3), "called rng here"),
    ("simulate: negative", lambda s: s.m.simulate(-1), "at least 1"),
    ("simulate: rng", lambda s: s.m.simulate(2, rng="a"), "rng must be"),
    ("simulate: new data", lambda s: s.m.simulate(2, newdata={"Days": [1]}), "no column 'Subject'"),
    ("anova: nothing", lambda s: anova(), "at least two models"),
    ("anova: list", lambda s: anova([s.m, s.f]), r"anova\(\*models\)"),
    ("anova: text", lambda s: anova(s.m, "m2"), "not str"),
    ("anova: other rows", lambda s: anova(s.m, lmer(INTERCEPT, sleep().iloc[:100])), "180 and 100"),
    ("anova: other response", lambda s: anova(s.m, lmer("log(Reaction) ~ Days + (1 | Subject)", sleep())), "responses"),
    ("anova: both kinds", lambda s: anova(s.m, s.g), "lmer and of glmer"),
    ("anova: test", lambda s: anova(s.m, s.f, test="LRT"), "'chisq'"),
    ("anova of one: type", lambda s: s.m.anova(type="IV"), "1, 2 or 3"),
    ("anova of one: model", lambda s: s.m.anova(s.f), r"ranef\.anova\(m1, m2\)"),
    ("anova of one: ddf", lambda s: s.m.anova(ddf="KR1"), "'kenward-roger'"),
    ("anova of one: test", lambda s: s.g.anova(test="F"), "it takes type"),
    ("emmeans: nothing", lambda s: s.f.emmeans(), "needs specs"),
    ("emmeans: typing error", lambda s: s.f.emmeans("ff"), "Did you mean 'f'"),
    ("emmeans: group", lambda s: s.f.emmeans("Subject"), "grouping factor"),
    ("emmeans: at", lambda s: s.f.emmeans("f", at={"f": ["z"]}), "Its levels are"),
    ("emmeans: at, name", lambda s: s.f.emmeans("f", at={"day": 1}), "no column 'day'"),
    ("emmeans: contrast", lambda s: s.f.emmeans("f").contrast("pairwize"), "'pairwise'"),
    ("emmeans: adjust", lambda s: s.f.emmeans("f").pairs(adjust="bonf"), "'bonferroni'"),
    ("emmeans: coefficients", lambda s: s.f.emmeans("f").contrast({"a - b": [1, -1]}), "3 means"),
    ("emtrends: one argument", lambda s: s.f.emtrends("f"), "needs var"),
    ("emtrends: factor", lambda s: s.f.emtrends("f", "f"), "numeric variable"),
    ("conf_int: alpha", lambda s: s.m.conf_int(alpha=0.05), "alpha=0.05 is level=0.95 here"),
    ("conf_int: alpha 0.1", lambda s: s.m.conf_int(alpha=0.1), "level=0.9 here"),
    ("conf_int: level", lambda s: s.m.conf_int(level=95), "between 0 and 1"),
    ("conf_int: method", lambda s: s.m.conf_int("Wald"), "'wald'"),
    ("conf_int: by position", lambda s: s.m.conf_int(0.05), "'profile'"),
    ("conf_int: parm", lambda s: s.m.conf_int(parm="days"), "They are"),
    ("bootstrap: n", lambda s: s.m.bootstrap(0), "at least 1"),
    ("bootstrap: text", lambda s: s.m.bootstrap("100"), "whole number"),
    ("bootstrap: type", lambda s: s.m.bootstrap(5, type="npar"), "'parametric'"),
    ("bootstrap: name", lambda s: s.m.bootstrap(5, statistic="fixef"), "function of a fitted model"),
    ("bootstrap: no return", lambda s: s.m.bootstrap(5, statistic=lambda m: None), "returned None"),
    ("bootstrap: text result", lambda s: s.m.bootstrap(5, statistic=lambda m: "a"), "must return a number"),
    ("bootstrap: failure", lambda s: s.m.bootstrap(5, statistic=lambda m: 1 / 0), "ZeroDivisionError"),
    ("profile: parm", lambda s: s.m.profile(parm="sigmaa"), "They are"),
    ("profile: level", lambda s: s.m.profile(level=99), "between 0 and 1"),
    ("table: nothing", lambda s: table(), "at least one"),
    ("table: list", lambda s: table([s.m]), r"table\(\*models\)"),
    ("table: names", lambda s: table(s.m, s.f, names=["a"]), "2 different"),
    ("table: below", lambda s: table(s.m, below="t"), "'se'"),
    ("table: statistics", lambda s: table(s.m, statistics=["AICC"]), "'aic'"),
    ("load: absent", lambda s: ranef.load("absent.ranef"), "No such file"),
    ("load: folder", lambda s: ranef.load("."), "directory"),
    ("load: nothing", lambda s: ranef.load(), "name of a file"),
    ("load: number", lambda s: ranef.load(3), "file name"),
    ("load_bootstrap: absent", lambda s: ranef.load_bootstrap("absent.parquet"), "there is no file"),
    ("save: nowhere", lambda s: s.m.save("/nowhere/at/all.ranef"), "cannot be saved"),
    ("save: nothing", lambda s: s.m.save(), "name of a file"),
    ("to_syntax: language", lambda s: s.m.to_syntax("spps"), "'spss'"),
    ("power: effect absent", lambda s: power(s.m), "needs effect"),
    ("power: effect", lambda s: power(s.m, "Day", 5), "the effects are"),
    ("power: group", lambda s: power(s.m, "Days", 5, extend={"subject": 5}), "'Subject'"),
    ("power: alpha", lambda s: power(s.m, "Days", 5, alpha=5), "between 0 and 1"),
    ("power: no model", lambda s: power(3, "Days"), "not for int"),
    ("test: name", lambda s: s.m.test("Dayz = 0"), "The fixed effects are"),
    ("test: length", lambda s: s.m.test([1, 2, 3]), "2 fixed effects"),
    ("update: column", lambda s: s.m.update(". ~ . + zz"), "no column 'zz'"),
    ("refit: length", lambda s: s.m.refit([1, 2, 3]), "180 rows"),
    ("report: ending", lambda s: s.m.report("report.pdf"), "ends with .html"),
    ("report: nothing", lambda s: s.m.report(), "name of a file"),
    ("table: file", lambda s: table(s.m).save(), "name of a file"),
    ("to_syntax: nothing", lambda s: s.m.to_syntax(), "'spss'"),
    ("test: nothing", lambda s: s.m.test(), "Days = 0"),
    ("plot: which", lambda s: s.m.plot(), r"m\.plot\.caterpillar\(\)"),
    ("plot: argument", lambda s: s.m.plot.residuals(colour="red"), "it takes type"),
    ("plot: variable", lambda s: s.m.plot.predictions(), "needs x"),
    ("means: side", lambda s: s.f.emmeans("f").test(side=">"), "called alternative here"),
    ("r2: argument", lambda s: s.m.r2("marginal"), "takes no arguments"),
    ("influence: group", lambda s: s.m.influence(by="school"), "'Subject'"),
    ("varcorr: key", lambda s: s.m.varcorr["subject"], "its terms are 'Subject'"),
    ("options: name", lambda s: ranef.options(keep="x"), "keep_data"),
    ("data set: name", lambda s: ranef.load_dataset("slepstudy"), "Did you mean 'sleepstudy'"),
    ("data set: nothing", lambda s: ranef.load_dataset(), "'sleepstudy'"),
]

NAMES = [
    ("AIC", lambda s: s.m.AIC, "it is aic here"),
    ("logLik", lambda s: s.m.logLik, "llf"),
    ("VarCorr", lambda s: s.m.VarCorr, "varcorr"),
    ("confint", lambda s: s.m.confint, "conf_int"),
    ("random_effects", lambda s: s.g.random_effects, r"ranef\(\)"),
    ("fit", lambda s: s.g.fit, "fitted when it is made"),
    ("predicts", lambda s: s.g.predicts, "did you mean predict"),
    ("confint of means", lambda s: s.f.emmeans("f").confint, r"it is conf_int\(\) here"),
    ("contrasts of means", lambda s: s.f.emmeans("f").contrasts, "emmeans\\('pairwise ~ f'\\)"),
    ("picture", lambda s: s.m.plot.qqq, "did you mean qq"),
    ("LMER", lambda s: ranef.LMER, "did you mean lmer"),
    ("lme", lambda s: ranef.lme, "it is lmer here"),
    ("emmeans", lambda s: ranef.emmeans, r"m\.emmeans"),
    ("isSingular", lambda s: ranef.isSingular, r"m\.is_singular"),
    ("lm", lambda s: ranef.lm, "statsmodels"),
]

SLIPS = [
    (f"{about}: {name}", call, word)
    for about, slips in (("formula", FORMULAS), ("call", CALLS), ("data", DATA), ("method", METHODS), ("name", NAMES))
    for name, call, word in slips
]


@pytest.mark.parametrize(("call", "word"), [s[1:] for s in SLIPS], ids=[s[0] for s in SLIPS])
@pytest.mark.filterwarnings("ignore:singular fit:ranef.RanefWarning")
def test_a_sentence_of_ours(fitted: SimpleNamespace, call: Callable[[Any], object], word: str) -> None:
    with pytest.raises(RanefError, match=word) as caught:
        call(fitted)
    text = str(caught.value)
    assert len(text) > 20
    assert "Traceback" not in text
    assert " object at 0x" not in text


def test_attributes_that_are_absent_can_be_asked_for(fitted: SimpleNamespace) -> None:
    assert not hasattr(fitted.m, "AIC")
    assert not hasattr(ranef, "emmeans")
    assert fitted.m.varcorr.get("subject") is None


class Poisson:
    """A family of another package."""

    link = type("Log", (), {})()


class Binomial:
    link = type("Probit", (), {})()


class Tweedie:
    pass


@pytest.mark.parametrize(
    ("family", "word"),
    [
        (Poisson(), "write family='poisson'"),
        (Poisson, "write family='poisson'"),
        (Binomial(), r"write family='binomial\(probit\)'"),
        (Tweedie(), "write family='tweedie'"),
    ],
)
def test_families_of_other_packages(family: object, word: str) -> None:
    with pytest.raises(ranef.ArgumentTypeError, match=word):
        glmer(COUNT, frame(), family=family)


def test_a_family_of_statsmodels() -> None:
    families = pytest.importorskip("statsmodels.genmod.families")
    for given, word in (
        (families.Poisson(), "family='poisson'"),
        (families.Binomial(families.links.Probit()), r"family='binomial\(probit\)'"),
        (families.Gamma(families.links.Log()), r"family='Gamma\(log\)'"),
        (families.InverseGaussian(), "family='inverse.gaussian'"),
    ):
        with pytest.raises(ranef.ArgumentTypeError, match=f"object of statsmodels; write {word}"):
            glmer(COUNT, frame(), family=given)


TOY = pd.DataFrame({"y": [1.0, 2, 3, 2, 3, 4], "x": [0.0, 1, 2] * 2, "g": list("aaabbb")})


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("formula", ["y ~ x + (1 | g)", "y ~ x + (x | g)"])
def test_toy_data_without_noise(formula: str, reml: bool) -> None:
    with pytest.warns(RanefWarning, match="nothing is left for the residual"):
        m = lmer(formula, TOY, REML=reml)
    assert m.convergence.status is FitStatus.EXACT
    assert not m.convergence.ok
    assert m.fixef.tolist() == pytest.approx([1.5, 1.0], abs=1e-6)
    assert "Toy data need some noise" in str(m.summary())


def test_a_copy_of_the_response_is_named() -> None:
    with pytest.warns(RanefWarning, match="leave out predictors from which the response was computed"):
        m = lmer("Reaction ~ y + (1 | Subject)", frame(y=sleep().Reaction))
    assert m.convergence.status is FitStatus.EXACT


def test_toy_data_without_noise_and_another_link() -> None:
    with pytest.warns(RanefWarning, match="nothing is left for the residual"):
        m = glmer("y ~ x + (1 | g)", TOY.assign(y=np.exp(TOY.y)), family="Gamma(log)")
    assert m.convergence.status is FitStatus.EXACT


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e9])
@pytest.mark.parametrize("shift", [0.0, 1e6])
@pytest.mark.parametrize("noise", [1e-5, 1e-2])
def test_little_noise_is_noise(noise: float, shift: float, scale: float) -> None:
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(12), 10)
    x = np.tile(np.arange(10.0), 12)
    y = (rng.normal(size=12)[g] + x + noise * rng.normal(size=120) + shift) * scale
    m = lmer("y ~ x + (1 | g)", {"y": y, "x": x, "g": g})
    assert m.convergence.ok
    assert m.sigma == pytest.approx(noise * scale, rel=0.2)


@pytest.mark.parametrize(
    ("levels", "named"),
    [
        (["ann", "ann ", "bob", "carl", "dora"], "'ann' and 'ann '"),
        (["a", "A", "b", "c", "d", "e"], "'A' and 'a'"),
        (["a", "A", "b", "B", "c", "C", "d", "D", "e"], "and 1 more"),
    ],
)
@pytest.mark.parametrize("formula", ["Reaction ~ Days + (1 | t)", "Reaction ~ t + (1 | Subject)"])
def test_levels_typed_in_two_ways(levels: list[str], named: str, formula: str) -> None:
    with pytest.warns(RanefWarning) as caught:
        m = lmer(formula, frame(t=mixed(*levels)))
    assert len(caught) == 1
    text = str(caught[0].message)
    assert text.count("differ by case or surrounding blanks only") == 1
    assert named in text
    if "| t" in formula:
        assert m.ngroups["t"] == len(levels)


def test_levels_that_are_not_alike_have_no_note() -> None:
    m = lmer("Reaction ~ Days + (1 | Subject)", frame(Subject=sleep().Subject.astype(str) + "x"))
    assert not m._fit.messages


def test_a_slope_over_a_constant_is_named() -> None:
    with pytest.warns(RanefWarning, match=r"k does not vary .* in \(k \| Subject\)"):
        lmer("Reaction ~ Days + (k | Subject)", frame(k=2.0))


@pytest.mark.parametrize(
    "values",
    [
        pd.array([1, 2, None] * 60, "Int64"),
        pd.array([True, False, None] * 60, "boolean"),
        pd.array(["x", "y", None] * 60, "string"),
    ],
    ids=["Int64", "boolean", "string"],
)
def test_missing_values_of_pandas(values: Any) -> None:
    assert lmer("Reaction ~ t + (1 | Subject)", frame(t=values)).nobs == 120


def test_columns_that_can_be_used() -> None:
    d = frame()
    unused = pd.Categorical(d.f, categories=list("abcd"))
    assert len(lmer("Reaction ~ t + (1 | Subject)", frame(t=unused)).fixef) == 3
    sparse = pd.arrays.SparseArray(d.binary)
    plain = lmer("Reaction ~ binary + (1 | Subject)", d)
    assert lmer("Reaction ~ t + (1 | Subject)", frame(t=sparse)).objective == pytest.approx(plain.objective, rel=1e-12)
    assert lmer(INTERCEPT, pd.concat([d, d[["f"]]], axis=1)).nobs == N
    pl = pytest.importorskip("polars")
    lazy = pl.DataFrame({"y": d.Reaction.to_list(), "x": d.Days.to_list(), "g": d.Subject.astype(str).to_list()}).lazy()
    assert lmer("y ~ x + (1 | g)", lazy).objective == pytest.approx(lmer(INTERCEPT, d).objective, rel=1e-12)
