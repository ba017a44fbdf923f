"""Print the table of ``docs/other_programs.md``:
models in seven languages, as the package writes them.

usage: python scripts/other_programs.py

A test compares what it prints with the page.
"""

from ranef.errors import TranslationError
from ranef.translation import LANGUAGES, describe, write

MODELS = (
    ("Random intercept", "y ~ x + (1 | g)", {}),
    ("The same by maximum likelihood", "y ~ x + (1 | g)", {"reml": False}),
    ("Random slope, correlated", "y ~ x + (x | g)", {}),
    ("Random slope, uncorrelated", "y ~ x + (x || g)", {}),
    ("Cross-level interaction", "y ~ x * w + (x | g)", {}),
    ("A factor", "y ~ f * x + (1 | g)", {"categorical": ["f"]}),
    ("Three levels", "y ~ x + (1 | school/class)", {}),
    ("Crossed factors", "y ~ x + (1 | subject) + (1 | item)", {}),
    ("Logit, Laplace approximation", "y ~ x + (1 | g)", {"family": "binomial"}),
    ("Logit, 7 nodes of quadrature", "y ~ x + (1 | g)", {"family": "binomial", "n_quad": 7}),
    ("Counts of successes", "cbind(s, n - s) ~ x + (1 | g)", {"family": "binomial"}),
    ("Poisson with an exposure", "y ~ x + offset(log(e)) + (1 | g)", {"family": "poisson"}),
)
FENCES = {"lme4": "r", "nlme": "r", "spss": "text", "stata": "text", "sas": "sas", "julia": "julia"}


def call_text(formula: str, options: dict) -> str:
    """The call of this package."""
    words = [f'"{formula}"', "data"]
    words += ["REML=False"] * (options.get("reml") is False)
    words += [f'family="{options["family"]}"'] if "family" in options else []
    words += [f"n_quad={options['n_quad']}"] if "n_quad" in options else []
    return f"{'glmer' if 'family' in options else 'lmer'}({', '.join(words)})"


def section(title: str, formula: str, options: dict) -> list[str]:
    """One model in all languages."""
    model = describe(formula, **options)
    lines = [f"### {title}", "", "ranef", "", "```text", call_text(formula, options), "```", ""]
    for name, language in LANGUAGES.items():
        lines += [language.title, ""]
        try:
            lines += [f"```{FENCES[name]}", write(model, name, notes=False), "```", ""]
        except TranslationError as refusal:
            lines += [f"*cannot be written: {refusal.part}: {refusal.reason}*", ""]
    return lines


def table() -> str:
    """The whole of it."""
    return "\n".join(line for model in MODELS for line in section(*model))


if __name__ == "__main__":
    print(table(), end="")
