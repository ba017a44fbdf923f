"""Which program's language a text is in, by the words that only one of them has."""

import re

from ranef.errors import OptionError
from ranef.translation.stata.vocabulary import COMMANDS, OTHER_MODELS, PANEL_COMMANDS, PREFIXES, ZERO_COMMANDS

_STATA_COMMANDS = "|".join(sorted((*COMMANDS, *PANEL_COMMANDS, *OTHER_MODELS, *ZERO_COMMANDS), key=len, reverse=True))

#: Signs of each language. Those of SPSS come before those of Stata, which has the word mixed too.
_SIGNS = (
    ("julia", re.compile(r"@formula\b|\bg?lmm\(|\b(?:Generalized)?(?:Linear)?MixedModel\b")),
    ("sas", re.compile(r"\bproc\s+(?:mixed|hpmixed|glimmix|nlmixed)\b", re.I)),
    ("lme4", re.compile(r"(?<![\w.])(?:lmer|glmer|glmer\.nb|mmrm|nlmer)\s*\(")),
    ("glmmtmb", re.compile(r"(?<![\w.])glmmTMB\s*\(")),
    ("ordinal", re.compile(r"(?<![\w.])clmm2?\s*\(")),
    ("pscl", re.compile(r"(?<![\w.])(?:zeroinfl|hurdle)\s*\(")),
    ("nlme", re.compile(r"(?<![\w.])(?:lme|gls|nlme)\s*\(")),
    ("spss", re.compile(r"^\s*genlinmixed\b", re.I | re.M)),
    ("spss", re.compile(r"^\s*mixed\s+[\w.$#@]+\s+(?:by|with)\b", re.I | re.M)),
    ("spss", re.compile(r"^\s*mixed\b[^|]*?\s/\s*(?:fixed|random|repeated|method|print|criteria|save)\b", re.I | re.M)),
    (
        "stata",
        re.compile(
            rf"^[ \t]*(?:\.[ \t]*)?(?:(?:{'|'.join(PREFIXES)})\b[ \t]*:?[ \t]*|(?:by|bysort)\b[^:\n]*:[ \t]*)*"
            rf"(?:{_STATA_COMMANDS})\b",
            re.M,
        ),
    ),
)

#: What is not read, though it fits mixed models, with what to do.
_OTHERS = (
    (
        re.compile(r"\bmixedlm\b|\bMixedLM\b"),
        "this is statsmodels: its formula takes the groups as a random-effects term, 'y ~ x + (1 + z | group)' for "
        "groups='group' and re_formula='~ z'",
    ),
    (
        re.compile(r"\b(?:brm|stan_g?lmer|Lmer|mixed_model)\s*\("),
        "the formula in it is written as lmer and glmer take it: give it to them",
    ),
    (re.compile(r"^[^\n(]*~"), "this is a formula, as lmer and glmer take it: give it to them"),
)


def recognised(text: str, languages: tuple[str, ...]) -> str:
    """The language of a text.

    Parameters
    ----------
    text : str
    languages : tuple of str
        Those that are known.

    Raises
    ------
    OptionError
        When there is no sign of any; the message says how the text begins and how to state the
        language.
    """
    found = [(match.start(), place, name) for place, (name, sign) in enumerate(_SIGNS) if (match := sign.search(text))]
    if found:
        # Commands of Stata are short words, that count only where there is no other sign.
        first = min(found, key=lambda sign: (sign[2] == "stata", sign[0], sign[1]))
        return first[2]
    for sign, advice in _OTHERS:
        if sign.search(text):
            raise OptionError(f"there is no model of another program to translate: {advice}.")
    lines = text.split("\n")
    begins = next((line.strip() for line in lines if line.strip()), "")
    shown = f"it begins with {begins[:60]!r}" if begins else "it is empty"
    raise OptionError(
        f"the language of the text cannot be recognised ({shown}, and no command that fits a mixed model is in it); "
        f"state it: source={' or '.join(map(repr, languages))}."
    )
