"""Sums over rows: held against dense algebra, taken away, with other levels, as bytes."""

import pickle

import numpy as np
import pandas as pd
import pytest

import ranef
from ranef import DataError, DesignError, NewLevelError, OptionError, RanefError, lmer, scale

N = 3000


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    school, h = rng.integers(30, size=N), rng.integers(12, size=N)
    x = rng.normal(size=N)
    d = pd.DataFrame(
        {
            "x": 1e7 + x,
            "z": 1e-5 * rng.normal(size=N) + 3,
            "school": school + 1,
            "h": np.array([f"h{i:02d}" for i in h], dtype=object),
            "room": rng.integers(1, 4, N),
            "w": rng.uniform(0.2, 3, N),
        }
    )
    b = rng.normal(size=(30, 2)) * (0.9, 0.5)
    d["y"] = 1e5 + 0.5 * x + b[school, 0] + b[school, 1] * x + 0.6 * rng.normal(size=12)[h] + rng.normal(size=N)
    return d


def parts_of(data, chunks, seed=None):
    rows = np.arange(len(data)) if seed is None else np.random.default_rng(seed).permutation(len(data))
    return [data.iloc[r] for r in np.array_split(rows, chunks)]


def summed(recipe, parts, **options):
    c = scale.Statistic(recipe, **options)
    for part in parts:
        c.update(part)
    return c


def dense(recipe, d):
    """Columns of the model in the recipe's basis, in extended precision."""
    held = recipe.design.sums
    one = np.ones(len(d), dtype=np.longdouble)
    root = np.sqrt(np.asarray(d.w, dtype=np.longdouble))

    def moved(columns, basis):
        shift, size = (np.array(v, dtype=np.longdouble) for v in (basis.shift, basis.scale))
        return (np.column_stack(columns) - shift) / size * root[:, None]

    x, z, y = (np.asarray(d[name], dtype=np.longdouble) for name in ("x", "z", "y"))
    w = np.column_stack([moved([one, x, z], held.x), (y - held.y[0]) / held.y[1] * root])
    random = [moved([one, x], held.random[0]), moved([one], held.random[1])]
    return w, random


def products_of(c):
    """The sums of the two factors school (30) and h (12), by name."""
    wtw, ztz, ztw, cells = c._core.all_products()
    p = 4
    out = {
        "wtw": np.reshape(wtw, (p, p)),
        "school'school": np.reshape(ztz[0], (30, 2, 2)),
        "h'h": np.reshape(ztz[1], (12, 1, 1)),
        "school'w": np.reshape(ztw[0], (30, 2, p)),
        "h'w": np.reshape(ztw[1], (12, 1, p)),
        "school'h": np.zeros((30, 12, 2, 1)),
    }
    (((f, g), start, level, value),) = cells
    assert (f, g) == (0, 1)
    value = np.reshape(value, (-1, 2, 1))
    for i in range(30):
        for at in range(start[i], start[i + 1]):
            out["school'h"][i, level[at]] = value[at]
    return out


@pytest.mark.parametrize("chunks", [1, 3, 17])
def test_every_sum_is_that_of_dense_algebra(data, chunks):
    recipe = scale.survey("y ~ x + z + (x | school) + (1 | h)", data, weights="w").freeze()
    found = products_of(summed(recipe, parts_of(data, chunks, chunks)))
    w, (a, b) = dense(recipe, data)
    schools, hs = (np.asarray(recipe.design.random[i].levels) for i in (0, 1))
    in_school = np.asarray(data.school.astype(str))[:, None] == schools
    in_h = np.asarray(data.h)[:, None] == hs
    right = {
        "wtw": (w[:, :, None], w[:, None, :], np.ones((N, 1))),
        "school'school": (a[:, :, None], a[:, None, :], in_school),
        "h'h": (b[:, :, None], b[:, None, :], in_h),
        "school'w": (a[:, :, None], w[:, None, :], in_school),
        "h'w": (b[:, :, None], w[:, None, :], in_h),
    }
    for name, (left, other, inside) in right.items():
        terms = left * other
        total, size = (np.einsum("nl,nij->lij", inside.astype(np.longdouble), t) for t in (terms, np.abs(terms)))
        error = np.abs(found[name] - total.reshape(found[name].shape)) / size.reshape(found[name].shape)
        assert float(error.max()) < 1e-15 * (1 if name != "wtw" else 10), name
    terms = a[:, :, None] * b[:, None, :]
    inside = (in_school[:, :, None] & in_h[:, None, :]).astype(np.longdouble)
    total = np.einsum("nlm,nij->lmij", inside, terms)
    size = np.einsum("nlm,nij->lmij", inside, np.abs(terms))
    assert float(np.max(np.abs(found["school'h"] - total) / np.maximum(size, 1e-300))) < 1e-15


