"""Kinds of models have the same members, written once; above ``fit`` nothing asks for the kind."""

import ast
import re
from pathlib import Path

import pytest

import ranef
from ranef.results.generalized import GeneralizedLinearMixedModel
from ranef.results.linear import LinearMixedModel
from ranef.results.model.mixed import MixedModel
from ranef.results.one_kind import GENERALIZED, LINEAR

PACKAGE = Path(ranef.__file__).parent

#: Classes of one kind of models, which ``isinstance`` may not be asked for above ``fit``:
#: ``MixedFit`` answers what depends on the kind.
OF_ONE_KIND = {
    "LmmFit",
    "GlmmFit",
    "OrdinalFit",
    "ComponentsFit",
    "PredictorFit",
    "SeveralPredictorsFit",
    "NonlinearFit",
    "NonlinearCorrelatedFit",
    "CurveAnswers",
    "CorrelatedFit",
    "RepeatedFit",
    "LmmRequest",
    "GlmmRequest",
    "OrdinalRequest",
    "NonlinearRequest",
    "RepeatedRequest",
    "GlsRequest",
    "LinearMixedModel",
    "GeneralizedLinearMixedModel",
    "CumulativeLinkMixedModel",
    "NonlinearMixedModel",
}

#: Files above ``fit`` that may name these classes of records and requests at all.
NAMES_ONE_KIND = {
    "api/lmer.py": "the verb makes the request of its kind",
    "api/glmer.py": "the verb makes the request of its kind",
    "api/gls.py": "the verb makes the request of its kind",
    "api/mmrm.py": "the verb makes the request of its kind",
    "api/clmm.py": "the verb makes the request of its kind",
    "api/nlmer.py": "the verb makes the request of its kind",
    "results/linear.py": "what linear models alone have",
    "results/generalized.py": "what generalized models alone have",
    "results/ordinal.py": "what cumulative link models alone have",
    "results/nonlinear.py": "what nonlinear models alone have",
    "translation/ordinal.py": "writes the call of clmm, whose arguments other verbs do not have",
    "estimates/component_predictions.py": "predicts the linear predictors that only such records have",
    "scale/summed_model.py": "sums over rows are all that linear models need",
    "scale/plan.py": "what a linear model takes",
    "scale/rows.py": "fits rows that came in batches by the iterative solver, which is for linear models",
    "scale/fitting.py": "sums over rows are all that linear models need",
}

#: Fields that only some kinds of models fill, and a question that would be for the kind. Above
#: ``fit`` what depends on them is a question of ``MixedFit``; ``design`` and what is below it make
#: them.
FIELDS = re.compile(
    r"described_by|design\.curve\b|design\.parts\b|has_predictors|\bif [^\n]*\.categories\b|getattr\((?:self\._)?fit, "
)
MAKE_FIELDS = ("fit/", "design/", "curves/", "formula/", "data/")

#: Files named by kind, of which there may be eight.
NAMED_BY_KIND = {
    "fit/linear.py": "the record of a linear model and its call of the core",
    "fit/generalized.py": "the record of a generalized model and its call of the core",
    "results/linear.py": "what linear models alone have",
    "results/generalized.py": "what generalized models alone have",
}


def members(kind: type) -> set[str]:
    """The public members of a class, and what notebooks call."""
    return {name for name in dir(kind) if not name.startswith("_") or name == "_repr_html_"}


def defined(kind: type) -> set[str]:
    """The public members that a class has of its own."""
    return {name for name in vars(kind) if not name.startswith("_") or name == "_repr_html_"}


def test_members() -> None:
    linear, generalized = members(LinearMixedModel), members(GeneralizedLinearMixedModel)
    assert linear - generalized == set(LINEAR)
    assert generalized - linear == set(GENERALIZED)


def test_what_all_kinds_have_is_written_once() -> None:
    """The class of a kind has what it alone has.

    What several have is in one chapter of ``results/model``.
    """
    assert defined(LinearMixedModel) == set(LINEAR)
    assert defined(GeneralizedLinearMixedModel) == set(GENERALIZED)
    chapters = [c for c in MixedModel.__mro__ if c is not object]
    places: dict[str, list[str]] = {}
    for chapter in chapters:
        for name in vars(chapter):
            if not (name.startswith("__") and name.endswith("__")) and name not in ("_fit", "_request"):
                places.setdefault(name, []).append(chapter.__name__)
    assert not {name: found for name, found in places.items() if len(found) > 1}


@pytest.mark.parametrize("reasons", [LINEAR, GENERALIZED])
def test_reasons(reasons: dict[str, str]) -> None:
    assert all(len(reason) > 20 for reason in reasons.values())


def files() -> list[tuple[str, Path]]:
    """All files of the package, by their path in it."""
    return [(f.relative_to(PACKAGE).as_posix(), f) for f in sorted(PACKAGE.rglob("*.py"))]


def test_no_file_is_named_by_kind() -> None:
    named = {name for name, file in files() if re.search(r"(^|_)(g?lmm|linear|generalized)(_|$)", file.stem)}
    assert named <= set(NAMED_BY_KIND)
    assert len(NAMED_BY_KIND) <= 8


def test_nothing_above_fit_asks_which_kind_a_model_is() -> None:
    asking, naming = set(), set()
    texts = {name: file.read_text(encoding="utf-8") for name, file in files() if not name.startswith("fit/")}
    # a file in which no such name occurs need not be parsed
    for name, text in texts.items():
        if not any(kind in text for kind in OF_ONE_KIND):
            continue
        for node in ast.walk(ast.parse(text)):
            match node:
                case ast.Call(func=ast.Name(id="isinstance"), args=[_, kinds]):
                    if {n.id for n in ast.walk(kinds) if isinstance(n, ast.Name)} & OF_ONE_KIND:
                        asking.add(name)
                case ast.ImportFrom(module=str(module), names=names) if module.startswith("ranef.fit"):
                    if {alias.name for alias in names} & OF_ONE_KIND:
                        naming.add(name)
    assert not asking
    assert naming <= set(NAMES_ONE_KIND)


def test_nothing_above_fit_reads_what_only_some_kinds_have() -> None:
    above = [(name, file) for name, file in files() if not name.startswith(MAKE_FIELDS)]
    found = {name: FIELDS.findall(file.read_text(encoding="utf-8")) for name, file in above}
    assert {name: fields for name, fields in found.items() if fields} == {}


@pytest.mark.parametrize("reasons", [NAMED_BY_KIND, NAMES_ONE_KIND])
def test_exceptions_are_there(reasons: dict[str, str]) -> None:
    there = {name for name, _ in files()}
    assert set(reasons) <= there
    assert all(len(reason) > 20 for reason in reasons.values())
