"""Fitted models in tables of the maketables package."""

import pytest

from ranef import glmer, lmer, load_dataset

maketables = pytest.importorskip("maketables")

from maketables.extractors import _EXTRACTOR_REGISTRY, get_extractor  # noqa: E402

from ranef.interop.maketables import MixedModelExtractor, register  # noqa: E402


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setattr("maketables.extractors._EXTRACTOR_REGISTRY", list(_EXTRACTOR_REGISTRY))
    register()


@pytest.fixture(scope="module")
def models():
    exam = load_dataset("exam")
    return [
        lmer("normexam ~ standLRT + (1 | school)", exam),
        lmer("normexam ~ standLRT * sex + (standLRT | school)", exam, ddf="none"),
    ]


def test_registering_twice_is_registering_once():
    from maketables import extractors

    register()
    assert [type(e) for e in extractors._EXTRACTOR_REGISTRY].count(MixedModelExtractor) == 1


def test_models_side_by_side(models):
    first, second = models
    table = maketables.ETable(models).df
    assert {c[0] for c in table.columns} == {"normexam"}
    assert table.iloc[:, 0].loc[("coef", "standLRT")].startswith(f"{first.fixef['standLRT']:.3f}***")
    assert f"({second.bse['standLRT']:.3f})" in table.iloc[:, 1].loc[("coef", "standLRT")]
    stats = table.loc["stats"]
    assert stats.loc["SD (Intercept), school"].tolist() == [f"{m.varcorr['school'].sd[0]:.3f}" for m in models]
    assert stats.loc["SD residual"].tolist() == [f"{m.sigma:.3f}" for m in models]
    assert stats.loc["Corr. (Intercept) and standLRT, school"].tolist() == [
        "-", f"{second.varcorr['school'].corr[1, 0]:.3f}"
    ]  # fmt: skip
    assert stats.loc["Observations"].tolist() == ["4,059", "4,059"]
    assert stats.loc["Groups: school"].tolist() == ["65", "65"]
    assert stats.loc["AIC"].tolist() == [f"{m.aic:,.2f}" for m in models]
    assert "R²" not in stats.index


def test_a_model_without_tests_has_no_stars(models):
    table = maketables.ETable(models).df
    assert "*" not in "".join(table.iloc[:, 1].loc["coef"])


def test_columns_of_coefficients(models):
    table = get_extractor(models[0]).coef_table(models[0])
    assert table.index.name == "Coefficient"
    interval = models[0].conf_int(ddf="satterthwaite")
    assert table["t"].to_list() == pytest.approx(models[0].tvalues.to_list())
    assert table["p"].to_list() == pytest.approx(models[0].pvalues.to_list())
    assert table["df"].to_list() == pytest.approx(models[0].df.to_list())
    assert table["ci95l"].to_list() == pytest.approx(interval["lower"].to_list())


@pytest.mark.parametrize(("kind", "text"), [("tex", r"\toprule"), ("gt", "normexam")])
def test_output(models, kind, text):
    made = maketables.ETable(models).make(type=kind)
    shown = made if isinstance(made, str) else made.as_raw_html()
    assert text in shown
    assert "SD residual" in shown


def test_other_models_are_left_to_others(models):
    assert isinstance(get_extractor(models[0]), MixedModelExtractor)
    with pytest.raises(TypeError, match="No extractor"):
        get_extractor(object())


def test_without_maketables_the_extra_is_named(without):
    without("maketables", "ranef.interop.maketables", "maketables")


def test_generalized_models_beside_each_other():
    data = load_dataset("grouseticks")
    poisson = glmer("TICKS ~ YEAR + (1 | BROOD)", data, family="poisson")
    nb = glmer("TICKS ~ YEAR + (1 | BROOD)", data, family="nbinom2")
    table = maketables.ETable([poisson, nb]).df
    assert {c[0] for c in table.columns} == {"TICKS"}
    stats = table.loc["stats"]
    assert stats.loc["SD (Intercept), BROOD"].tolist() == [f"{m.varcorr['BROOD'].sd[0]:.3f}" for m in (poisson, nb)]
    assert stats.loc["Dispersion"].tolist() == ["-", f"{nb.dispersion:.3f}"]
    assert "SD residual" not in stats.index
    frame = get_extractor(poisson).coef_table(poisson)
    assert frame["t"].to_numpy() == pytest.approx(poisson.zvalues.to_numpy())
