"""How the rows of a subject are correlated, in words."""

from collections.abc import Mapping

import numpy as np

from ranef.errors import OptionError
from ranef.estimates.residual_covariance import residual_covariances
from ranef.fit.record import MixedFit
from ranef.presentation.term_labels import label_of

#: What a structure says of two rows of one subject.
_SAYS = {
    "us": "Any variances and correlations of {at} are allowed (unstructured).",
    "cs": "All pairs of {at} have the same correlation (compound symmetry).",
    "ar1": "The correlation falls by the same factor with every step between {at} (autoregression of order one).",
    "ad": "Each pair of neighbouring {at} has its own correlation, and others are products of these (ante-dependence).",
    "toep": "The correlation depends on the number of steps between {at} only (Toeplitz).",
    "exp": "The correlation falls exponentially with the distance between {at}.",
    "gau": "The correlation falls with the squared distance between {at} (Gaussian).",
    "car1": "The correlation falls exponentially with the time between {at} (autoregression in continuous time).",
    "arma": "Rows follow an autoregressive moving average along {at}.",
    "mat": "The correlation falls with the distance between {at}, with a smoothness of its own (Matérn).",
    "linear": "The correlation falls on a straight line with the distance between {at}, to zero at the range.",
    "spherical": "The correlation falls with the distance between {at} and is zero from the range on (spherical).",
    "rational_quadratic": "The correlation falls slowly with the distance between {at} (rational quadratic).",
}

#: What a variance function says of the standard deviation of a row.
_SPREAD = {
    "by_group": "differs between groups of {by}",
    "power": "is proportional to a power of {of}",
    "exponential": "is proportional to an exponential function of {of}",
    "const_power": "is proportional to a constant plus a power of {of}",
    "fixed": "is proportional to the root of {of}",
}


def subject_of(fit: MixedFit, labels: Mapping[str, str]) -> str:
    """What the rows of one block share; empty for independent rows."""
    residual = fit.design.residual
    c = None if residual is None else residual.expr.correlation
    return "" if c is None or not c.subject else label_of(c.subject[-1].name, labels)


def beside_effects(fit: MixedFit, labels: Mapping[str, str]) -> list[str]:
    """What the structure says beside random effects: nothing where there is none."""
    residual = fit.design.residual
    if residual is None:
        return []
    c, spread = residual.expr.correlation, _spread(fit, labels)
    if c is None:
        return [spread]
    subject = subject_of(fit, labels)
    at = " and ".join(label_of(v.name, labels) for v in c.coordinates) or "rows"
    what = f"Given the random effects, rows{f' of the same {subject}' if subject else ''} are still correlated."
    return [" ".join(p for p in (what, _SAYS.get(c.structure, "").format(at=at), spread, _estimates(fit)) if p)]


def _spread(fit: MixedFit, labels: Mapping[str, str]) -> str:
    """What variance functions say."""
    residual = fit.design.residual
    said = []
    for v in () if residual is None else residual.expr.variance:
        of = "the fitted value" if v.of is None else label_of(v.of.name, labels)
        by = " and ".join(label_of(g.name, labels) for g in v.by)
        own = f", with parameters for each {by}" if v.by and v.function != "by_group" else ""
        said.append(_SPREAD[v.function].format(of=of, by=by) + own)
    return f"The standard deviation of a row {', and '.join(said)}." if said else ""


def correlation_paragraph(fit: MixedFit, labels: Mapping[str, str]) -> str:
    """What a model without random effects says of rows of one subject."""
    residual = fit.design.residual
    assert residual is not None
    c = residual.expr.correlation
    subject = subject_of(fit, labels)
    if c is None:
        return f"The model has fixed effects only. {_spread(fit, labels)}"
    at = " and ".join(label_of(v.name, labels) for v in c.coordinates) or "rows"
    parts = [
        "The model has fixed effects, which hold for the whole population, and no random effects: rows"
        f"{f' of the same {subject}' if subject else ''} are correlated.",
        _SAYS.get(c.structure, "").format(at=at),
    ]
    if c.structure != "us" and c.coordinates and not c.kind.spatial:
        variances = "have one variance" if c.homogeneous else "have variances of their own"
        parts.append(f"Levels of {at} {variances}.")
    parts += [_spread(fit, labels), _estimates(fit)]
    return " ".join(p for p in parts if p)


def _estimates(fit: MixedFit) -> str:
    """The range of correlations and standard deviations that were estimated."""
    try:
        found = residual_covariances(fit)
    except OptionError:
        return ""
    out = []
    for group, (_, matrix) in found.items():
        if len(matrix) < 2:
            continue
        sd = np.sqrt(np.diagonal(matrix))
        pairs = (matrix / np.outer(sd, sd))[np.triu_indices(len(sd), 1)]
        where = f" in {group}" if group else ""
        spread = f"from {sd.min():.3g} to {sd.max():.3g}" if np.ptp(sd) > 0 else f"of {sd[0]:.3g}"
        range_ = f"from {pairs.min():.2f} to {pairs.max():.2f}" if np.ptp(pairs) > 0 else f"{pairs[0]:.2f}"
        out.append(f"Estimated{where} are standard deviations {spread} and correlations {range_}.")
    return " ".join(out)