def test_no_order_of_rows_shows_in_the_sums(data):
    recipe = scale.survey("y ~ x + z + (x | school) + (1 | h)", data, weights="w").freeze()
    first = products_of(summed(recipe, [data]))
    for chunks in (3, 17):
        again = products_of(summed(recipe, parts_of(data, chunks, chunks + 1)))
        for name, value in first.items():
            scale_of = np.abs(value).max()
            np.testing.assert_allclose(again[name], value, rtol=1e-14, atol=1e-16 * scale_of, err_msg=name)


def test_theta_is_that_of_the_rows(data):
    for formula in ("y ~ x + (x | school) + (1 | h)", "y ~ z + (1 | school:h) + (1 | school)"):
        whole = lmer(formula, data, weights="w")
        for chunks in (1, 3, 17):
            m = scale.fit(formula, parts_of(data, chunks, chunks), weights="w")
            np.testing.assert_allclose(m.theta, whole.theta, atol=1e-8)


def same(a, b):
    """Whether the sums are equal but for what rounding takes from them."""
    return all(
        np.array_equal(products_of_any(a)[name], value, equal_nan=True) for name, value in products_of_any(b).items()
    )


def products_of_any(c):
    wtw, ztz, ztw, cells = c._core.all_products()
    out = {"wtw": wtw, **{f"ztz{i}": v for i, v in enumerate(ztz)}, **{f"ztw{i}": v for i, v in enumerate(ztw)}}
    for (f, g), *rest in cells:
        out |= {f"cells{f}{g}{i}": v for i, v in enumerate(rest)}
    return {k: np.array(v) for k, v in out.items()}


def test_rows_that_are_taken_away_leave_nothing(data):
    recipe = scale.survey("y ~ x + (x | school) + (1 | h)", data, weights="w").freeze()
    for gone in (slice(1000, 1400), slice(0, 2999)):
        rest = data.drop(data.index[gone])
        c = summed(recipe, [data])
        c.update(data[gone], remove=True)
        want = summed(recipe, [rest])
        assert (c.n, c.n_input, c.ngroups) == (want.n, want.n_input, want.ngroups)
        assert same(c, want)
    c = summed(recipe, [data[:1500]])
    before = c._core.all_products()
    c.update(data[1500:], part="late")
    with pytest.raises(DataError, match="'other' is not in the sums"):
        c.update(data[1500:], part="other", remove=True)
    c.update(data[1500:], part="late", remove=True)
    assert c.parts == ()
    assert c._core.all_products() == before
    kept = c._core.to_bytes()
    with pytest.raises(DataError, match="not in the sums"):
        c.update(data[1500:], remove=True)
    assert c._core.to_bytes() == kept
    other = summed(recipe, [data[:700]])
    c.remove(other)
    assert same(c, summed(recipe, [data[700:1500]]))


