"""The code of nlme for models of repeated measures."""

import pytest

from ranef import load_dataset, mmrm
from ranef.errors import TranslationError

FORMULA = "Reaction ~ Days"
DATA = load_dataset("sleepstudy").assign(visit=lambda d: "d" + d["Days"].astype(int).astype(str))

#: R ran these texts on a trial with missing visits: the criteria were those of mmrm() here to 1e-8.
WRITTEN = {
    "us": "correlation = corSymm(form = ~ as.integer(visit) | Subject), weights = varIdent(form = ~ 1 | visit)",
    "cs": "correlation = corCompSymm(form = ~ 1 | Subject)",
    "csh": "correlation = corCompSymm(form = ~ 1 | Subject), weights = varIdent(form = ~ 1 | visit)",
    "ar1": "correlation = corAR1(form = ~ as.integer(visit) | Subject)",
    "ar1h": "correlation = corAR1(form = ~ as.integer(visit) | Subject), weights = varIdent(form = ~ 1 | visit)",
}


@pytest.mark.parametrize("structure", WRITTEN)
def test_structures_that_nlme_has(structure):
    code = mmrm(f"{FORMULA} + {structure}(visit | Subject)", DATA).to_syntax("nlme")
    assert f'gls(Reaction ~ Days, data = sleepstudy, {WRITTEN[structure]}, method = "REML")' in code
    assert "must be factors" in code


def test_distances():
    code = mmrm(f"{FORMULA} + sp_exp(Days | Subject)", DATA, method="ML").to_syntax("nlme")
    assert 'correlation = corExp(form = ~ Days | Subject), method = "ML")' in code


def test_weights_are_one_more_variance_function():
    code = mmrm(f"{FORMULA} + ar1h(visit | Subject)", DATA.assign(w=1.5), weights="w").to_syntax("nlme")
    assert "weights = varComb(varIdent(form = ~ 1 | visit), varFixed(~ I(1/w)))" in code


@pytest.mark.parametrize("structure", ["toep(visit | Subject)", "adh(visit | Subject)", "cs(visit | arm/Subject)"])
def test_what_nlme_has_no_words_for(structure):
    data = DATA.assign(arm=(DATA["Subject"].astype(str) > "335").map({True: "b", False: "a"}))
    with pytest.raises(TranslationError, match=r"nlme has no words for .* to_syntax\('r'\) writes mmrm's"):
        mmrm(f"{FORMULA} + {structure}", data).to_syntax("nlme")
