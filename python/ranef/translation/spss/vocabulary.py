"""Words of SPSS that its writer and its reader share."""

import re

from ranef.translation.expressions import Dialect
from ranef.translation.scanner import Lexicon

LANGUAGE = "SPSS"

DIALECT = Dialect(
    LANGUAGE,
    {"log": "LN", "exp": "EXP", "sqrt": "SQRT", "abs": "ABS", "log10": "LG10"},
    {"^": "**", "==": "=", "!=": "<>", "&": "AND", "|": "OR", "!": "NOT"},
    {
        "and": "&", "or": "|", "not": "!", "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
        "&": "&", "|": "|", "~": "!", "~=": "!=",
    },
    "'",
    tight_not=False,
)  # fmt: skip
LEXICON = Lexicon(LANGUAGE, ("**", "<>", "~=", "<=", ">="), "_.$#@")
NAME = re.compile(r"[A-Za-z@#$][\w.$#@]*(?<![.])")
COVTYPES = {
    "vc": "components", "id": "identity", "diag": "diagonal", "un": "unstructured", "unr": "unstructured",
    "variance_components": "components", "scaled_identity": "identity", "diagonal": "diagonal",
    "unstructured": "unstructured",
}  # fmt: skip
DISTRIBUTIONS = {
    "binomial": "BINOMIAL", "poisson": "POISSON", "nbinom2": "NEGATIVE_BINOMIAL", "Gamma": "GAMMA",
    "inverse.gaussian": "INVERSE_GAUSS", "gaussian": "NORMAL",
}  # fmt: skip
LINKS = {
    "logit": "LOGIT", "probit": "PROBIT", "cloglog": "CLOGLOG", "log": "LOG", "identity": "IDENTITY",
    "inverse": "POWER(-1)", "sqrt": "POWER(0.5)", "1/mu^2": "POWER(-2)",
}  # fmt: skip
PREPARATIONS = (
    "execute",
    "temporary",
    "dataset",
    "get",
    "use",
    "filter",
    "title",
    "subtitle",
    "set",
    "new",
    "output",
    "value",
    "missing",
    "sort",
)