def test_levels_without_rows_do_not_count(data):
    formula = "y ~ x + (x | school) + (1 | h)"
    c = summed(scale.survey(formula, data).freeze(), [data])
    gone = (data.school == 7) | (data.h == "h03")
    c.update(data[gone], remove=True)
    whole, m = lmer(formula, data[~gone]), c.fit()
    assert m.ngroups == whole.ngroups == {"school": 29, "h": 11} == c.ngroups
    np.testing.assert_allclose(m.theta, whole.theta, atol=1e-8)
    np.testing.assert_allclose(m.objective, whole.objective, atol=1e-8)
    for group, frame in whole.ranef().items():
        pd.testing.assert_frame_equal(m.ranef()[group], frame, atol=1e-6)
    new = data[gone].head(3)
    np.testing.assert_allclose(
        m.predict(new, new_levels="population"), whole.predict(new, new_levels="population"), rtol=1e-9
    )


# (x | g) and another term of g change places in lme4's order where h has more levels than g
GROWING = [
    "y ~ x + (x | school) + (1 | h)",
    "y ~ x + (1 | h) + (x | school)",
    "y ~ x + (1 | school) + (0 + w | school) + (1 | h)",
    "y ~ x + (1 | h) + (1 | school:h)",
]


@pytest.mark.parametrize("formula", GROWING)
@pytest.mark.filterwarnings("ignore:singular fit")
def test_levels_are_added(data, formula):
    known = (data.school <= 8) & (data.h < "h10")
    recipe = scale.survey(formula, data[known]).freeze()
    c = scale.Statistic(recipe)
    c.update(data[known])
    with pytest.raises(NewLevelError, match="new_levels='add'"):
        c.update(data)
    c.update(data[~known].sample(frac=1, random_state=1), new_levels="add")
    # another worker meets the levels in another order
    one, two = (scale.Statistic(recipe) for _ in range(2))
    one.update(data[::2], new_levels="add")
    two.update(data[1::2].iloc[::-1], new_levels="add")
    two = pickle.loads(pickle.dumps(two))
    one.merge(scale.Statistic.from_bytes(two.to_bytes()))
    whole = lmer(formula, data)
    for found in (c, one):
        m = found.fit()
        assert m.ngroups == whole.ngroups
        assert m.objective == pytest.approx(whole.objective, abs=1e-7)
        assert list(m.theta.index) == list(whole.theta.index)
        np.testing.assert_allclose(m.theta, whole.theta, atol=1e-7)
        for group, frame in whole.ranef().items():
            assert list(m.ranef()[group].index) == list(frame.index)
            pd.testing.assert_frame_equal(m.ranef()[group], frame, atol=1e-5)
        np.testing.assert_allclose(m.predict(data[:40]), whole.predict(data[:40]), rtol=1e-9)
    one.remove(two)
    assert one.fit().nobs == N // 2
    with pytest.raises(OptionError, match="'error' or 'add'"):
        c.update(data, new_levels="yes")


def test_a_later_fit_starts_from_an_earlier_one(data):
    formula = "y ~ x + (x | school) + (1 | h)"
    c = summed(scale.survey(formula, data).freeze(), [data[:2700]])
    first = c.fit()
    c.update(data[2700:])
    cold, warm = c.fit(), c.fit(start=first)
    assert warm.objective == pytest.approx(cold.objective, abs=1e-8)
    np.testing.assert_allclose(warm.theta, cold.theta, atol=1e-6)
    assert warm.convergence.evaluations <= cold.convergence.evaluations
    assert str(warm.formula) == str(cold.formula)


