"""The page on other programs shows what the package writes, and what it shows can be read."""

import importlib.util
import re
from pathlib import Path

import pytest

import ranef
from ranef.translation import describe

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "other_programs.md").read_text(encoding="utf-8")
_spec = importlib.util.spec_from_file_location("other_programs", ROOT / "scripts" / "other_programs.py")
script = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(script)


def test_the_table_is_what_the_script_prints():
    assert PAGE.endswith("compares.\n\n" + script.table())


@pytest.mark.parametrize(("title", "formula", "options"), script.MODELS, ids=[m[0] for m in script.MODELS])
def test_every_example_reads_back(title, formula, options):
    section = PAGE.split(f"### {title}\n")[1].split("\n### ")[0]
    shown = dict(re.findall(r"^([^\n`]+)\n\n```\w+\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL))
    names = {
        "R (lme4)": "lme4",
        "R (nlme)": "nlme",
        "SPSS": "spss",
        "Stata": "stata",
        "SAS": "sas",
        "Julia (MixedModels.jl)": "julia",
    }
    wanted = describe(formula, **options)
    read = {n: ranef.translate(shown[title], n).describe() for title, n in names.items() if title in shown}
    assert len(read) == (6 if "family" not in options and title != "Crossed factors" else 5)
    for language, model in read.items():
        if language == "spss" and wanted.n_quad > 1:
            assert model.signature[:6] == wanted.signature[:6]
        else:
            assert model.signature == wanted.signature
