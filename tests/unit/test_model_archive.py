"""Saved and pickled models come back whole; a file cannot make the reader run code."""

import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ranef import ArgumentTypeError, DataError, RanefWarning, clmm, glmer, lmer, load, load_dataset
from ranef.fit.archive import read_archive, write_archive

#: Files that an earlier version of the package wrote.
ARCHIVES = Path(__file__).parents[1] / "reference" / "archives"


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    n = 120
    g, h, x = rng.integers(0, 9, n), rng.integers(0, 6, n), rng.normal(size=n)
    f = np.array(["a", "b", "c"])[rng.integers(0, 3, n)]
    y = x + rng.normal(size=9)[g] + rng.normal(size=9)[g] * x + 2 * rng.normal(size=6)[h] + rng.normal(size=n)
    d = pd.DataFrame(
        {"y": y, "x": x, "f": pd.Categorical(f), "g": [f"g{i}" for i in g], "h": h, "w": rng.uniform(1, 3, n)}
    )
    d.index = pd.Index([f"r{i}" for i in range(n)], name="row")
    d.iloc[4, 0] = np.nan
    return d


@pytest.fixture(scope="module")
def model(data):
    return lmer(
        "y ~ poly(x, 2) + f + (x | g) + (1 | h)", data, weights="w", na_action="exclude", contrasts={"f": "sum"}
    )


def same(a, b):
    for member in (
        "objective",
        "llf",
        "aic",
        "bic",
        "aicc",
        "npar",
        "nobs",
        "df_resid",
        "ngroups",
        "sigma",
        "reml_criterion",
        "ml_deviance",
        "formula",
        "is_singular",
    ):
        assert getattr(a, member) == getattr(b, member), member
    for member in ("fixef", "bse", "tvalues", "theta", "fittedvalues", "resid"):
        assert getattr(a, member).equals(getattr(b, member)), member
        assert getattr(a, member).index.equals(getattr(b, member).index), member
    assert a.convergence == b.convergence
    assert str(a.varcorr.to_frame()) == str(b.varcorr.to_frame())
    for group, (frame, variances) in a.ranef(condvar=True).items():
        other, other_variances = b.ranef(condvar=True)[group]
        assert frame.equals(other)
        np.testing.assert_array_equal(variances, other_variances)
    assert a.simulate(2, rng=3).equals(b.simulate(2, rng=3))


@pytest.fixture(params=["file", "pickle"])
def restored(request, model, tmp_path):
    if request.param == "pickle":
        return pickle.loads(pickle.dumps(model))
    path = tmp_path / "model"
    model.save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
    return load(path)


def test_everything_comes_back(model, restored, data):
    same(model, restored)
    new = data.iloc[:7].assign(h=[0, 1, 99, 3, 4, 5, 0])
    options = {"se": True, "interval": "prediction", "new_levels": "population"}
    assert restored.predict(new, **options).equals(model.predict(new, **options))
    y = model.simulate(1, rng=8)["sim_1"]
    assert restored.refit(y).objective == pytest.approx(model.refit(y).objective, abs=1e-8)
    assert str(restored.summary()) == str(model.summary())


def test_the_summary_still_names_the_data(tmp_path):
    m = lmer("Yield ~ 1 + (1 | Batch)", load_dataset("Dyestuff"))
    assert "Dyestuff" in str(m.summary())
    m.save(tmp_path / "m")
    assert str(load(tmp_path / "m").summary()) == str(pickle.loads(pickle.dumps(m)).summary()) == str(m.summary())


def test_update_of_a_restored_model_needs_the_data(model, restored, data):
    with pytest.raises(DataError, match="data="):
        restored.update(". ~ . - f")
    again = restored.update(". ~ . - f", data=data)
    assert again.objective == pytest.approx(model.update(". ~ . - f").objective, abs=1e-9)


def test_a_restored_model_can_be_saved_again(restored, tmp_path):
    restored.save(tmp_path / "again")
    same(load(tmp_path / "again"), restored)


def test_a_model_of_a_file_keeps_its_path(data, tmp_path):
    source = tmp_path / "data.csv"
    data.to_csv(source, index=False)
    m = lmer("y ~ x + (1 | g)", source)
    m.save(tmp_path / "m")
    assert load(tmp_path / "m").update(REML=False).objective == m.update(REML=False).objective


@pytest.mark.parametrize(
    "index",
    [
        pd.RangeIndex(5, 245, 2),
        pd.date_range("2024-01-01", periods=120, freq="D", tz="Europe/Berlin"),
        pd.MultiIndex.from_product([["a", "b"], range(60)], names=["u", "v"]),
        pd.Index(np.arange(120) * 1.5),
        pd.Index([*range(60), *(f"t{i}" for i in range(60))], dtype=object),
    ],
    ids=["range", "dates", "multi", "floats", "mixed"],
)
def test_indexes(data, index, tmp_path):
    d = data.assign(y=data["y"].fillna(0.0)).set_axis(index)
    m = lmer("y ~ x + (1 | g)", d)
    m.save(tmp_path / "m")
    back = load(tmp_path / "m").fittedvalues.index
    assert m.fittedvalues.index.equals(index)
    if index.inferred_type == "mixed-integer":
        assert list(back) == [str(v) for v in index]
    else:
        assert back.equals(index)


