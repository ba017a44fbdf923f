"""Words of Stata that its writer and its reader share."""

import re

from ranef.translation.expressions import Dialect
from ranef.translation.scanner import Lexicon

LANGUAGE = "Stata"

DIALECT = Dialect(
    LANGUAGE,
    {
        "log": "ln",
        "exp": "exp",
        "sqrt": "sqrt",
        "abs": "abs",
        "log10": "log10",
        "floor": "floor",
        "ceiling": "ceil",
        "is.na": "missing",
    },
    {},
    {"log": "log", "~": "!", "~=": "!="},
)
LEXICON = Lexicon(LANGUAGE, ("||", "##", "==", "!=", "~=", "<=", ">="), "_")
NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
COMMENTS = re.compile(
    r'"[^"\n]*"|(?P<comment>/\*.*?\*/|(?:^|(?<=\s))//[^\n]*(?:\n(?=))?|(?:(?<=\n)|\A)[ \t]*\*[^\n]*)', re.DOTALL
)

COMMANDS: dict[str, tuple[str | None, str | None]] = {
    "mixed": (None, None), "xtmixed": (None, None), "melogit": ("binomial", "logit"),
    "meqrlogit": ("binomial", "logit"), "xtmelogit": ("binomial", "logit"), "meprobit": ("binomial", "probit"),
    "mecloglog": ("binomial", "cloglog"), "mepoisson": ("poisson", "log"), "meqrpoisson": ("poisson", "log"),
    "xtmepoisson": ("poisson", "log"), "menbreg": ("nbinom2", "log"), "meglm": ("gaussian", None),
    "meologit": ("ordinal", "logit"), "meoprobit": ("ordinal", "probit"),
}  # fmt: skip
# Commands of panels, whose group is xtset or an option.
PANEL_COMMANDS: dict[str, tuple[str | None, str | None]] = {
    "xtreg": (None, None), "xtlogit": ("binomial", "logit"), "xtprobit": ("binomial", "probit"),
    "xtcloglog": ("binomial", "cloglog"), "xtpoisson": ("poisson", "log"), "gllamm": ("gaussian", None),
    "xtologit": ("ordinal", "logit"), "xtoprobit": ("ordinal", "probit"),
}  # fmt: skip
#: Commands of counts with a part for zeros, which have no random effects.
ZERO_COMMANDS = {"zip": "poisson", "zinb": "nbinom2"}
OTHER_MODELS = {
    "mestreg": "survival",
    "metobit": "censored",
    "meintreg": "censored",
    "menl": "nonlinear",
}
PREFIXES = ("xi", "quietly", "noisily", "capture", "eststo")
# Names of options with the number of letters that are enough.
OPTIONS = {
    "covariance": 3, "noconstant": 6, "reml": 4, "mle": 3, "ml": 2, "exposure": 3, "offset": 3, "binomial": 3,
    "family": 1, "link": 1, "intpoints": 4, "intmethod": 4, "laplace": 3, "residuals": 3, "dispersion": 1,
    "dfmethod": 3, "vce": 3, "robust": 1, "cluster": 2, "pweight": 2, "fweight": 2, "iweight": 2, "pwscale": 7,
    "constraints": 5, "collinear": 3, "asis": 4, "or": 2, "irr": 3, "eform": 5, "nolog": 3, "log": 3, "variance": 3,
    "stddeviations": 6, "level": 1, "noretable": 5, "nofetable": 5, "nolrtest": 4, "nogroup": 4, "noheader": 5,
    "iterate": 4, "technique": 4, "difficult": 3, "emiterate": 4, "emonly": 6, "emtolerance": 5, "emlog": 5,
    "tolerance": 3, "ltolerance": 4, "nrtolerance": 5, "matlog": 6, "matsqrt": 7, "nostderr": 8, "startvalues": 7,
    "from": 4, "baselevels": 4, "allbaselevels": 7, "coeflegend": 7, "estmetric": 6, "dftable": 3, "cformat": 3,
    "notable": 7, "retolerance": 5, "reiterate": 6, "inflate": 3, "probit": 6, "vuong": 5, "zip": 3, "forcevuong": 10,
}  # fmt: skip
PANEL_OPTIONS = {
    "re": 2, "fe": 2, "be": 2, "pa": 2, "i": 1, "normal": 3, "nip": 3, "adapt": 5, "denom": 5, "eqs": 3, "nrf": 3,
    "weight": 6, "theta": 5, "sa": 2, "lrmodel": 7, "dots": 4, "trace": 4,
}  # fmt: skip
SILENT = frozenset(OPTIONS) - {
    "covariance", "noconstant", "reml", "mle", "ml", "exposure", "offset", "binomial", "family", "link", "intpoints",
    "intmethod", "laplace", "residuals", "dispersion", "dfmethod", "vce", "robust", "cluster", "pweight", "fweight",
    "iweight", "constraints", "or", "irr", "eform", "inflate", "probit",
}  # fmt: skip
COVARIANCES = {"unstructured": 2, "independent": 3, "identity": 2, "exchangeable": 2}
FAMILIES = {
    "gaussian": "gaussian",
    "bernoulli": "binomial",
    "binomial": "binomial",
    "poisson": "poisson",
    "nbinomial": "nbinom2",
    "gamma": "Gamma",
    "ordinal": "ordinal",
}
FAMILY_LETTERS = {"ordinal": 1, "gaussian": 3, "bernoulli": 4, "binomial": 3, "poisson": 1, "nbinomial": 2, "gamma": 3}
LINKS = {"identity": 2, "log": 3, "logit": 4, "probit": 4, "cloglog": 4}
