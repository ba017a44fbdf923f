"""Positions and blocks that a structure cannot have."""

import pandas as pd
import pytest

from ranef import DataError, DesignError, gls, lmer, load_dataset, mmrm


@pytest.fixture(scope="module")
def growth() -> pd.DataFrame:
    return load_dataset("orthodont")


@pytest.mark.parametrize("structure", ["car1", "exp", "gau", "linear"])
def test_distances_need_numbers(growth: pd.DataFrame, structure: str) -> None:
    text = growth.assign(age=growth.age.map("{:g}".format))  # "10" sorts before "8"
    with pytest.raises(DesignError, match=r"age .* is text or a factor, whose levels have no distances"):
        gls("distance ~ Sex", text, correlation=f"{structure}(age | Subject)")


def test_distances_need_numbers_in_models_of_visits(growth: pd.DataFrame) -> None:
    with pytest.raises(DesignError, match="needs a column of numbers"):
        mmrm("distance ~ Sex + sp_exp(visit | Subject)", growth.assign(visit="v" + growth.age.astype(str)))


@pytest.mark.parametrize("subjects", [1, 3])
def test_fewer_subjects_than_visits(growth: pd.DataFrame, subjects: int) -> None:
    few = growth[growth.Subject.isin(growth.Subject.unique()[:subjects])]
    with pytest.raises(DesignError, match=f"{subjects} subjects? cannot determine .* of 4 visits"):
        mmrm("distance ~ 1 + us(age | Subject)", few)


def test_a_message_shows_labels_of_rows_as_numbers(growth: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=r"row 0 \(index 0\) and row 108 \(index 0\)"):
        mmrm("distance ~ 1 + us(age | Subject)", pd.concat([growth, growth.head(1)]))


def test_a_message_names_few_of_many_parameters(growth: pd.DataFrame) -> None:
    with pytest.raises(DesignError, match="not identified") as caught:
        lmer("distance ~ age + (age | Subject)", growth, correlation="us(age | Subject)")
    assert len(str(caught.value)) < 400
