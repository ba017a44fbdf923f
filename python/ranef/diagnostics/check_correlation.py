"""What a covariance structure of the rows leaves, on the diagnostic panel: spread, correlation by
lag and by distance of normalized residuals.
"""

import numpy as np

from ranef.diagnostics.check_part import CheckPart, Finding
from ranef.diagnostics.check_sentences import spread_sentence
from ranef.diagnostics.phrases import chance_words, p_words
from ranef.diagnostics.residual_frames import curve_frame
from ranef.diagnostics.row_correlation import LeftCorrelation, NormalizedRows, autocorrelation, semivariogram
from ranef.diagnostics.spread import spread_trend
from ranef.fit.record import MixedFit

#: Chance below which a finding is one, and the correlation that matters.
RARE, MATTERS = 0.01, 0.1


def normalized_spread_part(fit: MixedFit, at: NormalizedRows) -> CheckPart:
    """Roots of absolute normalized residuals along the fitted values of the fixed effects."""
    along, roots = fit.fixed_part()[at.order], np.sqrt(np.abs(at.own))
    trend = spread_trend(along, roots)
    if trend is None:
        nothing = np.full(1, np.nan)
        frame = curve_frame(along, roots, "root_residual", np.zeros(1), nothing, 0.0, nothing)
    else:
        frame = curve_frame(along, roots, "root_residual", trend.x, trend.y, trend.average, trend.limit)
    return CheckPart(
        "scale", "Spread of normalized residuals", "", frame, spread_sentence(trend), "fixed part of the fitted value"
    )


def autocorrelation_part(fit: MixedFit, at: NormalizedRows) -> CheckPart:
    """Correlations of normalized residuals by lag."""
    assert fit.design.residual is not None
    found = autocorrelation(fit.design.residual, at)
    finding = Finding("No lag has enough pairs of rows.")
    if found is not None:
        k = found.most_striking
        what = f"the correlation {found.value[k]:.2f} at lag {found.at[k]:g} (mean of data from the model "
        what += f"{found.mean[k]:.2f})"
        finding = _finding(found, what, abs(found.value[k] - found.mean[k]) > MATTERS)
    return CheckPart("autocorrelation", "Autocorrelation left", "", _frame(found, "lag", "autocorrelation"), finding)


def semivariogram_part(fit: MixedFit, at: NormalizedRows) -> CheckPart | None:
    """Semivariances of normalized residuals by distance; None where positions are no numbers."""
    rows = fit.design.residual
    assert rows is not None
    found = semivariogram(rows, at)
    if found is None:
        return None
    k = found.most_striking
    what = f"the semivariance {found.value[k]:.2f} at the distance {found.at[k]:.3g} (mean of data from the model "
    what += f"{found.mean[k]:.2f})"
    finding = _finding(found, what, abs(found.value[k] - found.mean[k]) > MATTERS)
    return CheckPart("semivariogram", "Semivariogram left", "", _frame(found, "distance", "semivariance"), finding)


def _finding(found: LeftCorrelation, what: str, large: bool) -> Finding:
    """The sentence on the most striking value."""
    if found.p_value >= RARE:
        text = f"Normalized residuals are as the structure says: the most striking is {what}; "
        return Finding(f"{text}{chance_words(found.p_value)}.", found.p_value)
    end = (
        "the structure does not have all the correlation there is; compare others with anova()."
        if large
        else "it is small."
    )
    return Finding(
        f"Normalized residuals have {what}, more than chance gives ({p_words(found.p_value)}): {end}",
        found.p_value,
        large,
    )


def _frame(found: LeftCorrelation | None, at: str, value: str):  # type: ignore[no-untyped-def]
    import pandas as pd

    names = [at, value, "pairs", "mean", "lower", "upper"]
    if found is None:
        return pd.DataFrame(columns=names, dtype=float)
    columns = (found.at, found.value, found.pairs, found.mean, found.lower, found.upper)
    return pd.DataFrame(dict(zip(names, columns, strict=True)))
