"""Which data stay with a model that is copied, pickled or saved."""

import copy
import pickle

import pytest

import ranef


@pytest.fixture
def data():
    late = {True: "yes", False: "no"}
    return ranef.load_dataset("sleepstudy").assign(late=lambda f: (f.Days > 4).map(late), unused=1.0)


@pytest.fixture
def kept_data():
    ranef.options(keep_data=True)
    yield
    ranef.options(keep_data=False)


def uses_data(model):
    """Run what needs the data of a fit."""
    model.emmeans("late")
    model.joint_tests()
    return model.update(". ~ 1 + (1|Subject)").llf


def test_deep_copy_does_what_the_original_does(data):
    m = ranef.lmer("Reaction ~ Days + late + (1|Subject)", data)
    other = copy.deepcopy(m)
    assert other is not m
    assert uses_data(other) == uses_data(m)
    assert uses_data(copy.copy(m)) == uses_data(m)


def test_pickle_keeps_the_columns_in_use_if_asked(data, kept_data):
    m = ranef.lmer("Reaction ~ Days + late + (1|Subject)", data, subset="Days > 0")
    other = pickle.loads(pickle.dumps(m))
    assert uses_data(other) == uses_data(m)
    assert list(other._request.data.columns) == ["Reaction", "Days", "Subject", "late"]
    ranef.options(keep_data=False)
    assert len(pickle.dumps(other)) < len(pickle.dumps(m)) + 1000


@pytest.mark.parametrize("form", ["dict", "polars", "lazy", "arrow", "batch", "array"])
def test_any_frame_is_kept(data, form, kept_data):
    frame = data.astype({"Subject": str})[["Reaction", "Days", "Subject", "late", "unused"]]
    if form in ("polars", "lazy"):
        pl = pytest.importorskip("polars")
        given = pl.from_pandas(frame) if form == "polars" else pl.from_pandas(frame).lazy()
    elif form in ("arrow", "batch"):
        pa = pytest.importorskip("pyarrow")
        given = pa.Table.from_pandas(frame)
        given = given if form == "arrow" else given.combine_chunks().to_batches()[0]
    elif form == "array":
        given = (
            frame.assign(late=frame.late.astype(str))
            .to_records(index=False)
            .astype([("Reaction", float), ("Days", float), ("Subject", "U8"), ("late", "U8"), ("unused", float)])
        )
    else:
        given = {name: frame[name].to_numpy() for name in frame}
    m = ranef.lmer("Reaction ~ Days + late + (1|Subject)", given)
    other = pickle.loads(pickle.dumps(m))
    assert uses_data(other) == uses_data(m)


def test_a_dot_keeps_what_it_stands_for(data, kept_data):
    frame = data[["Reaction", "Days", "Subject"]].assign(x=range(180))
    with pytest.warns(ranef.RanefWarning, match="stands for"):
        m = ranef.lmer("Reaction ~ . + (1|Subject)", frame)
    other = pickle.loads(pickle.dumps(m))
    with pytest.warns(ranef.RanefWarning, match="stands for"):
        assert other.update(REML=False).llf == m.update(REML=False).llf


def test_messages_say_how_the_data_were_lost(data, tmp_path):
    m = ranef.lmer("Reaction ~ Days + late + (1|Subject)", data)
    with pytest.raises(ranef.DataError, match=r"not kept in a pickled model.*options\(keep_data=True\)"):
        pickle.loads(pickle.dumps(m)).emmeans("late")
    m.save(tmp_path / "m.ranef")
    with pytest.raises(ranef.DataError, match="not kept in a saved model; give them again: update"):
        ranef.load(tmp_path / "m.ranef").update(". ~ . - late")


def test_options_are_checked():
    assert ranef.options()["keep_data"] is False
    with pytest.raises(ranef.ArgumentTypeError, match="keep_data must be True or False, not 1"):
        ranef.options(keep_data=1)
    import ranef.options as module  # the name of the function is that of its module

    assert callable(module)