def test_a_cluster_is_left_out_without_its_rows(data):
    data = data.assign(class_=data.school.astype(str) + "/" + data.room.astype(str))
    formula = "y ~ x + z + (x | school) + (1 | class_)"
    recipe = scale.survey(formula, data, weights="w").freeze()
    c = summed(recipe, parts_of(data, 4, 1), by_level="school")
    c = scale.Statistic.from_bytes(c.to_bytes())
    full = c._core.all_products()
    for gone in (["17"], [3, "17", 30]):
        left = c.without(school=gone if len(gone) > 1 else gone[0])
        rest = data[~data.school.isin(list(map(int, gone)))]
        assert same(left, summed(recipe, [rest])) or np.allclose(
            *(np.array(s._core.products()) for s in (left, summed(recipe, [rest]))), rtol=1e-14
        )
        whole, m = lmer(formula, rest, weights="w"), left.fit()
        assert (m.nobs, m.ngroups) == (whole.nobs, whole.ngroups)
        assert m.objective == pytest.approx(whole.objective, abs=1e-7)
        np.testing.assert_allclose(m.theta, whole.theta, atol=1e-7)
        np.testing.assert_allclose(m.fixef, whole.fixef, rtol=1e-9)
    assert c._core.all_products() == full
    with pytest.raises(NewLevelError, match="no level '99'"):
        c.without(school=99)
    with pytest.raises(OptionError, match=r"without\(school=...\)"):
        c.without(class_="1/2")
    with pytest.raises(OptionError, match="by_level"):
        summed(recipe, [data]).without(school=1)
    with pytest.raises(OptionError, match="grouping factors, "):
        scale.Statistic(recipe, by_level="pupil")
    with pytest.raises(DataError, match="by_level"):
        c.merge(summed(recipe, [data]))
    crossed = scale.survey("y ~ x + (1 | school) + (1 | h)", data).freeze()
    with pytest.raises(DataError, match="'h' is crossed with 'school' at the level '4'"):
        summed(crossed, [data], by_level="school").without(school=4)


def written(data):
    survey = scale.survey("y ~ scale(x) + (x | school) + (1 | h)", data[:400])
    recipe = survey.freeze()
    c = scale.Statistic(recipe, by_level="h")
    c.update(data[:400], part="a")
    return {"Survey": survey, "Recipe": recipe, "Statistic": c}


@pytest.mark.parametrize("kind", ["Survey", "Recipe", "Statistic"])
def test_bytes_are_checked_and_hold_no_code(data, kind):
    it = written(data)[kind]
    content = it.to_bytes()
    read = getattr(scale, kind).from_bytes
    assert b"pickle" not in content
    again = read(content)
    assert type(again) is type(it)
    if kind == "Statistic":
        assert again._core.to_bytes() == it._core.to_bytes()
    rng = np.random.default_rng(1)
    for cut in {0, 1, 5, 6, 12, 14, 20, 40, len(content) - 1, *rng.integers(len(content), size=40).tolist()}:
        with pytest.raises(DataError):
            read(content[:cut])
    for bit in {*range(8 * 20), *rng.integers(8 * len(content), size=200).tolist()}:
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DataError):
            read(bytes(damaged))
    with pytest.raises(DataError):
        read(content + b"\0")
    head = len(b"ranef " + kind.encode())
    with pytest.raises(DataError, match="version"):
        read(content[:head] + b"\x63" + content[head + 1 :])
    with pytest.raises(RanefError, match="bytes"):
        read("text")
    other = next(v for k, v in written(data).items() if k != kind)
    with pytest.raises(DataError):
        read(other.to_bytes())


def test_what_came_as_bytes_is_what_was_sent(data):
    found = written(data)
    assert scale.Survey.from_bytes(found["Survey"].to_bytes()).freeze().fingerprint == found["Recipe"].fingerprint
    assert scale.Recipe.from_bytes(found["Recipe"].to_bytes()).fingerprint == found["Recipe"].fingerprint
    formula = "y ~ scale(x) + (x | school) + (1 | h)"
    surveys = [scale.survey(formula, p) for p in parts_of(data, 5, 2)]
    recipe = scale.merge_surveys([surveys[0], *(s.to_bytes() for s in surveys[1:])]).freeze()
    assert recipe.fingerprint == scale.survey(formula, data).freeze().fingerprint
    parts = []
    for i, p in enumerate(parts_of(data, 5, 2)):
        c = scale.Statistic(recipe)
        c.update(p, part=f"p{i}")
        parts.append(c.to_bytes())
    c = scale.merge_statistics(parts)
    assert c.parts == ("p0", "p1", "p2", "p3", "p4")
    assert c.fit().objective == pytest.approx(lmer(formula, data).objective, abs=1e-8)
    with pytest.raises(DataError, match="'p1' is in both"):
        scale.merge_statistics([*parts, parts[1]])
    for merge in (scale.merge_statistics, scale.merge_surveys):
        with pytest.raises(DataError, match="no s"):
            merge([])


