"""Answers to attributes that a model or the package does not have, as other programs call them."""

import difflib
from collections.abc import Collection

from ranef.errors import UnknownMemberError

#: Members of a fitted model by the names that lme4 and statsmodels give them.
_MEMBERS = {
    "AIC": "aic",
    "BIC": "bic",
    "AICc": "aicc",
    "logLik": "llf",
    "loglik": "llf",
    "loglike": "llf",
    "log_likelihood": "llf",
    "deviance": "objective",
    "REMLcrit": "reml_criterion",
    "fixed_effects": "fixef",
    "fixedeffects": "fixef",
    "fe_params": "fixef",
    "random_effects": "ranef()",
    "coefficients": "coef() for each group, or fixef",
    "cov_re": "varcorr",
    "VarCorr": "varcorr",
    "vcov": "cov_params()",
    "confint": "conf_int()",
    "rsquared": "r2()",
    "r_squared": "r2()",
    "R2": "r2()",
    "ICC": "icc()",
    "fitted": "fittedvalues",
    "fitted_values": "fittedvalues",
    "scale": "sigma",
    "n_obs": "nobs",
    "ngrps": "ngroups",
    "n_groups": "ngroups",
    "isSingular": "is_singular",
    "singular": "is_singular",
    "converged": "convergence.ok",
    "rePCA": "repca()",
    "pvalue": "pvalues",
    "p_values": "pvalues",
    "t_values": "tvalues",
    "z_values": "zvalues",
    "std_errors": "bse",
    "cooks": "cooks_distance()",
    "lrt": "anova() of ranef, as in ranef.anova(smaller, larger)",
    "compare": "anova() of ranef, as in ranef.anova(smaller, larger)",
}

_INSTEAD = {
    "fit": "a model is fitted when it is made: lmer(formula, data) returns it",
    "getME": "the parts are attributes: theta, fixef, cov_params(), hatvalues() and others",
}

#: What is another verb here.
_VERBS = {
    "lme": "lmer",
    "mixedlm": "lmer",
    "MixedLM": "lmer",
    "mixed": "lmer",
    "lmm": "lmer",
    "glmmTMB": "glmer",
    "glmm": "glmer",
    "glmer.nb": "glmer_nb",
    "data": "load_dataset",
    "datasets": "list_datasets",
}

_FILES = "the path of a file is the data of a model: lmer(formula, 'data.sav'); load is for saved models"

_ELSEWHERE = {
    **dict.fromkeys(("read", "read_csv", "read_excel", "read_spss", "read_sav", "read_stata"), _FILES),
    "lm": "models without random effects are those of statsmodels: statsmodels.formula.api.ols(formula, data).fit()",
    "glm": "models without random effects are those of statsmodels: statsmodels.formula.api.glm(formula, data, family)",
}


def about_member(name: str, members: Collection[str]) -> str:
    """What to write for a member of a model that there is none of; empty where nothing comes near.

    Parameters
    ----------
    name : str
        As it was written.
    members : collection of str
        What there is.
    """
    if name in _INSTEAD:
        return _INSTEAD[name]
    ours = _MEMBERS.get(name)
    if ours is not None and ours.partition("(")[0].partition(".")[0].partition(" ")[0] in members:
        return f"it is {ours} here"
    return _close(name, members)


def unknown_member(owner: object, name: str, reason: str | None = None) -> UnknownMemberError:
    """The error for an attribute that an object does not have.

    Parameters
    ----------
    owner : object
    name : str
    reason : str, optional
        Why, where that is known; otherwise what to write is looked for.
    """
    text = f"{type(owner).__name__!r} object has no attribute {name!r}"
    if reason is None and not name.startswith("_"):
        reason = about_member(name, dir(type(owner)))
    return UnknownMemberError(f"{text}: {reason}." if reason else text, name=name, obj=owner)


def about_verb(name: str, verbs: Collection[str], members: Collection[str]) -> str:
    """What to write for a function of the package that there is none of."""
    if name in _ELSEWHERE:
        return _ELSEWHERE[name]
    if name in _VERBS:
        return f"it is {_VERBS[name]} here"
    if name in members:
        return f"it belongs to a fitted model m: m.{name}"
    if name in _MEMBERS:
        return f"it belongs to a fitted model m: m.{_MEMBERS[name]}"
    return _close(name, verbs)


def _close(name: str, known: Collection[str]) -> str:
    by_case = {n.lower(): n for n in known if not n.startswith("_")}
    close = difflib.get_close_matches(name.lower(), by_case, n=2, cutoff=0.7)
    return f"did you mean {' or '.join(by_case[c] for c in close)}" if close else ""
