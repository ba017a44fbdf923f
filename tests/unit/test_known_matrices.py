"""What known matrices and multiple membership take, keep and refuse."""

import pickle

import numpy as np
import pandas as pd
import pytest

import ranef
from ranef import glmer, lmer
from ranef.errors import (
    ArgumentTypeError,
    DataError,
    DesignError,
    FormulaError,
    NewLevelError,
    OptionError,
    RanefWarning,
    TranslationError,
)
from ranef.fit.criterion_gradient import criterion_gradient
from ranef.formula import parse_formula


def data(n: int = 240, seed: int = 1) -> pd.DataFrame:
    """Rows of 12 levels, with up to two further ones and their weights."""
    rng = np.random.default_rng(seed)
    d = pd.DataFrame({"x": rng.normal(size=n), "g": [f"g{i % 12:02d}" for i in range(n)]})
    d["h"] = [f"g{i:02d}" if i < 12 else None for i in rng.integers(0, 16, n)]
    d["w1"], d["w2"] = 0.75, 0.25
    effect = dict(zip(sorted(d["g"].unique()), rng.normal(size=12), strict=True))
    d["y"] = d["g"].map(effect) + d["h"].map(effect).fillna(0.0) + d["x"] + rng.normal(size=n)
    d["z"] = rng.integers(0, 2, n)
    return d


DATA = data()
NAMES = sorted(DATA["g"].unique())
K = pd.DataFrame(0.5 * np.eye(12) + 0.5, index=NAMES, columns=NAMES)
MEMBERS = "y ~ x + (1 | mm(g, h, weights=[w1, w2]))"


def test_formula() -> None:
    known, several = parse_formula("y ~ known(x | g, A, inverse=TRUE) + (1 | mm(a, `b c`, weights = c(w, v)))").random
    assert known.known is not None
    assert (known.known.name, known.known.inverse, known.group) == ("A", True, ("g",))
    assert several.members is not None
    assert [v.name for v in several.members.columns] == ["a", "b c"]
    assert [v.name for v in several.members.weights] == ["w", "v"]
    assert several.group_name == "mm(a, b c)"
    assert parse_formula(MEMBERS).names == ("y", "x", "g", "h", "w1", "w2")


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("y ~ known(1 | g)", "it is written known(1 | id, A)"),
        ("y ~ known(1 | g, A, hom=True)", "it is written known(1 | id, A)"),
        ("y ~ known(1 | g, 3)", "the matrix of known() is a name"),
        ("y ~ known(x || g, A)", "the bar is a single one"),
        ("y ~ known(1 | g:h, A)", "one grouping factor"),
        ("y ~ known(1 | mm(g, h), A)", "one grouping factor"),
        ("y ~ known(1 | g, A, inverse=2)", "inverse is True or False"),
        ("y ~ (1 | mm(g, h, weights=[w1]))", "2 columns and 1 weights"),
        ("y ~ (1 | mm(weights=[w1]))", "mm() takes columns of levels"),
    ],
)
def test_formulas_that_are_refused(formula: str, said: str) -> None:
    with pytest.raises(FormulaError, match="^[^^]*" + said.replace("(", r"\(").replace(")", r"\)").replace("|", r"\|")):
        parse_formula(formula)


