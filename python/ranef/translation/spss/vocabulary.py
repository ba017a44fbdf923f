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
    "cs": "homogeneous_compound_symmetry", "csh": "compound_symmetry", "ar1": "ar1", "arh1": "heterogeneous_ar1",
    "tp": "homogeneous_toeplitz", "tph": "toeplitz",
}  # fmt: skip
REPEATED = {
    "vc": "ID", "vch": "DIAG", "us": "UN", "cs": "CS", "csh": "CSH", "ar1": "AR1", "ar1h": "ARH1", "adh": "AD1",
    "toep": "TP", "toeph": "TPH", "arma11": "ARMA11",
}  # fmt: skip
"""COVTYPE of REPEATED."""
REPEATED_READ = {**{v.lower(): k for k, v in REPEATED.items()}, "unr": "us"}
"""The same read; UNR is UN by other parameters."""
RANDOM = {
    "unstructured": "UN", "diagonal": "DIAG", "homogeneous_diagonal": "ID", "homogeneous_compound_symmetry": "CS",
    "compound_symmetry": "CSH", "ar1": "AR1", "heterogeneous_ar1": "ARH1", "homogeneous_toeplitz": "TP",
    "toeplitz": "TPH",
}  # fmt: skip
"""COVTYPE of RANDOM."""
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
