"""Words of SAS that its writer and its reader share."""

import re

from ranef.translation.expressions import Dialect
from ranef.translation.scanner import Lexicon

LANGUAGE = "SAS"

DIALECT = Dialect(
    LANGUAGE,
    {
        "log": "log",
        "exp": "exp",
        "sqrt": "sqrt",
        "abs": "abs",
        "log10": "log10",
        "floor": "floor",
        "ceiling": "ceil",
        "is.na": "missing",
    },
    {"^": "**", "==": "=", "!=": "ne", "&": "and", "|": "or", "!": "not"},
    {
        "eq": "==",
        "ne": "!=",
        "^=": "!=",
        "~=": "!=",
        "lt": "<",
        "le": "<=",
        "gt": ">",
        "ge": ">=",
        "&": "&",
        "|": "|",
        "^": "!",
    },
    "'",
)
LEXICON = Lexicon(LANGUAGE, ("**", "<=", ">=", "^=", "~="), "_")
NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
COMMENTS = re.compile(
    r"'[^'\n]*'|\"[^\"\n]*\"|(?P<comment>/\*.*?\*/|(?:\A|(?<=;))(?:\s|/\*.*?\*/)*\*[^;]*;)", re.DOTALL
)

TYPES = {
    "vc": "components",
    "simple": "components",
    "un": "unstructured",
    "chol": "unstructured",
    "unr": "unstructured",
    "un(1)": "diagonal",
    "cs": "homogeneous_compound_symmetry",
    "csh": "compound_symmetry",
    "ar(1)": "ar1",
    "arh(1)": "heterogeneous_ar1",
    "toep": "homogeneous_toeplitz",
    "toeph": "toeplitz",
}
TYPES_WRITTEN = {
    "unstructured": "un",
    "homogeneous_diagonal": "vc",
    **{ours: theirs for theirs, ours in TYPES.items() if ours not in ("components", "unstructured")},
}
"""TYPE= of RANDOM for structures of the effects of a factor."""
DISTRIBUTIONS = {
    "binary": "binomial", "binomial": "binomial", "poisson": "poisson", "negbin": "nbinom2", "nb": "nbinom2",
    "gamma": "Gamma", "invgauss": "inverse.gaussian", "ig": "inverse.gaussian", "normal": "gaussian",
    "gaussian": "gaussian", "beta": "beta", "bin": "binomial", "b": "binomial", "poi": "poisson", "p": "poisson",
    "negbinomial": "nbinom2", "gam": "Gamma", "g": "gaussian", "n": "gaussian", "inversegaussian": "inverse.gaussian",
}  # fmt: skip
LINKS = {
    "logit": "logit", "probit": "probit", "cloglog": "cloglog", "log": "log", "identity": "identity", "id": "identity",
    "reciprocal": "inverse", "inverse": "inverse", "inv": "inverse", "power(-2)": "1/mu^2", "power(0.5)": "sqrt",
    "power(.5)": "sqrt",
}  # fmt: skip
LINK_NAMES = {
    "logit": "logit", "probit": "probit", "cloglog": "cloglog", "log": "log", "identity": "identity",
    "inverse": "reciprocal", "1/mu^2": "power(-2)", "sqrt": "power(0.5)",
}  # fmt: skip
FAMILY_NAMES = {
    "poisson": "poisson",
    "nbinom2": "negbin",
    "Gamma": "gamma",
    "inverse.gaussian": "invgauss",
    "gaussian": "normal",
    "beta": "beta",
}
AFTER_FIT = {
    "estimate": "m.test(...)", "contrast": "m.test(...)", "lsmestimate": "m.emmeans(...)",
    "slice": "m.emmeans(...)", "covtest": "m.ranova()", "store": "m.save(...)", "output": "m.fittedvalues, m.resid",
}  # fmt: skip
SILENT = (
    "ods",
    "title",
    "run",
    "quit",
    "parms",
    "nloptions",
    "label",
    "format",
    "id",
    "prior",
    "libname",
    "options",
    "footnote",
)
MODEL_SILENT = (
    "solution", "s", "cl", "covb", "corrb", "chisq", "ddfm", "dfm", "ddf", "htype", "e", "e1", "e3", "outp", "outpm",
    "outpred", "outpredm", "alpha", "residual", "vciry", "influence", "intercept", "int", "oddsratio", "or", "stdcoef",
    "notest", "lcomponents", "df", "obsmargins",
)  # fmt: skip
RANDOM_SILENT = (
    "solution",
    "s",
    "g",
    "gcorr",
    "gi",
    "gc",
    "gci",
    "v",
    "vcorr",
    "vi",
    "cl",
    "alpha",
    "ldata",
    "nofullz",
)