@pytest.mark.parametrize(
    ("matrix", "error", "said"),
    [
        (K.to_numpy(), DataError, "has no names of its levels"),
        ((K.to_numpy(), NAMES[:-1]), DataError, "12 rows and 11 names"),
        ((K.to_numpy(), NAMES[:-1] + NAMES[:1]), DataError, "more than once"),
        (K.iloc[:-1, :-1], DataError, "lacks levels of 'g' that the data have: 'g11'"),
        (K.mask(np.triu(np.ones((12, 12), bool), 1), 0.0), DataError, "is not symmetric"),
        (2.0 * K - 1.5 * np.eye(12), DataError, "smallest eigenvalue"),
        (K.iloc[:, :5], DataError, "neither a square matrix"),
        (K.mask(K == 1.0), DataError, "missing or not finite"),
        (pd.DataFrame({"id": NAMES, "sire": NAMES[1:] + NAMES[:1], "dam": None}), DataError, "descends from itself"),
        (pd.DataFrame({"id": ["a", "a"], "sire": ["b", "c"], "dam": [None, None]}), DataError, "twice, with other"),
    ],
)
def test_matrices_that_are_refused(matrix: object, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        lmer("y ~ x + known(1 | g, A)", DATA, known={"A": matrix})


def test_arguments_that_are_refused() -> None:
    with pytest.raises(DesignError, match="is not given; pass it as known="):
        lmer("y ~ x + known(1 | g, A)", DATA)
    with pytest.raises(ArgumentTypeError, match="known must be a dict"):
        lmer("y ~ x + known(1 | g, A)", DATA, known=K)
    with pytest.raises(DesignError, match="which models with several linear predictors do not take"):
        glmer(MEMBERS.replace("y ~", "z ~"), DATA, family="poisson", zi_formula="~ 1")
    with pytest.raises(DesignError, match="leave out correlation="):
        lmer(MEMBERS, DATA, correlation="ar1(1 | g)")
    pedigree = pd.DataFrame({"id": NAMES, "sire": None, "dam": None})
    with pytest.raises(OptionError, match="is a pedigree"):
        lmer("y ~ x + known(1 | g, A, inverse=True)", DATA, known={"A": pedigree})


def test_directions_without_variance_are_left_out() -> None:
    twins = K.copy()
    twins.loc["g01"] = twins.loc["g00"]
    twins["g01"] = twins["g00"]
    twins.loc["g01", "g01"] = twins.loc["g00", "g01"] = twins.loc["g01", "g00"] = 1.0
    with pytest.warns(RanefWarning, match="no variance in 1 direction"):
        m = lmer("y ~ x + known(1 | g, A)", DATA, known={"A": twins})
    effects = m.ranef()["g"]["(Intercept)"]
    assert effects["g00"] == pytest.approx(effects["g01"], abs=1e-9)
    nearly = lmer("y ~ x + known(1 | g, A)", DATA, known={"A": twins + 1e-7 * np.eye(12)})
    assert m.objective == pytest.approx(nearly.objective, abs=1e-3)


def test_members_without_weights_share_one() -> None:
    n = 1.0 + DATA["h"].notna()
    equal = lmer("y ~ x + (1 | mm(g, h))", DATA)
    given = lmer("y ~ x + (1 | mm(g, h, weights=[a, b]))", DATA.assign(a=1 / n, b=1 / n))
    assert equal.objective == pytest.approx(given.objective, abs=1e-10)
    assert equal.ngroups == {"mm(g, h)": 12}


def test_members_that_are_missing_weigh_nothing_or_occur_twice() -> None:
    d = DATA.assign(w2=np.where(DATA["h"].isna(), np.nan, 0.25))
    m = lmer(MEMBERS, DATA)
    assert lmer(MEMBERS, d).objective == pytest.approx(m.objective, abs=1e-10)
    # a column of members without weight changes nothing, not even the levels
    more = "y ~ x + (1 | mm(g, h, k, weights=[w1, w2, w3]))"
    assert lmer(more, DATA.assign(k="other", w3=0.0)).objective == pytest.approx(m.objective, abs=1e-10)
    # a weight in two parts
    halves = "y ~ x + (1 | mm(g, g2, h, weights=[a, a, w2]))"
    split = lmer(halves, DATA.assign(g2=DATA["g"], a=0.375))
    assert split.objective == pytest.approx(m.objective, abs=1e-10)
    # of a member that is there the weight may not be missing
    some = DATA.assign(w1=np.where(np.arange(len(DATA)) < 5, np.nan, 0.75))
    assert lmer(MEMBERS, some).nobs == len(DATA) - 5


def test_slopes_of_members_and_crossed_factors_against_dense_algebra() -> None:
    d = DATA.assign(c=[f"c{i % 7}" for i in range(len(DATA))])
    d["y"] += 0.8 * (np.arange(len(d)) % 7 - 3) + 0.7 * d["x"] * (np.arange(len(d)) % 12 - 5.5) / 3
    m = lmer("y ~ x + (x | mm(g, h, weights=[w1, w2])) + (1 | c)", d, REML=False)
    share = np.zeros((len(d), 12))
    for t, w in (("g", "w1"), ("h", "w2")):
        there = np.flatnonzero(d[t].notna())
        np.add.at(share, (there, [NAMES.index(v) for v in d[t].iloc[there]]), d[w].to_numpy()[there])
    z = np.column_stack([share, share * d["x"].to_numpy()[:, None]])
    first, second = m.varcorr["mm(g, h)"].cov, m.varcorr["c"].cov
    c = np.array([[v == f"c{i}" for i in range(7)] for v in d["c"]], float)
    v = z @ np.kron(first, np.eye(12)) @ z.T + second[0, 0] * c @ c.T + m.sigma**2 * np.eye(len(d))
    w, x = np.linalg.inv(v), m._fit.x
    r = d["y"].to_numpy() - x @ m.fixef.to_numpy()
    assert m.fixef.to_numpy() == pytest.approx(np.linalg.solve(x.T @ w @ x, x.T @ w @ d["y"].to_numpy()), abs=1e-8)
    assert m.objective == pytest.approx(np.linalg.slogdet(v)[1] + r @ w @ r + len(d) * np.log(2 * np.pi), abs=1e-8)
    modes = m.ranef()["mm(g, h)"].loc[NAMES].to_numpy()
    assert modes == pytest.approx((np.kron(first, np.eye(12)) @ z.T @ w @ r).reshape(2, 12).T, abs=1e-8)
    gradient = criterion_gradient(m._fit, m._fit.theta + 0.01)
    h = 1e-5
    for i in range(len(gradient)):
        step = np.zeros(len(gradient))
        step[i] = h
        above, below = (
            m._fit.system.get()
            .evaluate(np.ascontiguousarray((m._fit.theta + 0.01 + s)[m._fit.order.core_of_theta]), False)
            .objective
            for s in (step, -step)
        )
        assert gradient[i] == pytest.approx((above - below) / (2 * h), abs=1e-5)


@pytest.mark.parametrize("formula", [MEMBERS, "y ~ x + known(1 | g, A)"])
def test_what_a_fitted_model_does(formula: str, tmp_path: object) -> None:
    m = lmer(formula, DATA, known={"A": K})
    rows = DATA.head(20)
    assert m.predict(rows).to_numpy() == pytest.approx(m.fittedvalues.to_numpy()[:20], abs=1e-12)
    path = f"{tmp_path}/model.ranef"
    m.save(path)
    for other in (ranef.load(path), pickle.loads(pickle.dumps(m))):
        assert other.predict(rows).to_numpy() == pytest.approx(m.predict(rows).to_numpy(), abs=1e-12)
        assert other.update(data=DATA, REML=False).objective == pytest.approx(m.update(REML=False).objective, abs=1e-9)
    assert m.simulate(2, rng=1).shape == (len(DATA), 2)
    assert m.simulate(2, rng=1, newdata=rows).shape == (20, 2)
    new = m.simulate(1, rng=4).iloc[:, 0]
    assert m.refit(new.to_numpy()).objective == pytest.approx(
        lmer(formula, DATA.assign(y=new.to_numpy()), known={"A": K}).objective, abs=1e-8
    )
    assert (m.bootstrap(20, rng=1).to_frame()["value"].notna()).all()
    with pytest.raises(OptionError, match="draws whole groups"):
        m.bootstrap(20, type="cases")
    with pytest.raises(TranslationError, match="are not written in other languages"):
        m.to_syntax("lme4")
    with pytest.raises(OptionError, match="no clusters are independent"):
        m.summary(cov="CR2", cluster="x")
    assert "Random effects" in str(m.summary())
    assert m.equations().to_text()
    assert len(m.influence(by=next(iter(m.ngroups))).to_frame()) == 12
    assert len(m.check().ravel())


def test_leaving_out_a_level_is_leaving_out_its_rows() -> None:
    m = lmer(MEMBERS, DATA)
    found = m.influence(by="mm(g, h)").to_frame().loc["g03"]
    without = ((DATA["g"] == "g03") | (DATA["h"] == "g03")).to_numpy()
    assert found["n_deleted"] == without.sum()


def test_new_levels() -> None:
    new = pd.DataFrame({"x": [0.0], "g": ["new"], "h": ["g00"], "w1": [0.75], "w2": [0.25]})
    m = lmer(MEMBERS, DATA)
    with pytest.raises(NewLevelError, match="new"):
        m.predict(new)
    sd, effect = m.varcorr["mm(g, h)"].sd[0], m.ranef()["mm(g, h)"].loc["g00", "(Intercept)"]
    found = m.predict(new, new_levels="population", se=True).iloc[0]
    assert found["fit"] == pytest.approx(m.fixef["(Intercept)"] + 0.25 * effect, abs=1e-10)
    known = m.predict(new.assign(w1=0.0), se=True).iloc[0]
    assert found["se"] ** 2 - known["se"] ** 2 == pytest.approx((0.75 * sd) ** 2, rel=1e-8)
    assert m.simulate(3, newdata=new, rng=1).shape == (1, 3)
    related = lmer("y ~ x + known(1 | g, A)", DATA, known={"A": K})
    with pytest.raises(NewLevelError, match="new"):
        related.predict(new)


def test_heritability_needs_a_matrix() -> None:
    with pytest.raises(DesignError, match="the model has none"):
        lmer(MEMBERS, DATA).heritability()
    steep = DATA.assign(w=np.arange(len(DATA)) % 5)
    steep["y"] += steep["w"] * (np.arange(len(DATA)) % 12 - 5.5)
    with pytest.raises(DesignError, match="random intercepts only"):
        lmer("y ~ x + known(1 | g, A) + (0 + w | g)", steep, known={"A": K}).heritability()