def test_what_is_public_has_no_levels_but_those_agreed_on(data):
    data = data.assign(pupil=np.arange(N) // 4)
    formula = "y ~ x + (1 | pupil) + (1 | school)"
    recipe = scale.survey(formula, data).freeze()
    schools = [str(i) for i in range(1, 40)]
    public = scale.Recipe.from_bytes(recipe.public({"school": schools}).to_bytes())
    assert [len(t.levels) for t in public.design.random] == [0, 39]
    assert public.fingerprint != recipe.fingerprint
    files = []
    for part in (data[:1600], data[1600:]):
        c = scale.Statistic(public)
        with pytest.raises(NewLevelError, match="pupil"):
            c.update(part)
        c.update(part, new_levels="add")
        with pytest.raises(DataError, match="levels of 'pupil' have fewer than 5 rows"):
            c.to_bytes(min_count=5)
        files.append(c.to_bytes(min_count=4))
    whole, m = lmer(formula, data), scale.merge_statistics(files).fit()
    assert m.ngroups == whole.ngroups
    assert m.objective == pytest.approx(whole.objective, abs=1e-8)
    np.testing.assert_allclose(m.theta, whole.theta, atol=1e-7)
    nested = scale.survey("y ~ x + (1 | school/h)", data).freeze().public()
    c = scale.Statistic(nested)
    c.update(data, new_levels="add")
    assert c.fit().objective == pytest.approx(lmer("y ~ x + (1 | school/h)", data).objective, abs=1e-8)
    with pytest.raises(OptionError, match="no grouping factor 'x'"):
        recipe.public({"x": ["1"]})
    with pytest.raises(OptionError, match="each once"):
        recipe.public({"school": ["1", "1"]})
    with pytest.raises(DesignError, match="keeps levels"):
        scale.survey("y ~ x + (1 | factor(school))", data).freeze().public()


def test_what_partitions_give_is_merged(data):
    import pyarrow as pa

    formula = "y ~ x + (x | school) + (1 | h)"
    parts = [pa.RecordBatch.from_pandas(p, preserve_index=False) for p in parts_of(data, 6, 3)]
    groups = [parts[:2], parts[2:5], [], parts[5:]]

    def content(batches):
        return [b.to_pylist()[0]["bytes"] for b in batches]

    found = [c for g in groups for c in content(scale.partition_survey(formula, iter(g)))]
    recipe = scale.merge_surveys(found).freeze()
    assert recipe.fingerprint == scale.survey(formula, data).freeze().fingerprint
    sums = []
    for i, g in enumerate(groups):
        rows = list(scale.partition_statistic(recipe.to_bytes() if i else recipe, iter(g), part=f"p{i}"))
        assert [b.to_pylist()[0]["part"] for b in rows] == ([f"p{i}"] if g else [])
        assert all(b.schema == pa.schema([("part", pa.string()), ("bytes", pa.binary())]) for b in rows)
        sums += content(rows)
    m = scale.merge_statistics(sums).fit()
    assert m.objective == pytest.approx(lmer(formula, data).objective, abs=1e-8)
    with pytest.raises(NewLevelError, match="which the survey did not see"):
        list(scale.partition_statistic(recipe, [pa.RecordBatch.from_pandas(data[:5].assign(school=77))]))
    with pytest.raises(RanefError, match="RecordBatch"):
        list(scale.partition_survey(formula, [1]))


def test_an_error_of_a_missing_column_can_be_sent():
    problem = ranef.ColumnNotFoundError("x", ["a", "X"])
    again = pickle.loads(pickle.dumps(problem))
    assert (str(again), again.name, type(again)) == (str(problem), "x", type(problem))