def test_values_survive(tmp_path):
    content = {
        "numbers": [1, -2.5, float("inf"), float("-inf"), True, None, 10**30],
        "nested": {("a", 1): (1, [2, {3: frozenset({4, 5})}])},
        "texts": np.array(["", "ä:b", "\ud800", "x" * 100], object),
        "objects": np.array([["a", None], [1, 2.5]], object),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "empty": np.zeros((0, 3)),
        "days": np.array(["2024-02-29", "NaT"], "datetime64[D]"),
        "scalar": np.float64(0.1),
    }
    write_archive(tmp_path / "a", "Test", content)
    kind, back = read_archive(tmp_path / "a")
    assert kind == "Test"
    for key in ("numbers", "nested", "scalar"):
        assert back[key] == content[key]
    assert type(back["scalar"]) is np.float64
    for key in ("texts", "objects", "fortran", "empty", "days"):
        np.testing.assert_array_equal(back[key], content[key])
        assert back[key].dtype == content[key].dtype
    assert back["fortran"].flags.f_contiguous
    write_archive(tmp_path / "n", "Test", {"nan": float("nan")})
    assert np.isnan(read_archive(tmp_path / "n")[1]["nan"])


def test_a_value_that_cannot_be_saved_leaves_the_old_file(tmp_path):
    path = tmp_path / "a"
    write_archive(path, "Test", {"a": 1})
    with pytest.raises(DataError, match="object"):
        write_archive(path, "Test", {"a": object()})
    assert read_archive(path)[1] == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("code of the file was run",))


def rewritten(path, change):
    """The archive at `path` with its members changed."""
    with zipfile.ZipFile(path) as old:
        members = {n: old.read(n) for n in old.namelist()}
    header = json.loads(members["model.json"])
    change(header, members)
    members["model.json"] = json.dumps(header).encode()
    with zipfile.ZipFile(path, "w") as new:
        for name, content in members.items():
            new.writestr(name, content)


def object_array(header, members):
    buffer = io.BytesIO()
    np.save(buffer, np.array([Bomb()], object), allow_pickle=True)
    members[next(n for n in members if n.endswith(".npy"))] = buffer.getvalue()


def foreign_record(header, members):
    header["content"] = {"record": "subprocess:Popen", "fields": {"args": "true"}}


def foreign_enum(header, members):
    header["content"] = {"enum": "builtins:eval", "value": "1"}


def newer(header, members):
    header["version"] = 99


def other_fields(header, members):
    header["content"] = {"record": "ranef.fit.control:FitControl", "fields": {"speed": 1}}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (object_array, "damaged"),
        (foreign_record, "unknown type"),
        (foreign_enum, "unknown type"),
        (newer, "version 99"),
        (other_fields, "other fields"),
    ],
)
def test_files_that_were_tampered_with(model, tmp_path, change, says):
    path = tmp_path / "m"
    model.save(path)
    rewritten(path, change)
    with pytest.raises(DataError, match=says):
        load(path)


@pytest.mark.parametrize(
    ("name", "fitted"),
    [
        ("sleepstudy", lambda d: lmer("Reaction ~ Days + (Days | Subject)", d)),
        ("cbpp", lambda d: glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", d, family="binomial")),
    ],
)
def test_files_of_the_first_version(name, fitted):
    """Rows were fields of the design and of its terms,
    and the arguments were kept a second time.
    """
    data = load_dataset(name)
    old, new = load(ARCHIVES / f"{name}.v1"), fitted(data)
    assert old.objective == pytest.approx(new.objective, rel=1e-12)
    for of_model in (
        lambda m: m.predict(),
        lambda m: m.predict(data.iloc[:5]),
        lambda m: m.simulate(1, rng=1).iloc[:, 0],
        lambda m: m.bse,
    ):
        assert np.asarray(of_model(old)) == pytest.approx(np.asarray(of_model(new)), rel=1e-6)
    assert str(old.summary()) == str(new.summary())


def test_a_file_of_ratings_from_before_the_scale_was_a_predictor(tmp_path):
    """Its coefficients were extra parameters, and its random effects a record of their own."""
    data = load_dataset("wine")
    arguments = {"nominal": "~ contact", "scale": "~ temp + (1 |p| judge)"}
    with pytest.warns(RanefWarning, match="singular fit"):
        new = clmm("rating ~ temp + (1 |p| judge) + (1 | bottle)", data, **arguments)
    old = load(ARCHIVES / "ratings.v2")
    assert str(old.summary()) == str(new.summary())
    for of_model in (
        lambda m: m.predict(data.iloc[:5], type="prob", se=True),
        lambda m: m.conf_int(component="all"),
        lambda m: m.component("scale").ranef()["judge"],
        lambda m: m.simulate(2, newdata=data.iloc[:5], rng=1),
    ):
        np.testing.assert_allclose(of_model(old).to_numpy(), of_model(new).to_numpy(), rtol=1e-6)
    old.save(tmp_path / "again")
    assert load(tmp_path / "again").predict().equals(old.predict())


def test_other_files(model, tmp_path):
    (tmp_path / "text").write_text("hello")
    (tmp_path / "pickle").write_bytes(pickle.dumps(Bomb()))
    with zipfile.ZipFile(tmp_path / "zip", "w") as z:
        z.writestr("model.json", "[1, 2]")
    for name in ("text", "pickle", "zip"):
        with pytest.raises(DataError, match="not a model"):
            load(tmp_path / name)
    with pytest.raises(DataError, match="cannot be read"):
        load(tmp_path / "nowhere")
    with pytest.raises(DataError, match="cannot be saved"):
        model.save(tmp_path / "no" / "folder")
    for wrong in (3, None):
        with pytest.raises(ArgumentTypeError, match="path"):
            load(wrong)
        with pytest.raises(ArgumentTypeError, match="path"):
            model.save(wrong)


def test_truncated_files(model, tmp_path):
    path = tmp_path / "m"
    model.save(path)
    content = path.read_bytes()
    for part in (0, 10, len(content) // 2, len(content) - 5):
        path.write_bytes(content[:part])
        with pytest.raises(DataError):
            load(path)
