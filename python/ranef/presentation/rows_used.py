"""One line on how many rows of the data a fit used, and in what the others are missing."""

from ranef.fit.record import MixedFit


def rows_used(fit: MixedFit) -> str | None:
    """The line; None where no row has a missing value.

    A row in which several variables are missing counts for each of them, so that their numbers can
    add up to more than the rows.
    """
    missing = n_missing(fit)
    if not missing:
        return None
    design = fit.design
    parts = ", ".join(f"{name} {count:,}" for name, count in design.missing_counts)
    why = f"{missing:,} missing: {parts}" if parts else f"{missing:,} missing"
    if other := design.n_input - fit.nobs - missing:
        why += f"; {other:,} not in the subset"
    return f"{fit.nobs:,} of {design.n_input:,} rows used ({why})"


def n_missing(fit: MixedFit) -> int:
    """Number of rows that were left out because a value is missing."""
    return fit.design.n_missing
